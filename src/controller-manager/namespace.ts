import type { Namespace } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import type { Informer } from '../client/informer.ts';
import { NAMESPACES } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { isCode } from '../lib/errors.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { type DiscoveredResource, discoverResources } from './discovered-resources.ts';
import { ignoring, messageOf } from './expected-errors.ts';
import { type Emptying, namespaceConditions, type Remaining } from './namespace-conditions.ts';

const WORKERS = 10;
/** How soon to look again while something is still there; what takes long is looked at less often. */
const RECHECK_MS = 200;
const MAX_RECHECK_MS = 5_000;
const FINALIZER = 'kubernetes';
/** Some kinds would leave their dependents behind otherwise. */
const DELETION = { propagationPolicy: 'Background' } as const;
const NOTHING_FAILED: Pick<Emptying, 'failures' | 'discoveryFailure'> = { failures: [], discoveryFailure: undefined };

/** Empties a namespace that is being deleted, then lets it go. */
export class NamespaceController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #namespaces: Informer<Namespace>;
  readonly #attempts = new Map<string, number>();

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('namespace', dependencies.log);
    this.#namespaces = dependencies.informers.for<Namespace>(NAMESPACES);
    const offer = (n: Namespace): void => {
      if (n.metadata.deletionTimestamp !== undefined) this.#queue.add(n.metadata.name ?? '');
    };
    this.#namespaces.handle({
      added: offer,
      updated: (n, previous) => {
        // Its own conditions are no news.
        if (n.metadata.deletionTimestamp !== previous.metadata.deletionTimestamp) offer(n);
        else if (!semanticEqual(n.spec, previous.spec)) offer(n);
      },
      deleted: (n) => void this.#attempts.delete(n.metadata.name ?? ''),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (name) => this.#sync(name, signal), signal);
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const namespace = this.#namespaces.get('', name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    if (!(namespace.spec?.finalizers ?? []).includes(FINALIZER)) return;
    const emptying = await this.#empty(name, signal);
    const { remaining, failures, discoveryFailure } = emptying;
    if (remaining.length === 0 && failures.length === 0 && discoveryFailure === undefined) {
      await this.#finalize(namespace, signal);
      return;
    }
    await this.#explain(namespace, emptying, signal);
    const attempts = this.#attempts.get(name) ?? 0;
    this.#attempts.set(name, attempts + 1);
    this.#queue.addAfter(name, Math.min(MAX_RECHECK_MS, RECHECK_MS * 1.5 ** attempts));
  }

  async #empty(namespace: string, signal: AbortSignal): Promise<Emptying> {
    let types: DiscoveredResource[];
    try {
      const all = await discoverResources(this.#d.client, signal);
      types = all.filter(({ type, verbs }) => type.namespaced && verbs.includes('delete') && verbs.includes('list'));
    } catch (error) {
      return { ...NOTHING_FAILED, remaining: [], discoveryFailure: messageOf(error) };
    }
    // Pods go first: while one runs, what restricts it (such as a NetworkPolicy) must be there.
    const isPods = ({ type }: DiscoveredResource): boolean => type.group === '' && type.plural === 'pods';
    const pods = await this.#emptyTypes(namespace, types.filter(isPods), signal);
    if (pods.remaining.length > 0 || pods.failures.length > 0) return pods;
    return this.#emptyTypes(
      namespace,
      types.filter((t) => !isPods(t)),
      signal,
    );
  }

  async #emptyTypes(namespace: string, types: readonly DiscoveredResource[], signal: AbortSignal): Promise<Emptying> {
    const remaining: Remaining[] = [];
    const failures: string[] = [];
    await Promise.all(
      types.map(async (found) => {
        try {
          const objects = await this.#emptyType(namespace, found, signal);
          if (objects.length > 0) remaining.push({ type: found.type, objects });
        } catch (error) {
          signal.throwIfAborted();
          failures.push(messageOf(error));
        }
      }),
    );
    return { ...NOTHING_FAILED, remaining, failures: failures.sort() };
  }

  /** What is still there afterwards. */
  async #emptyType(namespace: string, { type, verbs }: DiscoveredResource, signal: AbortSignal) {
    const { client } = this.#d;
    const query = { namespace, metadataOnly: true };
    const before = await client.list(type, query, signal);
    if (before.items.length === 0) return [];
    if (verbs.includes('deletecollection')) {
      await client.deleteCollection(type, { namespace }, DELETION, signal);
    } else {
      for (const { metadata } of before.items) {
        await ignoring(['NotFound'], client.delete(type, namespace, metadata.name ?? '', DELETION, signal));
      }
    }
    return (await client.list(type, query, signal)).items;
  }

  /** Takes this controller's name off; with the last name the namespace goes. */
  async #finalize(namespace: Namespace, signal: AbortSignal): Promise<void> {
    const { name = '', uid } = namespace.metadata;
    try {
      const current = await this.#d.client.get(NAMESPACES, '', name, signal);
      // A namespace of the same name that was made meanwhile is none of this.
      if (current.metadata.uid !== uid) return;
      const finalizers = (current.spec?.finalizers ?? []).filter((f) => f !== FINALIZER);
      const finalized = { ...current, spec: { ...current.spec, finalizers } };
      await this.#d.client.update(NAMESPACES, finalized, 'finalize', signal);
    } catch (error) {
      if (!isCode(error, 'NotFound')) throw error;
    }
  }

  /** Tells in the namespace's conditions what holds its deletion up. */
  async #explain(namespace: Namespace, emptying: Emptying, signal: AbortSignal): Promise<void> {
    const { name = '', uid } = namespace.metadata;
    const { client, clock } = this.#d;
    try {
      const current = await client.get(NAMESPACES, '', name, signal);
      if (current.metadata.uid !== uid) return;
      const known = current.status?.conditions ?? [];
      const conditions = namespaceConditions(emptying, known, clock.now());
      const others = known.filter((k) => !conditions.some((c) => c.type === k.type));
      const status = { ...current.status, conditions: [...others, ...conditions] };
      if (semanticEqual(status, current.status)) return;
      await client.update(NAMESPACES, { ...current, status }, 'status', signal);
    } catch (error) {
      if (!isCode(error, 'NotFound') && !isCode(error, 'Conflict')) throw error;
    }
  }
}
