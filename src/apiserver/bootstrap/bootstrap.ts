import { systemPriorityClasses } from '../../admission/priority.ts';
import { semanticEqual } from '../../api/json-object.ts';
import { type KubeObject, parseApiVersion } from '../../api/object.ts';
import type { ResourceDefinition } from '../../api/scheme.ts';
import type { BootstrapPolicy } from '../../authz/rbac/bootstrap-policy.ts';
import { type Reconciliation, reconcileBinding, reconcileRole } from '../../authz/rbac/reconcile.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';
import { MAX_TXN_OPS } from '../../storage/limits.ts';
import type { TxnOp } from '../../storage/store.ts';
import { encoder, type HandlerContext, keyOf } from '../handlers/endpoint.ts';
import type { CachedObject } from '../watch-cache/watch-cache.ts';
import {
  kubernetesEndpointSlice,
  kubernetesEndpoints,
  kubernetesService,
  namespaceObject,
  systemNamespaces,
} from './system-objects.ts';

export interface BootstrapOptions {
  readonly context: HandlerContext;
  readonly policy: BootstrapPolicy;
  readonly serviceIp: string;
  readonly address: string;
  readonly port: number;
}

const MAX_ATTEMPTS = 5;

/**
 * What must be there before the first request: namespaces, roles and bindings, the Service `kubernetes`. Missing objects are added and changed
 * ones mended, in transactions that share a commit; nothing is written when nothing is amiss.
 */
export async function bootstrapObjects(options: BootstrapOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const ops = await bootstrapOps(options);
    if (ops.length === 0) return;
    const results = await Promise.all(chunks(ops).map((chunk) => options.context.store.txn(chunk)));
    const failed = results.find((result) => !result.ok);
    if (failed === undefined) return;
    if (attempt >= MAX_ATTEMPTS) {
      throw new CausewayError(
        'Conflict',
        `the system objects cannot be written: ${failed.failedKey} changes all the time`,
      );
    }
  }
}

function chunks(ops: readonly TxnOp[]): TxnOp[][] {
  const parts: TxnOp[][] = [];
  for (let i = 0; i < ops.length; i += MAX_TXN_OPS) parts.push(ops.slice(i, i + MAX_TXN_OPS));
  return parts;
}

type Reconcile = (existing: KubeObject | undefined, wanted: KubeObject) => Reconciliation<KubeObject>;

/** Only its absence matters: whatever an administrator made of it stays. */
const createOnly: Reconcile = (existing, object) =>
  existing === undefined ? { action: 'create', object } : { action: 'keep' };

/** The apiserver's own: its address may have changed since the last start. */
const overwrite: Reconcile = (existing, wanted) => {
  if (existing === undefined) return { action: 'create', object: wanted };
  const object = { ...existing, ...wanted, metadata: { ...existing.metadata, ...wanted.metadata } };
  return semanticEqual(object, existing) ? { action: 'keep' } : { action: 'update', object };
};

async function bootstrapOps(options: BootstrapOptions): Promise<TxnOp[]> {
  const { context, policy, address, port } = options;
  const ops: TxnOp[] = [];
  const add = async (wanted: readonly KubeObject[], reconcile: Reconcile): Promise<void> => {
    for (const object of wanted) ops.push(...(await opsFor(context, object, reconcile)));
  };
  await add(systemNamespaces.map(namespaceObject), createOnly);
  await add(systemPriorityClasses, createOnly);
  await add([kubernetesService(options.serviceIp, port)], overwrite);
  await add([kubernetesEndpoints(address, port), kubernetesEndpointSlice(address, port)], overwrite);
  await add([...policy.clusterRoles, ...policy.roles], reconcileRole as Reconcile);
  await add([...policy.clusterRoleBindings, ...policy.roleBindings], reconcileBinding as Reconcile);
  return ops;
}

function resourceOf(context: HandlerContext, object: KubeObject): ResourceDefinition {
  const { group, version } = parseApiVersion(object.apiVersion ?? '');
  const resource = context.machinery.scheme.findKind(group, version, object.kind ?? '');
  if (resource === undefined) throw new Error(`no such kind: ${object.apiVersion} ${object.kind}`);
  return resource;
}

async function opsFor(context: HandlerContext, wanted: KubeObject, reconcile: Reconcile): Promise<TxnOp[]> {
  const resource = resourceOf(context, wanted);
  const { name = '', namespace = '' } = wanted.metadata;
  const existing = await find(context, resource, namespace, name);
  const step = reconcile(existing?.copy(), wanted);
  const key = keyOf(resource, namespace, name);
  switch (step.action) {
    case 'keep':
      return [];
    case 'create':
      return [{ type: 'put', key, expected: 0, encode: encoder(fresh(context, step.object)) }];
    case 'update':
      return [{ type: 'put', key, expected: existing?.resourceVersion ?? 0, encode: encoder(step.object) }];
    case 'recreate':
      // One key, one operation: the new object has a uid of its own, which is what "recreated" means to everybody who looks.
      return [
        { type: 'put', key, expected: existing?.resourceVersion ?? 0, encode: encoder(fresh(context, step.object)) },
      ];
  }
}

function find(
  context: HandlerContext,
  resource: ResourceDefinition,
  namespace: string,
  name: string,
): Promise<CachedObject | undefined> {
  const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  const cache = context.caches.of({ group: resource.group, apiVersion, kind: resource.kind, plural: resource.plural });
  return cache.get(namespace, name);
}

function fresh(context: HandlerContext, object: KubeObject): KubeObject {
  const { apiVersion, kind, metadata, ...rest } = object;
  return {
    apiVersion: apiVersion as string,
    kind: kind as string,
    metadata: {
      ...metadata,
      uid: context.uuid(),
      creationTimestamp: rfc3339(context.clock.now()),
    },
    ...rest,
  };
}
