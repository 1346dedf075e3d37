import type { Pod, PodStatus } from '../../api/generated/types.ts';
import type { Informer } from '../../client/informer.ts';
import { PODS } from '../../client/resources.ts';
import type { RestClient } from '../../client/rest-client.ts';
import { backoff, sleep } from '../../lib/deadline.ts';
import type { Log } from '../../lib/log.ts';
import { apiPodRecord, type PodRecord } from '../pod-record.ts';
import { CONFIG_MIRROR, hashOf } from './annotations.ts';

const RETRY_BASE_MS = 200;
const RETRY_MAX_MS = 10_000;
/** How long the end of the node waits for what the API is still to be told. */
const FLUSH_MS = 5_000;

/** A pod of the API that only shows one of this node. */
export function isMirror(pod: Pod): boolean {
  return pod.metadata.annotations?.[CONFIG_MIRROR] !== undefined;
}

export interface MirrorDependencies {
  readonly client: RestClient;
  readonly nodeName: string;
  /** Of the Node object that this node is. */
  readonly nodeUid: () => string;
  /** The pods of this node as the API has them. */
  readonly informer: () => Pick<Informer<Pod>, 'get' | 'list' | 'isSynced' | 'hasSeen'>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

interface Wanted {
  readonly pod: Pod;
  status: PodStatus | undefined;
}

/**
 * Shows each static pod in the API by a mirror: made when it is missing, made again when somebody deletes it, replaced when the file
 * changes, gone with the static pod. Nothing here holds up a static pod: all of it is tried again until the apiserver takes it.
 */
export class MirrorPods {
  readonly #d: MirrorDependencies;
  readonly #wanted = new Map<string, Wanted>();
  readonly #busy = new Map<string, { again: boolean; done: Promise<void> }>();
  /** Mirrors that were made and that the informer has not shown yet. */
  readonly #made = new Map<string, Pod>();
  /** By the mirror's UID, what its status was when it was written last. */
  readonly #written = new Map<string, string>();

  constructor(dependencies: MirrorDependencies) {
    this.#d = dependencies;
  }

  /** The mirror of a static pod, from now on. */
  recordOf(pod: Pod): PodRecord {
    const key = keyOf(pod);
    const own: Wanted = { pod, status: undefined };
    this.#wanted.set(key, own);
    this.#kick(key);
    return {
      write: (status) => {
        own.status = status;
        this.#kick(key);
        return Promise.resolve('stored');
      },
      remove: () => {
        // Another one of the name may be wanted by now.
        if (this.#wanted.get(key) === own) this.#wanted.delete(key);
        this.#kick(key);
        return Promise.resolve();
      },
    };
  }

  /** The UID of a static pod's mirror, once there is one. */
  uidOf(pod: Pod): string | undefined {
    const key = keyOf(pod);
    if (this.#wanted.get(key)?.pod.metadata.uid !== pod.metadata.uid) return undefined;
    const mirror = this.#find(key);
    return mirror !== undefined && isMirror(mirror) && this.#isOf(mirror, pod) ? mirror.metadata.uid : undefined;
  }

  /** A mirror was made, changed or deleted. */
  noticed(pod: Pod): void {
    this.#kick(keyOf(pod));
  }

  /** The API can be asked: what it has, and what it has not, is looked at. */
  look(): void {
    for (const pod of this.#d.informer().list()) if (isMirror(pod)) this.#kick(keyOf(pod));
    for (const key of this.#wanted.keys()) this.#kick(key);
  }

  /** Resolves when everything was told, or after a while. */
  async flush(): Promise<void> {
    const all = Promise.all([...this.#busy.values()].map(({ done }) => done));
    await Promise.race([all, sleep(FLUSH_MS, this.#d.signal)]);
  }

  #kick(key: string): void {
    const busy = this.#busy.get(key);
    if (busy !== undefined) {
      busy.again = true;
      return;
    }
    const state = { again: true, done: Promise.resolve() };
    this.#busy.set(key, state);
    state.done = this.#run(key, state).finally(() => this.#busy.delete(key));
  }

  async #run(key: string, state: { again: boolean }): Promise<void> {
    const { log, signal } = this.#d;
    let failures = 0;
    while (state.again && !signal.aborted) {
      state.again = false;
      try {
        await this.#step(key);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        // Once when it lasts: what keeps it from being shown may be a rule of the API that nobody changes.
        const level = failures === 3 ? 'warn' : 'debug';
        log[level]('a static pod is not shown by the API', { pod: key, error: String(error) });
        state.again = true;
        await sleep(backoff(failures++, RETRY_BASE_MS, RETRY_MAX_MS), signal);
      }
    }
  }

  async #step(key: string): Promise<void> {
    const { informer, client, signal } = this.#d;
    // Before, what is there cannot be known: `look` comes then.
    if (!informer().isSynced) return;
    const wanted = this.#wanted.get(key);
    const found = this.#find(key);
    if (found !== undefined && isMirror(found) && (wanted === undefined || !this.#isOf(found, wanted.pod))) {
      // The informer tells when it is gone: then what is wanted takes its place.
      await apiPodRecord(client, found).remove(signal);
      this.#made.delete(key);
      return;
    }
    if (wanted === undefined) return;
    const mirror = found ?? (await this.#make(key, wanted.pod));
    if (!isMirror(mirror)) throw new Error('the API has another pod of that name');
    await this.#writeStatus(mirror, wanted.status);
  }

  /** The pod of that name, whosever it is. */
  #find(key: string): Pod | undefined {
    const [namespace = '', name = ''] = key.split('/');
    const informer = this.#d.informer();
    const made = this.#made.get(key);
    if (made === undefined) return informer.get(namespace, name);
    if (!informer.hasSeen(made.metadata.resourceVersion)) return made;
    this.#made.delete(key);
    return informer.get(namespace, name);
  }

  #isOf(mirror: Pod, pod: Pod): boolean {
    const { annotations, deletionTimestamp, ownerReferences } = mirror.metadata;
    const ours = ownerReferences?.some(({ uid }) => uid === this.#d.nodeUid()) === true;
    return deletionTimestamp === undefined && ours && annotations?.[CONFIG_MIRROR] === hashOf(pod);
  }

  async #make(key: string, pod: Pod): Promise<Pod> {
    const { client, nodeName, nodeUid, signal } = this.#d;
    const { name = '', namespace = '', labels, annotations } = pod.metadata;
    const owner = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeUid(), controller: true };
    const made = await client.create(
      PODS,
      {
        metadata: {
          name,
          namespace,
          ...(labels === undefined ? {} : { labels }),
          annotations: { ...annotations, [CONFIG_MIRROR]: hashOf(pod) },
          ownerReferences: [owner],
        },
        spec: pod.spec!,
      },
      signal,
    );
    this.#made.set(key, made);
    return made;
  }

  async #writeStatus(mirror: Pod, status: PodStatus | undefined): Promise<void> {
    const { uid = '' } = mirror.metadata;
    const text = JSON.stringify(status);
    if (status === undefined || this.#written.get(uid) === text) return;
    await apiPodRecord(this.#d.client, mirror).write(status, this.#d.signal);
    for (const known of this.#written.keys()) if (!this.#isShown(known)) this.#written.delete(known);
    this.#written.set(uid, text);
  }

  #isShown(uid: string): boolean {
    const all = [...this.#d.informer().list(), ...this.#made.values()];
    return all.some(({ metadata }) => metadata.uid === uid);
  }
}

function keyOf({ metadata: { namespace, name } }: Pod): string {
  return `${namespace}/${name}`;
}
