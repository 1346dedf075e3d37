import { rm } from 'node:fs/promises';
import type { Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { InformerFactory } from '../client/informer.ts';
import { PODS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { ContainerLifecycle } from './container-lifecycle.ts';
import type { EvictionManager } from './eviction/eviction-manager.ts';
import { nodeEviction } from './eviction/node-eviction.ts';
import type { PressureCondition } from './eviction/signals.ts';
import type { EvictionSettings } from './eviction/thresholds.ts';
import { ImageCollection } from './images/image-collection.ts';
import { NODE_SHUTDOWN, type ShutdownSettings, shutdownGroups } from './node-shutdown.ts';
import { apiObjectSource, type KubernetesEndpoint } from './object-source.ts';
import { apiPodCertificateSource } from './pod-certificate-source.ts';
import { podLogDirectory, removeOtherLogs } from './pod-logs.ts';
import { apiPodRecord, type PodRecord } from './pod-record.ts';
import { PodWorker } from './pod-worker.ts';
import { RuntimeView } from './runtime-view.ts';
import { isMirror, MirrorPods } from './static-pods/mirror-pods.ts';
import { PodDirectory } from './static-pods/pod-directory.ts';
import { StaticPods } from './static-pods/static-pods.ts';
import { unsupportedFields } from './unsupported-fields.ts';
import { VolumeManager } from './volumes/volume-manager.ts';

export interface KubeletDependencies {
  readonly nodeName: string;
  readonly client: RestClient;
  readonly informers: InformerFactory;
  readonly runtime: Runtime;
  readonly events: EventRecorder;
  /** The node's own addresses. */
  readonly hostIPs: readonly string[];
  /** Where pods of this node find the apiserver, when that is not the address of the `kubernetes` Service. */
  readonly kubernetesEndpoint: KubernetesEndpoint | undefined;
  readonly nodeRoom: Readonly<Record<string, string>>;
  readonly podsDirectory: string;
  readonly logsDirectory: string;
  /** Where files of static pods are: `--pod-manifest-path`. */
  readonly podManifestPath: string | undefined;
  /** The Node object that this node is. */
  readonly nodeUid: () => string;
  /** Whether a certificate of the cluster's CA is of the authority that signs now, as this node's own is. */
  readonly isOfCurrentAuthority: (chain: string) => boolean;
  readonly eviction: EvictionSettings;
  readonly shutdown: ShutdownSettings;
  /** The conditions of the node are others now. */
  readonly conditionsChanged: () => void;
  readonly trustedCa: () => string | Buffer;
  readonly clock: Clock;
  readonly log: Log;
}

/** Seconds for containers whose pod went while no kubelet was there: nobody says any more how long they have. */
const ORPHAN_GRACE_SECONDS = 2;

/** Runs the pods that are bound to this node: a worker each. */
export class Kubelet {
  readonly #d: KubeletDependencies;
  readonly #view: RuntimeView;
  readonly #volumes: VolumeManager;
  readonly #workers = new Map<string, PodWorker>();
  readonly #source;
  readonly #statics: StaticPods;
  readonly #mirrors: MirrorPods;
  readonly #eviction: EvictionManager;
  readonly #images: ImageCollection | undefined;
  readonly #abort = new AbortController();
  #directory: PodDirectory | undefined;
  #accepting = true;
  #cleaning: Promise<void> | undefined;

  constructor(dependencies: KubeletDependencies) {
    this.#d = dependencies;
    this.#view = new RuntimeView(dependencies.runtime);
    this.#source = apiObjectSource(dependencies.client, dependencies.informers, dependencies.kubernetesEndpoint);
    this.#volumes = new VolumeManager({
      podsDirectory: dependencies.podsDirectory,
      source: this.#source,
      nodeRoom: dependencies.nodeRoom,
      clock: dependencies.clock,
      certificateSource: apiPodCertificateSource(dependencies.client, dependencies.nodeUid),
      isOfCurrentAuthority: dependencies.isOfCurrentAuthority,
    });
    const { client, nodeName, nodeUid, log, clock } = dependencies;
    const informer = () => this.#podInformer();
    this.#mirrors = new MirrorPods({ client, nodeName, nodeUid, informer, log, signal: this.#abort.signal });
    this.#statics = new StaticPods({
      start: (pod) => this.#startWorker(pod, this.#mirrors.recordOf(pod)),
      end: (pod) => this.#workers.get(pod.metadata.uid ?? '')?.update(pod),
      now: () => clock.now(),
    });
    const { images } = dependencies.runtime;
    const containers = () => dependencies.runtime.listContainers();
    if (images !== undefined) this.#images = new ImageCollection({ images, containers, now: () => clock.now(), log });
    this.#eviction = this.#makeEviction();
  }

  /** Starts the pods of the manifest directory, and follows it. Needs no apiserver. */
  async startStaticPods(): Promise<void> {
    const { podManifestPath: path, nodeName, runtime, clock, log } = this.#d;
    if (path === undefined) return;
    await this.#view.refresh();
    // With the rules of all kinds, which a node without static pods does not need.
    const { StaticPodParser } = await import('./static-pods/static-pod-file.ts');
    const parser = new StaticPodParser((pod) => unsupportedFields(pod, runtime));
    const changed = (pods: readonly Pod[]): void => {
      if (this.#accepting) this.#statics.set(pods);
    };
    this.#directory = new PodDirectory({ path, nodeName, parser, changed, clock, log });
    await this.#directory.start();
  }

  /**
   * Looks at what the runtime has, then asks for the informer that shows this node's pods: call it before the factory starts. In the
   * other order a pod that runs already would be started once more.
   */
  async watchPods(): Promise<void> {
    await this.#view.refresh();
    this.#podInformer().handle({
      added: (pod) => this.#upsert(pod),
      updated: (pod) => this.#upsert(pod),
      deleted: (pod) => {
        if (isMirror(pod)) this.#mirrors.noticed(pod);
        else this.#workers.get(pod.metadata.uid ?? '')?.removed();
      },
    });
  }

  /** Takes over what runs already, removes what belongs to no pod, and follows the runtime until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const following = Promise.all([this.#follow(signal), this.#eviction.run(signal), this.#images?.run(signal)]);
    await this.#view.refreshUntil(signal, this.#d.log);
    await this.#podInformer().synced();
    this.#mirrors.look();
    this.#cleaning = this.#removeOrphans();
    await this.#cleaning;
    for (const worker of this.#workers.values()) worker.wake();
    await following;
  }

  /** Ends every pod's containers within their grace periods, or at once when `hurry` aborts. Nothing runs afterwards, whosever it was. */
  async shutdown(hurry: AbortSignal): Promise<void> {
    this.#accepting = false;
    await this.#directory?.close();
    await this.#cleaning;
    await this.#endPods(hurry);
    for (const sandbox of await this.#d.runtime.listPodSandboxes()) {
      await this.#d.runtime.stopPodSandbox(sandbox.id).catch((error: unknown) => {
        this.#d.log.error('a pod runs on', { pod: sandbox.config.podName, error: String(error) });
      });
    }
    await this.#mirrors.flush();
  }

  /** All at once, or, when the node shuts down for good, the critical ones last. */
  async #endPods(hurry: AbortSignal): Promise<void> {
    const { shutdown, log } = this.#d;
    const workers = [...this.#workers.values()];
    const ended = (failed: Promise<void>): Promise<void> =>
      failed.catch((error: unknown) => log.warn('a pod was not stopped', { error: String(error) }));
    if (shutdown.totalMs === 0) {
      await Promise.all(workers.map((worker) => ended(worker.shutdown(hurry))));
      return;
    }
    const pods = workers.map((worker) => ({ worker, pod: worker.pod, isStatic: this.#statics.has(worker.pod) }));
    for (const { pods: group, graceSeconds } of shutdownGroups(pods, shutdown)) {
      const forGood = { failure: NODE_SHUTDOWN, graceSeconds };
      await Promise.all(group.map(({ worker }) => ended(worker.shutdown(hurry, forGood))));
    }
  }

  /** Ends the workers and leaves the containers running: the next start adopts them. */
  async stop(): Promise<void> {
    this.#accepting = false;
    await this.#cleaning;
    this.#abort.abort();
    await this.#directory?.close();
    await Promise.all([...this.#workers.values()].map((w) => w.stop()));
  }

  /** Of a static pod, the UID by which the API knows it. */
  mirrorUid(pod: Pod): string | undefined {
    return this.#mirrors.uidOf(pod);
  }

  get conditions(): ReadonlySet<PressureCondition> {
    return this.#eviction.conditions;
  }

  get view(): RuntimeView {
    return this.#view;
  }

  /** The pods of this node as last decided, with the newest status. */
  pods(): readonly Pod[] {
    return [...this.#workers.values()].map((w) => w.pod);
  }

  #podInformer() {
    return this.#d.informers.for<Pod>(PODS, { fieldSelector: `spec.nodeName=${this.#d.nodeName}` });
  }

  #upsert(pod: Pod): void {
    if (isMirror(pod)) {
      this.#mirrors.noticed(pod);
      return;
    }
    const uid = pod.metadata.uid ?? '';
    const known = this.#workers.get(uid);
    if (known !== undefined) {
      known.update(pod);
      return;
    }
    if (this.#accepting) this.#startWorker(pod, apiPodRecord(this.#d.client, pod));
  }

  #startWorker(pod: Pod, record: PodRecord): void {
    const uid = pod.metadata.uid ?? '';
    const worker = this.#makeWorker(pod, uid, record);
    this.#workers.set(uid, worker);
    worker.wake();
  }

  #makeWorker(pod: Pod, uid: string, record: PodRecord): PodWorker {
    const { runtime, events, nodeRoom, trustedCa, clock, log, logsDirectory, hostIPs } = this.#d;
    return new PodWorker(pod, {
      record,
      runtime,
      volumes: this.#volumes,
      lifecycle: new ContainerLifecycle(
        { runtime, source: this.#source, events, nodeRoom, trustedCa, clock },
        this.#volumes.podDirectory(uid),
      ),
      events,
      clock,
      log,
      logsDirectory,
      hostIPs,
      trustedCa,
      observe: () => this.#view.ofPod(uid),
      refresh: () => this.#view.refresh(),
      exitOf: (id) => this.#view.exitOf(id),
      removePodLogs: (p) => rm(podLogDirectory(logsDirectory, p), { recursive: true, force: true }),
      unsupported: (p) => unsupportedFields(p, runtime),
      refused: (p) => this.#eviction.refused(p, this.#statics.has(p)),
      finished: () => {
        this.#workers.delete(uid);
        this.#statics.ended(pod);
      },
    });
  }

  #makeEviction(): EvictionManager {
    return nodeEviction({
      ...this.#d,
      settings: this.#d.eviction,
      view: this.#view,
      volumes: this.#volumes,
      pods: () => this.pods(),
      evictable: () =>
        [...this.#workers.values()]
          .filter((worker) => worker.isActive)
          .map((worker) => ({
            pod: worker.pod,
            isStatic: this.#statics.has(worker.pod),
            evict: (failure, graceSeconds) => worker.evict(failure, graceSeconds),
          })),
      reclaimImages: async () => this.#images?.collect({ all: true }),
      changed: this.#d.conditionsChanged,
    });
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for await (const event of this.#d.runtime.events(signal)) {
      const wasAway = await this.#view.refreshUntil(signal, this.#d.log);
      // What happened while the runtime was away was told to nobody.
      if (wasAway) for (const worker of this.#workers.values()) worker.wake();
      else this.#workers.get(event.podUid)?.wake();
    }
  }

  /** Takes away what is left of pods that went while no kubelet was there: what runs, their volumes, their logs. Never rejects. */
  async #removeOrphans(): Promise<void> {
    const { runtime, log, logsDirectory } = this.#d;
    // A node that ends leaves the rest to the next start, which knows its pods then.
    const isKnown = (podUid: string): boolean => !this.#accepting || this.#workers.has(podUid);
    for (const { id, config } of this.#view.sandboxes) {
      if (isKnown(config.podUid)) continue;
      log.info('removing a sandbox whose pod is gone', { pod: config.podName });
      const running = this.#view.ofPod(config.podUid).containers.filter(({ state }) => state === 'running');
      await Promise.all(running.map((run) => this.#tidy(() => runtime.stopContainer(run.id, ORPHAN_GRACE_SECONDS))));
      await this.#tidy(() => runtime.removePodSandbox(id));
    }
    await this.#tidy(() => this.#volumes.removeOthers(isKnown));
    await this.#tidy(() => removeOtherLogs(logsDirectory, isKnown));
    await this.#tidy(() => this.#view.refresh());
  }

  async #tidy(step: () => Promise<void>): Promise<void> {
    await step().catch((error: unknown) => {
      this.#d.log.warn('what a pod left behind could not be removed', { error: String(error) });
    });
  }
}
