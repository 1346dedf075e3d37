import type { AdmissionChain } from '../../admission/chain.ts';
import type { AdmissionAttributes } from '../../admission/plugin.ts';
import type { KindBehaviour } from '../../api/kind-behaviour.ts';
import { apiVersionOf, type KubeObject } from '../../api/object.ts';
import type { ResourceDefinition } from '../../api/scheme.ts';
import type { Clock } from '../../lib/clock.ts';
import { storageKey } from '../../storage/keys.ts';
import type { Store } from '../../storage/store.ts';
import type { Anchors } from '../anchors.ts';
import type { Machinery } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';
import { ConvertedCache } from '../versions/converted-cache.ts';
import { type StoredForm, storedForm } from '../versions/stored-form.ts';
import type { WatchCache, WatchCaches } from '../watch-cache/watch-cache.ts';
import type { KindHooks } from './kind-hooks.ts';

/** What every handler of a resource works with. */
export interface HandlerContext {
  readonly machinery: Machinery;
  readonly store: Store;
  readonly caches: WatchCaches;
  readonly admission: AdmissionChain;
  readonly clock: Clock;
  /** Aborts when the server closes: watches and streams end with it. */
  readonly closing: AbortSignal;
  /** What watches, streams and connections to kubelets hang on. */
  readonly anchors: Anchors;
  readonly uuid: () => string;
  /** Random lower-case letters and digits, for `generateName`. */
  readonly randomSuffix: (length: number) => string;
  hooks(resource: ResourceDefinition): KindHooks;
}

/** One resource that is served from storage: its definition, its objects in memory, and what its kind does. */
export interface Endpoint {
  readonly resource: ResourceDefinition;
  readonly cache: WatchCache;
  readonly behaviour: KindBehaviour;
  readonly hooks: KindHooks;
  /** Set when the objects are stored in another form than they are served in. */
  readonly form: StoredForm | undefined;
}

export function endpointOf(context: HandlerContext, resource: ResourceDefinition): Endpoint {
  const form = storedForm(context.machinery.scheme, resource);
  const stored = form?.resource ?? resource;
  const apiVersion = apiVersionOf(stored.group, stored.version);
  const cache = context.caches.of({ group: stored.group, apiVersion, kind: stored.kind, plural: stored.plural });
  return {
    resource,
    cache: form === undefined ? cache : new ConvertedCache(cache, form.fromStored),
    behaviour: context.machinery.behaviour(resource),
    hooks: context.hooks(resource),
    form,
  };
}

export function keyOf(resource: ResourceDefinition, namespace: string, name: string): string {
  return storageKey(resource.group, resource.plural, resource.namespaced ? namespace : '', name);
}

/** An object's bytes with the revision that its write has: the one place where they are made. */
export function encoder(object: KubeObject, form?: StoredForm): (revision: number) => Uint8Array {
  return (revision) => {
    object.metadata.resourceVersion = String(revision);
    return Buffer.from(JSON.stringify(form === undefined ? object : form.toStored(object)));
  };
}

export function admissionAttributes(
  request: ApiRequest,
  resource: ResourceDefinition,
  change: {
    readonly operation: AdmissionAttributes['operation'];
    readonly namespace: string;
    readonly name: string;
    readonly object: KubeObject | undefined;
    readonly oldObject: KubeObject | undefined;
    readonly dryRun: boolean;
    /** Where it is not the URL's: a deletion through an eviction. */
    readonly subresource?: string;
    readonly kind?: { readonly group: string; readonly version: string; readonly kind: string };
  },
): AdmissionAttributes {
  return {
    operation: change.operation,
    group: resource.group,
    version: resource.version,
    kind: change.kind?.kind ?? resource.kind,
    resource: resource.plural,
    subresource: change.subresource ?? request.info.subresource,
    namespace: change.namespace,
    name: change.name,
    object: change.object,
    oldObject: change.oldObject,
    user: request.caller,
    dryRun: change.dryRun,
    warn: (message) => request.warn(message),
    annotate: (key, value) => void request.annotations.set(key, value),
  };
}
