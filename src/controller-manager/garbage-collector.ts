import type { KubeObject, OwnerReference } from '../api/object.ts';
import { parseApiVersion } from '../api/object.ts';
import { Informer } from '../client/informer.ts';
import type { TypedResource } from '../client/rest-client.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { sleep } from '../lib/deadline.ts';
import { isCode } from '../lib/errors.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { discoverResources, resourceId } from './discovered-resources.ts';
import { type GraphNode, OwnershipGraph } from './ownership-graph.ts';

const WORKERS = 8;
/** Between the starts of two watches: a cluster that comes up has more urgent work. */
const STAGGER_MS = 5;
/** Events come and go by their time to live and are never owned. */
const IGNORED = new Set(['events.v1.', 'events.v1.events.k8s.io']);
const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

/** Deletes what all owners of have gone, and carries out foreground deletion and orphaning. */
export class GarbageCollector implements Controller {
  readonly #d: ControllerDependencies;
  readonly #graph = new OwnershipGraph();
  readonly #queue: WorkQueue;
  readonly #types = new Map<string, TypedResource<KubeObject>>();

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('garbage-collector', dependencies.log);
  }

  async run(signal: AbortSignal): Promise<void> {
    const types = await this.#discover(signal);
    const synced: Promise<void>[] = [];
    for (const type of types) {
      this.#types.set(resourceId(type), type);
      const informer = new Informer<KubeObject>(this.#d.client, type, { metadataOnly: true }, this.#d.log);
      informer.handle({
        added: (o) => this.#seen(type, o),
        updated: (o) => this.#seen(type, o),
        deleted: (o) => this.#gone(o),
      });
      void informer.run(signal);
      synced.push(informer.synced());
      if (!(await sleep(STAGGER_MS, signal))) return;
    }
    // Before everything is known an owner could seem to be missing.
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([Promise.all(synced), aborted]);
    await this.#queue.run(WORKERS, (uid) => this.#sync(uid, signal), signal);
  }

  async #discover(signal: AbortSignal): Promise<TypedResource<KubeObject>[]> {
    while (!signal.aborted) {
      try {
        const all = await discoverResources(this.#d.client, ['list', 'watch', 'delete'], signal);
        return all.filter((t) => !IGNORED.has(resourceId(t)));
      } catch (error) {
        this.#d.log.debug('discovery failed and is tried again', { error: String(error) });
        await sleep(1000, signal);
      }
    }
    return [];
  }

  #seen(type: TypedResource<KubeObject>, object: KubeObject): void {
    const node = this.#graph.put(type, object);
    if (node.owners.length > 0 || node.deleting) this.#queue.add(node.uid);
    // An owner that waits for this dependent may go on.
    for (const owner of node.owners) if (this.#graph.get(owner.uid)?.deleting === true) this.#queue.add(owner.uid);
  }

  #gone(object: KubeObject): void {
    const uid = object.metadata.uid ?? '';
    const node = this.#graph.get(uid);
    this.#graph.remove(uid);
    for (const dependent of this.#graph.dependentsOf(uid)) this.#queue.add(dependent.uid);
    for (const owner of node?.owners ?? [])
      if (this.#graph.get(owner.uid)?.deleting === true) this.#queue.add(owner.uid);
  }

  async #sync(uid: string, signal: AbortSignal): Promise<void> {
    const node = this.#graph.get(uid);
    if (node === undefined) return;
    if (node.deleting) {
      if (node.finalizers.includes(ORPHAN)) await this.#orphan(node, signal);
      else if (node.finalizers.includes(FOREGROUND)) await this.#foreground(node, signal);
      return;
    }
    if (node.owners.length > 0) await this.#collect(node, signal);
  }

  /** Deletes the node when none of its owners is left; drops references to those that are gone. */
  async #collect(node: GraphNode, signal: AbortSignal): Promise<void> {
    const solid: OwnerReference[] = [];
    const waiting: OwnerReference[] = [];
    const absent: OwnerReference[] = [];
    for (const owner of node.owners) {
      const state = await this.#ownerState(node, owner, signal);
      (state === 'solid' ? solid : state === 'waiting' ? waiting : absent).push(owner);
    }
    if (solid.length > 0) {
      if (absent.length + waiting.length > 0) await this.#dropOwners(node, [...absent, ...waiting], signal);
      return;
    }
    const foreground = waiting.length > 0 && this.#graph.dependentsOf(node.uid).length > 0;
    const policy = node.finalizers.includes(ORPHAN)
      ? 'Orphan'
      : foreground || node.finalizers.includes(FOREGROUND)
        ? 'Foreground'
        : 'Background';
    const options = { propagationPolicy: policy, preconditions: { uid: node.uid } } as const;
    await this.#ignoringGone(this.#d.client.delete(node.type, node.namespace, node.name, options, signal));
  }

  /** `waiting`: the owner is being deleted in the foreground and waits for its dependents. */
  async #ownerState(
    node: GraphNode,
    owner: OwnerReference,
    signal: AbortSignal,
  ): Promise<'solid' | 'waiting' | 'absent'> {
    const known = this.#graph.get(owner.uid);
    if (known !== undefined) {
      // A namespaced owner counts in its own namespace only: elsewhere the reference is void.
      if (known.type.namespaced && known.namespace !== node.namespace) return 'absent';
      return known.deleting && known.finalizers.includes(FOREGROUND) ? 'waiting' : 'solid';
    }
    // The watch may be behind: the apiserver decides.
    const { group, version } = parseApiVersion(owner.apiVersion);
    const type = [...this.#types.values()].find((t) => t.group === group && t.kind === owner.kind);
    if (type === undefined) {
      this.#d.log.debug('an owner is of an unknown kind', { kind: owner.kind, version });
      return 'solid';
    }
    if (type.namespaced && node.namespace === '') return 'absent';
    try {
      const live = await this.#d.client.get(type, node.namespace, owner.name, signal);
      return live.metadata.uid === owner.uid ? 'solid' : 'absent';
    } catch (error) {
      if (isCode(error, 'NotFound')) return 'absent';
      throw error;
    }
  }

  async #foreground(node: GraphNode, signal: AbortSignal): Promise<void> {
    const dependents = this.#graph.dependentsOf(node.uid);
    const blocking = dependents.filter((d) =>
      d.owners.some((o) => o.uid === node.uid && o.blockOwnerDeletion === true),
    );
    if (blocking.length === 0) {
      await this.#removeFinalizer(node, FOREGROUND, signal);
      return;
    }
    for (const dependent of dependents) if (!dependent.deleting) this.#queue.add(dependent.uid);
  }

  async #orphan(node: GraphNode, signal: AbortSignal): Promise<void> {
    for (const dependent of this.#graph.dependentsOf(node.uid)) {
      await this.#dropOwners(
        dependent,
        dependent.owners.filter((o) => o.uid === node.uid),
        signal,
      );
    }
    await this.#removeFinalizer(node, ORPHAN, signal);
  }

  async #dropOwners(node: GraphNode, owners: readonly OwnerReference[], signal: AbortSignal): Promise<void> {
    if (owners.length === 0) return;
    const gone = new Set(owners.map((o) => o.uid));
    await this.#edit(node, signal, (meta) => ({
      ownerReferences: (meta.ownerReferences ?? []).filter((o) => !gone.has(o.uid)),
    }));
  }

  async #removeFinalizer(node: GraphNode, finalizer: string, signal: AbortSignal): Promise<void> {
    await this.#edit(node, signal, (meta) => ({ finalizers: (meta.finalizers ?? []).filter((f) => f !== finalizer) }));
  }

  /** Changes an object's metadata, against the very version that it read. */
  async #edit(
    node: GraphNode,
    signal: AbortSignal,
    change: (meta: KubeObject['metadata']) => Partial<KubeObject['metadata']>,
  ): Promise<void> {
    await this.#ignoringGone(
      (async () => {
        const live = await this.#d.client.get(node.type, node.namespace, node.name, signal);
        if (live.metadata.uid !== node.uid) return;
        const { uid, resourceVersion } = live.metadata;
        const patch = { metadata: { uid, resourceVersion, ...change(live.metadata) } };
        const where = { namespace: node.namespace, name: node.name };
        await this.#d.client.patch(node.type, where, 'merge', patch, signal);
      })(),
    );
  }

  async #ignoringGone(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!isCode(error, 'NotFound')) throw error;
    }
  }
}
