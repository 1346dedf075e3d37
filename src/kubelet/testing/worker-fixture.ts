import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConfigMap, Container, Pod, PodSpec, PodStatus } from '../../api/generated/types.ts';
import type { EventRecorder } from '../../client/event-recorder.ts';
import type { RestClient } from '../../client/rest-client.ts';
import { silentLog } from '../../lib/log.ts';
import type { ContainerStatus, PodSandbox } from '../../runtime/runtime.ts';
import { ContainerLifecycle } from '../container-lifecycle.ts';
import type { ObjectSource } from '../object-source.ts';
import { apiPodRecord } from '../pod-record.ts';
import { PodWorker } from '../pod-worker.ts';
import { RuntimeView } from '../runtime-view.ts';
import { VolumeManager } from '../volumes/volume-manager.ts';
import { FakeRuntime } from './fake-runtime.ts';
import { noCertificates } from './no-certificates.ts';

/** One worker over a fake runtime and a fake apiserver. For tests only. */
export class WorkerFixture {
  readonly directory = mkdtempSync(join(tmpdir(), 'causeway-worker-'));
  readonly runtime = new FakeRuntime(() => this.now);
  readonly view = new RuntimeView(this.runtime);
  readonly events: string[] = [];
  readonly statuses: PodStatus[] = [];
  /** What the apiserver does with a status, and with the deletion of the pod. */
  api = {
    patchStatus: (): Promise<void> => Promise.resolve(),
    delete: (): Promise<void> => Promise.resolve(),
    configMap: (_signal: AbortSignal): Promise<ConfigMap | undefined> => Promise.resolve(undefined),
  };
  finished = 0;
  deleted = 0;
  /** Added to the clock, in milliseconds. */
  skipped = 0;
  worker: PodWorker;
  readonly #abort = new AbortController();

  constructor(pod: Pod) {
    void this.#follow();
    this.worker = this.makeWorker(pod);
  }

  get now(): number {
    return Date.now() + this.skipped;
  }

  /** As after a restart of the kubelet. */
  makeWorker(pod: Pod): PodWorker {
    const uid = pod.metadata.uid ?? '';
    const { runtime, view } = this;
    const clock = { now: () => this.now };
    const source: ObjectSource = {
      configMap: (_namespace, _name, signal) => this.api.configMap(signal),
      secret: () => Promise.resolve(undefined),
      services: () => [],
      token: () => Promise.reject(new Error('not here')),
    };
    const volumes = new VolumeManager({
      podsDirectory: join(this.directory, 'pods'),
      source,
      nodeRoom: {},
      clock,
      ...noCertificates,
    });
    const events = {
      record: (_about: unknown, _type: string, reason: string, message: string) =>
        void this.events.push(`${reason}: ${message}`),
    } as unknown as EventRecorder;
    const client = {
      patch: async (_type: unknown, _where: unknown, _kind: unknown, patch: { status: PodStatus }) => {
        await this.api.patchStatus();
        this.statuses.push(patch.status);
      },
      delete: async () => {
        await this.api.delete();
        this.deleted++;
      },
    } as unknown as RestClient;
    return new PodWorker(pod, {
      record: apiPodRecord(client, pod),
      runtime,
      volumes,
      lifecycle: new ContainerLifecycle(
        { runtime, source, events, nodeRoom: {}, clock, trustedCa: () => '' },
        volumes.podDirectory(uid),
      ),
      events,
      clock,
      log: silentLog,
      logsDirectory: join(this.directory, 'logs'),
      hostIPs: ['192.0.2.1'],
      trustedCa: () => '',
      observe: () => view.ofPod(uid),
      refresh: () => view.refresh(),
      exitOf: (id) => view.exitOf(id),
      removePodLogs: () => Promise.resolve(),
      unsupported: () => [],
      refused: () => undefined,
      finished: () => {
        this.finished++;
      },
    });
  }

  async #follow(): Promise<void> {
    for await (const _ of this.runtime.events(this.#abort.signal)) {
      await this.view.refresh();
      this.worker.wake();
    }
  }

  get calls(): readonly string[] {
    return this.runtime.calls;
  }

  /** The newest run of a container. */
  run(name = 'main'): ContainerStatus | undefined {
    const { containers } = this.view.ofPod('uid');
    return containers.filter((c) => c.config.name === name).sort((a, b) => b.config.attempt - a.config.attempt)[0];
  }

  get sandbox(): PodSandbox | undefined {
    return this.view.ofPod('uid').sandboxes.find(({ state }) => state === 'ready');
  }

  status(name = 'main') {
    const { status } = this.worker.pod;
    return [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].find(
      (each) => each.name === name,
    );
  }

  isRunning(name = 'main'): boolean {
    return this.run(name)?.state === 'running';
  }

  async close(): Promise<void> {
    await this.worker.stop();
    for (const { id } of await this.runtime.listPodSandboxes()) await this.runtime.removePodSandbox(id);
    this.#abort.abort();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await delay(2);
  }
}

export function container(change: Partial<Container> = {}): Container {
  return { name: 'main', image: 'i', command: ['x'], ...change };
}

export function pod(spec: Partial<PodSpec> = {}, change: Partial<Pod['metadata']> = {}): Pod {
  return {
    metadata: { name: 'p', namespace: 'default', uid: 'uid', ...change },
    spec: { containers: [container()], terminationGracePeriodSeconds: 30, ...spec },
  };
}

/** The pod after `kubectl delete --grace-period`. */
export function deletedPod(from: Pod, graceSeconds: number): Pod {
  const deletionTimestamp = new Date().toISOString();
  return { ...from, metadata: { ...from.metadata, deletionTimestamp, deletionGracePeriodSeconds: graceSeconds } };
}
