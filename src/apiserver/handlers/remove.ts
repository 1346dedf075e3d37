import type { KubeObject } from '../../api/object.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { conflict, notFound } from '../../lib/errors.ts';
import type { ApiRequest } from '../request.ts';
import type { CachedObject } from '../watch-cache/watch-cache.ts';
import type { DeleteOptions } from './delete-options.ts';
import { admissionAttributes, type Endpoint, encoder, type HandlerContext } from './endpoint.ts';

export interface Removal {
  /** The last state. */
  readonly object: KubeObject;
  /** False while a grace period or a finalizer keeps it. */
  readonly gone: boolean;
}

const MAX_ATTEMPTS = 10;

/**
 * Deletes an object as far as it may go at once: away, or marked with a deletion timestamp while a grace period runs or finalizers remain.
 */
export async function removeObject(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
  where: { readonly namespace: string; readonly name: string },
  options: DeleteOptions,
): Promise<Removal> {
  const { resource, cache } = endpoint;
  for (let attempt = 1; ; attempt++) {
    const current = await cache.get(resource.namespaced ? where.namespace : '', where.name);
    if (current === undefined) throw notFound(resource.group, resource.plural, where.name);
    checkPreconditions(endpoint, current.object(), options);
    await admitDelete(context, endpoint, request, where, current, options);
    request.objectUid = current.object().metadata.uid;
    const removal = await removeOnce(context, endpoint, current, options);
    if (removal !== undefined) return removal;
    if (attempt >= MAX_ATTEMPTS) {
      throw conflict(
        resource.group,
        resource.plural,
        where.name,
        'the object was changed too often while it was deleted',
      );
    }
  }
}

function checkPreconditions(endpoint: Endpoint, object: KubeObject, options: DeleteOptions): void {
  // Kubernetes names the kind in these two sentences.
  const { group, kind } = endpoint.resource;
  const { uid, resourceVersion, name = '' } = object.metadata;
  if (options.uid !== undefined && options.uid !== uid) {
    throw conflict(
      group,
      kind,
      name,
      `the UID in the precondition (${options.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    );
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    throw conflict(
      group,
      kind,
      name,
      `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
    );
  }
}

async function admitDelete(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
  where: { readonly namespace: string; readonly name: string },
  current: CachedObject,
  options: DeleteOptions,
): Promise<void> {
  await context.admission.run(
    admissionAttributes(request, endpoint.resource, {
      operation: 'DELETE',
      namespace: endpoint.resource.plural === 'namespaces' ? where.name : where.namespace,
      name: where.name,
      object: undefined,
      oldObject: current.object(),
      dryRun: options.dryRun,
      subresource: '',
    }),
  );
}

/** What the deletion does to the object now; `remove` when nothing keeps it. */
export function deletionStep(
  endpoint: Endpoint,
  object: KubeObject,
  options: DeleteOptions,
  now: number,
): { readonly changed: boolean; readonly remove: boolean } {
  const { hooks, behaviour } = endpoint;
  const { metadata } = object;
  const graceful = behaviour.gracefulDeletion !== undefined;
  if (metadata.deletionTimestamp !== undefined && graceful && metadata.deletionGracePeriodSeconds !== undefined) {
    const before = metadata.deletionGracePeriodSeconds;
    const asked = options.gracePeriodSeconds;
    if (before === 0 && !isKept(endpoint, object)) return { changed: false, remove: true };
    if (asked === undefined || asked >= before) return { changed: false, remove: false };
    // A grace period under way may only become shorter.
    const started = Date.parse(metadata.deletionTimestamp) - before * 1000;
    metadata.deletionTimestamp = rfc3339(started + asked * 1000);
    metadata.deletionGracePeriodSeconds = asked;
    return { changed: true, remove: asked === 0 && !isKept(endpoint, object) };
  }
  const finalizersChanged = setPropagationFinalizers(endpoint, object, options);
  const grace =
    metadata.deletionTimestamp === undefined
      ? (behaviour.gracefulDeletion?.(object, options.gracePeriodSeconds) ?? 0)
      : 0;
  if (grace === 0 && !isKept(endpoint, object)) return { changed: finalizersChanged, remove: true };
  if (metadata.deletionTimestamp !== undefined) return { changed: finalizersChanged, remove: false };
  metadata.deletionTimestamp = rfc3339(now + grace * 1000);
  metadata.deletionGracePeriodSeconds = grace;
  if (metadata.generation !== undefined && metadata.generation > 0) metadata.generation++;
  hooks.deletionStarts?.(object);
  return { changed: true, remove: false };
}

function isKept(endpoint: Endpoint, object: KubeObject): boolean {
  return (object.metadata.finalizers ?? []).length > 0 || endpoint.hooks.mayRemove?.(object) === false;
}

/** `propagationPolicy` as finalizers that the garbage collector acts on. True when they changed. */
function setPropagationFinalizers(endpoint: Endpoint, object: KubeObject, options: DeleteOptions): boolean {
  const before = object.metadata.finalizers ?? [];
  const policy =
    options.propagationPolicy ??
    (before.includes('orphan')
      ? 'Orphan'
      : before.includes('foregroundDeletion')
        ? 'Foreground'
        : (endpoint.hooks.defaultPropagation ?? 'Background'));
  const after = before.filter((f) => f !== 'orphan' && f !== 'foregroundDeletion');
  if (policy === 'Orphan') after.push('orphan');
  if (policy === 'Foreground') after.push('foregroundDeletion');
  const changed = after.length !== before.length || after.some((f) => !before.includes(f));
  if (changed) {
    if (after.length === 0) delete object.metadata.finalizers;
    else object.metadata.finalizers = after;
  }
  return changed;
}

/** Undefined when somebody else changed the object meanwhile. */
async function removeOnce(
  context: HandlerContext,
  endpoint: Endpoint,
  current: CachedObject,
  options: DeleteOptions,
): Promise<Removal | undefined> {
  const object = current.copy();
  const step = deletionStep(endpoint, object, options, context.clock.now());
  if (options.dryRun) return { object, gone: step.remove };
  if (step.remove) {
    const result = await context.store.txn([
      { type: 'delete', key: current.key, expected: current.resourceVersion, encode: encoder(object, endpoint.form) },
    ]);
    if (!result.ok) return undefined;
    endpoint.hooks.released?.(object);
    return { object, gone: true };
  }
  if (!step.changed) return { object, gone: false };
  const result = await context.store.txn([
    { type: 'put', key: current.key, expected: current.resourceVersion, encode: encoder(object, endpoint.form) },
  ]);
  return result.ok ? { object, gone: false } : undefined;
}
