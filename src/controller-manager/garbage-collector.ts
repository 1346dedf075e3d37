import type { KubeObject, OwnerReference } from '../api/object.ts';
import { apiVersionOf } from '../api/object.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { TypedResource } from '../client/rest-client.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { isCode } from '../lib/errors.ts';
import { allOrFirstError } from './all-or-first-error.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { MetadataWatches } from './metadata-watches.ts';
import { OwnerLookup, type OwnerState } from './owner-lookup.ts';
import {
  FOREGROUND,
  type GraphNode,
  graphNode,
  ORPHAN,
  OwnershipGraph,
  waitsForDependents,
} from './ownership-graph.ts';

const WORKERS = 20;

/** Deletes what all owners of have gone, and carries out foreground deletion and orphaning. */
export class GarbageCollector implements Controller {
  readonly #d: ControllerDependencies;
  readonly #graph = new OwnershipGraph();
  readonly #queue: WorkQueue;
  readonly #lookup: OwnerLookup;
  readonly #events: EventRecorder;
  /** Objects with an owner of a kind that was not served when they were looked at. */
  readonly #unresolved = new Set<string>();

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('garbage-collector', dependencies.log);
    this.#lookup = new OwnerLookup(dependencies.client, this.#graph);
    this.#events = dependencies.events.as('garbage-collector-controller');
  }

  async run(signal: AbortSignal): Promise<void> {
    const watches = new MetadataWatches(this.#d.client, this.#d.log, {
      served: (types) => {
        this.#lookup.serve(types);
        for (const uid of this.#unresolved) this.#queue.add(uid);
        this.#unresolved.clear();
      },
      seen: (type, object) => this.#seen(type, object),
      gone: (object) => this.#gone(object),
    });
    // Before everything is known an owner could seem to have no dependents.
    await watches.start(signal);
    await Promise.all([watches.run(signal), this.#queue.run(WORKERS, (uid) => this.#sync(uid, signal), signal)]);
  }

  #seen(type: TypedResource<KubeObject>, object: KubeObject): void {
    const node = graphNode(type, object);
    const before = this.#graph.get(node.uid);
    this.#graph.put(node);
    if (node.owners.length > 0 || node.deleting) this.#queue.add(node.uid);
    // An owner that waits for its dependents may go on when one of them lets it go.
    this.#offerWaiting(before?.owners ?? []);
    this.#offerWaiting(node.owners);
  }

  #gone(object: KubeObject): void {
    const uid = object.metadata.uid ?? '';
    const node = this.#graph.get(uid);
    this.#graph.remove(uid);
    this.#unresolved.delete(uid);
    for (const dependent of this.#graph.referrers(uid)) this.#queue.add(dependent.uid);
    this.#offerWaiting(node?.owners ?? []);
  }

  #offerWaiting(owners: readonly OwnerReference[]): void {
    for (const { uid } of owners) if (this.#graph.get(uid)?.deleting === true) this.#queue.add(uid);
  }

  async #sync(uid: string, signal: AbortSignal): Promise<void> {
    const node = this.#graph.get(uid);
    if (node === undefined) return;
    if (node.deleting) {
      if (node.finalizers.includes(ORPHAN)) await this.#orphan(node, signal);
      else if (node.finalizers.includes(FOREGROUND)) await this.#foreground(node, signal);
      return;
    }
    if (node.owners.every((owner) => this.#lookup.isSurelySolid(node, owner))) return;
    const live = await this.#live(node, signal);
    if (live !== undefined && !live.node.deleting) await this.#collect(live.node, live.resourceVersion, signal);
  }

  /** Deletes the object when none of its owners is left; drops the references to those that are gone when one is. */
  async #collect(node: GraphNode, resourceVersion: string, signal: AbortSignal): Promise<void> {
    const states = await Promise.all(
      node.owners.map(async (owner) => ({ owner, state: await this.#lookup.stateOf(node, owner, signal) })),
    );
    const of = (...wanted: OwnerState[]): OwnerReference[] =>
      states.filter(({ state }) => wanted.includes(state)).map(({ owner }) => owner);
    if (of('unknown').length > 0) this.#unresolved.add(node.uid);
    for (const owner of of('absent', 'elsewhere')) this.#warnOfForeignOwner(node, owner);
    // A reference that cannot be resolved, or could never be right, is no proof that the owner is gone.
    if (of('unknown', 'elsewhere').length > 0) return;
    const [solid, waiting, absent] = [of('solid'), of('waiting'), of('absent')];
    if (solid.length > 0) {
      if (waiting.length + absent.length > 0) await this.#dropOwners(node, [...waiting, ...absent], signal);
      return;
    }
    if (waiting.length + absent.length === 0) return;
    const dependents = this.#graph.dependentsOf(node);
    const inForeground = waiting.length > 0 && dependents.length > 0;
    // Two that wait for each other would wait for ever.
    if (inForeground && dependents.some(waitsForDependents)) {
      await this.#deleteUnblocked(node, signal);
      return;
    }
    const propagationPolicy = inForeground ? 'Foreground' : policyOf(node);
    const options = { propagationPolicy, preconditions: { uid: node.uid, resourceVersion } } as const;
    await ignoringGone(this.#d.client.delete(node.type, node.namespace, node.name, options, signal));
  }

  /** Lets the owner go when no dependent holds it back; else makes sure that the dependents are looked at. */
  async #foreground(node: GraphNode, signal: AbortSignal): Promise<void> {
    const dependents = this.#graph.dependentsOf(node);
    const blocking = dependents.filter((d) =>
      d.owners.some((o) => o.uid === node.uid && o.blockOwnerDeletion === true),
    );
    if (blocking.length === 0) await this.#removeFinalizer(node, FOREGROUND, signal);
    else for (const dependent of dependents) if (!dependent.deleting) this.#queue.add(dependent.uid);
  }

  async #orphan(node: GraphNode, signal: AbortSignal): Promise<void> {
    await allOrFirstError(
      this.#graph.dependentsOf(node).map((dependent) =>
        this.#dropOwners(
          dependent,
          dependent.owners.filter((o) => o.uid === node.uid),
          signal,
        ),
      ),
    );
    await this.#removeFinalizer(node, ORPHAN, signal);
  }

  async #dropOwners(node: GraphNode, owners: readonly OwnerReference[], signal: AbortSignal): Promise<void> {
    const gone = new Set(owners.map((o) => o.uid));
    await this.#edit(node, signal, ({ ownerReferences = [] }) => ({
      ownerReferences: ownerReferences.filter((o) => !gone.has(o.uid)),
    }));
  }

  /** Deletes the object without its owners' waiting for it. */
  async #deleteUnblocked(node: GraphNode, signal: AbortSignal): Promise<void> {
    await this.#edit(node, signal, ({ ownerReferences = [] }) => ({
      ownerReferences: ownerReferences.map((o) => ({ ...o, blockOwnerDeletion: false })),
    }));
    const options = { propagationPolicy: 'Foreground', preconditions: { uid: node.uid } } as const;
    await ignoringGone(this.#d.client.delete(node.type, node.namespace, node.name, options, signal));
  }

  async #removeFinalizer(node: GraphNode, finalizer: string, signal: AbortSignal): Promise<void> {
    await this.#edit(node, signal, ({ finalizers = [] }) => ({
      finalizers: finalizers.filter((f) => f !== finalizer),
    }));
  }

  /** Changes an object's metadata, against the very version that was read. */
  async #edit(
    node: GraphNode,
    signal: AbortSignal,
    change: (meta: KubeObject['metadata']) => Readonly<Record<string, readonly unknown[]>>,
  ): Promise<void> {
    const live = await this.#live(node, signal);
    if (live === undefined) return;
    const { uid, resourceVersion } = live.metadata;
    const changed = Object.entries(change(live.metadata)).map(([key, list]) => [key, list.length === 0 ? null : list]);
    const patch = { metadata: { uid, resourceVersion, ...Object.fromEntries(changed) } };
    const where = { namespace: node.namespace, name: node.name };
    await ignoringGone(this.#d.client.patch(node.type, where, 'merge', patch, signal));
  }

  /** What the apiserver has of it now; undefined when it is gone, or another one has its name. */
  async #live(node: GraphNode, signal: AbortSignal) {
    try {
      const object = await this.#d.client.getMetadata(node.type, node.namespace, node.name, signal);
      const { uid, resourceVersion = '' } = object.metadata;
      if (uid !== node.uid) return undefined;
      return { node: graphNode(node.type, object), metadata: object.metadata, resourceVersion };
    } catch (error) {
      if (isCode(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  /** A reference across namespaces never counts. Whoever wrote it should know why the object goes, or stays for ever. */
  #warnOfForeignOwner(node: GraphNode, owner: OwnerReference): void {
    const known = this.#graph.get(owner.uid);
    if (known === undefined || !known.type.namespaced || known.namespace === node.namespace) return;
    const { group, version, kind } = node.type;
    const about = {
      apiVersion: apiVersionOf(group, version),
      kind,
      metadata: { namespace: node.namespace, name: node.name, uid: node.uid },
    };
    const named = `[${owner.apiVersion}/${owner.kind}, namespace: ${node.namespace}, name: ${owner.name}, uid: ${owner.uid}]`;
    const message = `ownerRef ${named} does not exist in namespace "${node.namespace}"`;
    this.#events.record(about, 'Warning', 'OwnerRefInvalidNamespace', message);
  }
}

/** What its finalizers ask for already is honoured. */
function policyOf(node: GraphNode): 'Orphan' | 'Foreground' | 'Background' {
  if (node.finalizers.includes(ORPHAN)) return 'Orphan';
  return node.finalizers.includes(FOREGROUND) ? 'Foreground' : 'Background';
}

async function ignoringGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isCode(error, 'NotFound')) throw error;
  }
}
