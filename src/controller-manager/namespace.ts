import type { Namespace, NamespaceCondition } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import { NAMESPACES } from '../client/resources.ts';
import type { TypedResource } from '../client/rest-client.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { rfc3339 } from '../lib/clock.ts';
import { isCode } from '../lib/errors.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { discoverResources } from './discovered-resources.ts';
import { ignoring } from './service-account.ts';

const WORKERS = 4;
/** How soon to look again while something is still there. */
const RECHECK_MS = 500;
const FINALIZER = 'kubernetes';

interface Remaining {
  readonly type: TypedResource<KubeObject>;
  readonly objects: readonly KubeObject[];
}

/** Empties a namespace that is being deleted, then lets it go. */
export class NamespaceController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('namespace', dependencies.log);
    const offer = (n: Namespace): void => {
      if (n.metadata.deletionTimestamp !== undefined) this.#queue.add(n.metadata.name ?? '');
    };
    dependencies.informers.for<Namespace>(NAMESPACES).handle({ added: offer, updated: offer });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (name) => this.#sync(name, signal), signal);
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const namespace = this.#d.informers.for<Namespace>(NAMESPACES).get('', name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    if (!(namespace.spec?.finalizers ?? []).includes(FINALIZER)) return;
    const types = (await discoverResources(this.#d.client, ['list', 'delete'], signal)).filter((t) => t.namespaced);
    const remaining = await this.#empty(name, types, signal);
    if (remaining.length > 0) {
      await this.#explain(name, remaining, signal);
      this.#queue.addAfter(name, RECHECK_MS);
      return;
    }
    const current = await this.#d.client.get(NAMESPACES, '', name, signal);
    const finalizers = (current.spec?.finalizers ?? []).filter((f) => f !== FINALIZER);
    const finalized = { ...current, spec: { ...current.spec, finalizers } };
    await ignoring(['NotFound'], this.#d.client.update(NAMESPACES, finalized, 'finalize', signal));
  }

  async #empty(
    namespace: string,
    types: readonly TypedResource<KubeObject>[],
    signal: AbortSignal,
  ): Promise<Remaining[]> {
    const remaining: Remaining[] = [];
    await Promise.all(
      types.map(async (type) => {
        const before = await this.#d.client.list(type, { namespace, metadataOnly: true }, signal);
        if (before.items.length === 0) return;
        await this.#d.client.deleteCollection(type, { namespace }, signal);
        const after = await this.#d.client.list(type, { namespace, metadataOnly: true }, signal);
        if (after.items.length > 0) remaining.push({ type, objects: after.items });
      }),
    );
    return remaining;
  }

  /** Tells in the namespace's conditions what holds its deletion up, as Kubernetes does. */
  async #explain(name: string, remaining: readonly Remaining[], signal: AbortSignal): Promise<void> {
    const now = rfc3339(this.#d.clock.now());
    const content = remaining
      .map((r) => `${r.type.plural}.${r.type.group} has ${r.objects.length} resource instances`)
      .sort()
      .join(', ');
    const finalizers = new Map<string, number>();
    for (const { objects } of remaining) {
      for (const object of objects) {
        for (const f of object.metadata.finalizers ?? []) finalizers.set(f, (finalizers.get(f) ?? 0) + 1);
      }
    }
    const held = [...finalizers]
      .map(([f, n]) => `${f} in ${n} resource instances`)
      .sort()
      .join(', ');
    const condition = (
      type: string,
      bad: boolean,
      reasons: [string, string],
      messages: [string, string],
    ): NamespaceCondition => ({
      type,
      status: bad ? 'True' : 'False',
      reason: bad ? reasons[0] : reasons[1],
      message: bad ? messages[0] : messages[1],
      lastTransitionTime: now,
    });
    const conditions = [
      condition(
        'NamespaceContentRemaining',
        true,
        ['SomeResourcesRemain', 'ContentRemoved'],
        [`Some resources are remaining: ${content}`, 'All content successfully removed'],
      ),
      condition(
        'NamespaceFinalizersRemaining',
        finalizers.size > 0,
        ['SomeFinalizersRemain', 'ContentHasNoFinalizers'],
        [
          `Some content in the namespace has finalizers remaining: ${held}`,
          'All content-preserving finalizers finished',
        ],
      ),
    ];
    const known = this.#d.informers.for<Namespace>(NAMESPACES).get('', name)?.status?.conditions ?? [];
    const same = conditions.every((c) => known.some((k) => k.type === c.type && k.message === c.message));
    if (same) return;
    try {
      const where = { namespace: '', name, subresource: 'status' };
      await this.#d.client.patch(NAMESPACES, where, 'strategic', { status: { conditions } }, signal);
    } catch (error) {
      if (!isCode(error, 'NotFound')) throw error;
    }
  }
}
