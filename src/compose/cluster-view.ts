import type { ObjectReader } from '../admission/plugin.ts';
import { BOOTSTRAP_TOKEN_NAMESPACE, bootstrapTokenSecretName } from '../api/core/bootstrap-token.ts';
import type { Secret } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import { apiVersionOf } from '../api/object.ts';
import type { ResourceDefinition, Scheme } from '../api/scheme.ts';
import type { CachedObject, WatchCache, WatchCaches } from '../apiserver/watch-cache/watch-cache.ts';
import type { BootstrapTokenReader } from '../authn/bootstrap-token.ts';
import type { BoundObject, BoundObjectReader } from '../authn/bound-object-reader.ts';
import type { NodeGraph, NodeGraphResource } from '../authz/node/node-graph.ts';
import { liveNodeUid, type NodeUids } from '../authz/node/node-identity.ts';
import type { ClusterRole, ClusterRoleBinding, RbacReader, Role, RoleBinding } from '../authz/rbac/objects.ts';
import { namespacePrefix, storageKey } from '../storage/keys.ts';
import type { Store } from '../storage/store.ts';

const RBAC = 'rbac.authorization.k8s.io';

/** The watch cache of a resource, by group and plural. */
function cacheOf(caches: WatchCaches, scheme: Scheme, group: string, plural: string): WatchCache {
  const resource = definitionOf(scheme, group, plural);
  return caches.of({ group, plural, kind: resource.kind, apiVersion: apiVersionOf(group, resource.version) });
}

function definitionOf(scheme: Scheme, group: string, plural: string): ResourceDefinition {
  const resource = scheme.resources.find((r) => r.group === group && r.plural === plural);
  if (resource === undefined) throw new Error(`the scheme has no ${plural} in ${JSON.stringify(group)}`);
  return resource;
}

function objectOf(found: CachedObject | undefined): KubeObject | undefined {
  return found?.object();
}

/** What admission reads of the cluster, out of the watch cache. */
export function cachedReader(caches: WatchCaches, scheme: Scheme): ObjectReader {
  // Every write asks: the scheme is searched once for each resource.
  const found = new Map<string, Map<string, WatchCache>>();
  const find = (group: string, resource: string): WatchCache => {
    const known = found.get(group)?.get(resource);
    if (known !== undefined) return known;
    const cache = cacheOf(caches, scheme, group, resource);
    found.set(group, (found.get(group) ?? new Map<string, WatchCache>()).set(resource, cache));
    return cache;
  };
  return {
    get: (group, resource, namespace, name) => find(group, resource).get(namespace, name).then(objectOf),
    list: async (group, resource, namespace) => {
      const { items } = await find(group, resource).list({ namespace });
      return items.map((item) => item.object());
    },
  };
}

/** The same out of storage itself, for the few questions that a moment's delay would answer wrongly. */
export function storedReader(store: Store, scheme: Scheme): ObjectReader {
  const parse = (value: Uint8Array): KubeObject => JSON.parse(Buffer.from(value).toString()) as KubeObject;
  return {
    get: async (group, resource, namespace, name) => {
      const { namespaced } = definitionOf(scheme, group, resource);
      const entry = await store.get(storageKey(group, resource, namespaced ? namespace : '', name));
      return entry === undefined ? undefined : parse(entry.value);
    },
    list: async (group, resource, namespace) => {
      const { entries } = await store.list(namespacePrefix(group, resource, namespace));
      return entries.map((entry) => parse(entry.value));
    },
  };
}

/** What service-account tokens are bound to. */
export function boundObjects(caches: WatchCaches, scheme: Scheme): BoundObjectReader {
  return {
    get: async (resource, namespace, name): Promise<BoundObject | undefined> => {
      const object = (await cacheOf(caches, scheme, '', resource).get(namespace, name))?.object();
      if (object === undefined) return undefined;
      const { uid = '', deletionTimestamp } = object.metadata;
      const spec = (object['spec'] ?? {}) as { nodeName?: string; serviceAccountName?: string };
      return {
        uid,
        ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
        ...(spec.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
        ...(spec.serviceAccountName === undefined ? {} : { serviceAccountName: spec.serviceAccountName }),
      };
    },
  };
}

/** The Secrets of bootstrap tokens. */
export function bootstrapTokens(caches: WatchCaches, scheme: Scheme): BootstrapTokenReader {
  const secrets = cacheOf(caches, scheme, '', 'secrets');
  return {
    get: async (tokenId) => {
      const found = await secrets.get(BOOTSTRAP_TOKEN_NAMESPACE, bootstrapTokenSecretName(tokenId));
      return objectOf(found) as Secret | undefined;
    },
  };
}

/** Which Nodes are part of the cluster, in step with the cache: a node's rights end when it is deleted. */
export async function followNodes(caches: WatchCaches, scheme: Scheme): Promise<NodeUids> {
  const uids = new Map<string, string>();
  const put = (name: string, node: KubeObject | undefined): void => {
    const uid = liveNodeUid(node);
    if (uid === undefined) uids.delete(name);
    else uids.set(name, uid);
  };
  const cache = cacheOf(caches, scheme, '', 'nodes');
  await cache.follow({
    reset: (objects) => {
      uids.clear();
      for (const object of objects) put(object.name, object.object());
    },
    changed: (object, deleted) => put(object.name, deleted ? undefined : object.object()),
  });
  return {
    uidOf: (node) => uids.get(node),
    readUid: async (node) => liveNodeUid(objectOf(await cache.get('', node))),
  };
}

const NODE_NAME = Buffer.from('"nodeName"');

/** What the graph takes of an object. A pod that no node has yet means nothing to it, and needs no parsing. */
function graphed(resource: NodeGraphResource, object: CachedObject): KubeObject | undefined {
  return resource === 'pods' && !object.bytes.includes(NODE_NAME) ? undefined : object.object();
}

/** Keeps the Node authoriser's graph in step with the cache: a kubelet that has seen its pod finds the pod's secrets allowed. */
export async function followNodeGraph(caches: WatchCaches, scheme: Scheme, graph: NodeGraph): Promise<void> {
  const sources: readonly (readonly [group: string, resource: NodeGraphResource])[] = [
    ['', 'pods'],
    ['', 'persistentvolumes'],
    ['storage.k8s.io', 'volumeattachments'],
    ['resource.k8s.io', 'resourceslices'],
    ['certificates.k8s.io', 'podcertificaterequests'],
  ];
  await Promise.all(
    sources.map(async ([group, resource]) => {
      if (!scheme.resources.some((r) => r.group === group && r.plural === resource)) return;
      // What the graph has.
      const known = new Map<string, CachedObject>();
      const put = (object: CachedObject, now: KubeObject | undefined): void => {
        if (now !== undefined) known.set(object.key, object);
        else if (!known.delete(object.key)) return;
        graph.set(resource, object.namespace, object.name, now);
      };
      await cacheOf(caches, scheme, group, resource).follow({
        reset: (objects) => {
          for (const old of [...known.values()]) put(old, undefined);
          for (const object of objects) put(object, graphed(resource, object));
        },
        changed: (object, deleted) => put(object, deleted ? undefined : graphed(resource, object)),
      });
    }),
  );
}

/** A copy of the RBAC objects that can be read at once, in key order; the generation grows with each change. */
export async function followRbac(caches: WatchCaches, scheme: Scheme): Promise<RbacReader> {
  let generation = 0;
  const copy = async <T extends KubeObject>(plural: string): Promise<() => readonly T[]> => {
    const objects = new Map<string, CachedObject>();
    let sorted: readonly T[] | undefined;
    const touched = (): void => {
      sorted = undefined;
      generation++;
    };
    await cacheOf(caches, scheme, RBAC, plural).follow({
      reset: (all) => {
        objects.clear();
        for (const object of all) objects.set(object.key, object);
        touched();
      },
      changed: (object, deleted) => {
        if (deleted) objects.delete(object.key);
        else objects.set(object.key, object);
        touched();
      },
    });
    return () => {
      sorted ??= [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, o]) => o.object() as T);
      return sorted;
    };
  };
  const [clusterRoles, clusterRoleBindings, roles, roleBindings] = await Promise.all([
    copy<ClusterRole>('clusterroles'),
    copy<ClusterRoleBinding>('clusterrolebindings'),
    copy<Role>('roles'),
    copy<RoleBinding>('rolebindings'),
  ]);
  return { generation: () => generation, clusterRoles, clusterRoleBindings, roles, roleBindings };
}
