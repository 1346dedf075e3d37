import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConfigMap, Event } from '../api/generated/types.ts';
import type { OwnerReference } from '../api/object.ts';
import { CLUSTER_ROLES, CONFIG_MAPS, NAMESPACES, SECRETS } from '../client/resources.ts';
import { type DeleteOptions, resource } from '../client/rest-client.ts';
import { until } from '../client/testing/test-client.ts';
import { isCode } from '../lib/errors.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { TestCluster } from './testing/test-cluster.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
const NS = 'default';
let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  await cluster.runControllers(GarbageCollector);
});

after(async () => {
  const forbidden = cluster.forbidden();
  await cluster.close();
  assert.deepEqual(forbidden, []);
});

/** A reference to a ConfigMap; `more` makes it wrong. */
function ownedBy(owner: ConfigMap, more: Partial<OwnerReference> = {}): OwnerReference {
  const { name = '', uid = '' } = owner.metadata;
  return { apiVersion: 'v1', kind: 'ConfigMap', name, uid, ...more };
}

function make(
  name: string,
  owners: OwnerReference[] = [],
  namespace = NS,
  finalizers: string[] = [],
): Promise<ConfigMap> {
  const metadata = { name, namespace, ownerReferences: owners, ...(finalizers.length === 0 ? {} : { finalizers }) };
  return cluster.admin.create(CONFIG_MAPS, { metadata });
}

function remove(name: string, policy?: DeleteOptions['propagationPolicy'], namespace = NS): Promise<unknown> {
  const options = policy === undefined ? {} : { propagationPolicy: policy };
  return cluster.admin.delete(CONFIG_MAPS, namespace, name, options);
}

async function find(name: string, namespace = NS): Promise<ConfigMap | undefined> {
  try {
    return await cluster.admin.get(CONFIG_MAPS, namespace, name);
  } catch (error) {
    if (isCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function gone(...names: string[]): Promise<void> {
  await until(`${names} to go`, async () => {
    const found = await Promise.all(names.map((name) => find(name)));
    return found.every((f) => f === undefined);
  });
}

/** Long enough for a wrong deletion to have happened. */
async function stays(...names: string[]): Promise<void> {
  await delay(200);
  for (const name of names) assert.notEqual(await find(name), undefined, `${name} is gone`);
}

test('background: the owner goes at once, then what it owned, and what that owned', async () => {
  const owner = await make('bg-owner');
  const child = await make('bg-child', [ownedBy(owner)]);
  await make('bg-grandchild', [ownedBy(child)]);
  await cluster.admin.create(SECRETS, {
    metadata: { name: 'bg-secret', namespace: NS, ownerReferences: [ownedBy(owner)] },
  });
  await stays('bg-child', 'bg-grandchild');
  await remove('bg-owner', 'Background');
  assert.equal(await find('bg-owner'), undefined);
  await gone('bg-child', 'bg-grandchild');
  await until('the secret', async () =>
    (await cluster.admin.list(SECRETS, { namespace: NS })).items.every((s) => s.metadata.name !== 'bg-secret'),
  );
});

test('an object that is made with an owner that is gone already goes', async () => {
  const owner = await make('late-owner');
  await remove('late-owner');
  await make('late-child', [ownedBy(owner)]);
  await gone('late-child');
});

test('foreground: the owner waits for those that block it, not for the others', async () => {
  const owner = await make('fg-owner');
  await make('fg-blocking', [ownedBy(owner, { blockOwnerDeletion: true })], NS, ['example.com/hold']);
  await make('fg-other', [ownedBy(owner)], NS, ['example.com/hold']);
  await remove('fg-owner', 'Foreground');
  await until('the dependents to be deleted', async () => {
    const both = await Promise.all([find('fg-blocking'), find('fg-other')]);
    return both.every((c) => c?.metadata.deletionTimestamp !== undefined);
  });
  await stays('fg-owner');
  assert.deepEqual((await find('fg-owner'))?.metadata.finalizers, ['foregroundDeletion']);
  const where = (name: string) => ({ namespace: NS, name });
  await cluster.admin.patch(CONFIG_MAPS, where('fg-blocking'), 'merge', { metadata: { finalizers: null } });
  await gone('fg-blocking', 'fg-owner');
  await stays('fg-other');
  await cluster.admin.patch(CONFIG_MAPS, where('fg-other'), 'merge', { metadata: { finalizers: null } });
  await gone('fg-other');
});

test('foreground through three levels: the last of them goes first', async () => {
  const owner = await make('deep-owner');
  const child = await make('deep-child', [ownedBy(owner, { blockOwnerDeletion: true })]);
  await make('deep-grandchild', [ownedBy(child, { blockOwnerDeletion: true })], NS, ['example.com/hold']);
  await stays('deep-owner');
  await remove('deep-owner', 'Foreground');
  await until('the last', async () => (await find('deep-grandchild'))?.metadata.deletionTimestamp !== undefined);
  await stays('deep-owner', 'deep-child');
  await cluster.admin.patch(CONFIG_MAPS, { namespace: NS, name: 'deep-grandchild' }, 'merge', {
    metadata: { finalizers: null },
  });
  await gone('deep-grandchild', 'deep-child', 'deep-owner');
});

test('foreground without dependents goes, and two that own each other do not wait for ever', async () => {
  await make('alone');
  await remove('alone', 'Foreground');
  await gone('alone');
  const a = await make('circle-a');
  const b = await make('circle-b', [ownedBy(a, { blockOwnerDeletion: true })]);
  await cluster.admin.patch(CONFIG_MAPS, { namespace: NS, name: 'circle-a' }, 'merge', {
    metadata: { ownerReferences: [ownedBy(b, { blockOwnerDeletion: true })] },
  });
  await stays('circle-a', 'circle-b');
  await remove('circle-a', 'Foreground');
  await gone('circle-a', 'circle-b');
  const self = await make('self');
  await cluster.admin.patch(CONFIG_MAPS, { namespace: NS, name: 'self' }, 'merge', {
    metadata: { ownerReferences: [ownedBy(self, { blockOwnerDeletion: true })] },
  });
  await stays('self');
  await remove('self', 'Foreground');
  await gone('self');
});

test('orphan: the dependents stay and have no owner any more', async () => {
  const owner = await make('orphan-owner');
  const other = await make('orphan-other');
  await make('orphan-a', [ownedBy(owner)]);
  await make('orphan-b', [ownedBy(owner, { blockOwnerDeletion: true }), ownedBy(other)]);
  await stays('orphan-a');
  await remove('orphan-owner', 'Orphan');
  await gone('orphan-owner');
  await stays('orphan-a', 'orphan-b');
  assert.equal((await find('orphan-a'))?.metadata.ownerReferences, undefined);
  assert.deepEqual(
    (await find('orphan-b'))?.metadata.ownerReferences?.map((o) => o.name),
    ['orphan-other'],
  );
});

test('one of two owners goes: the reference to it goes, the object stays', async () => {
  const [first, second] = [await make('two-first'), await make('two-second')];
  await make('two-child', [ownedBy(first), ownedBy(second)]);
  await stays('two-child');
  await remove('two-first');
  await until('one reference', async () => (await find('two-child'))?.metadata.ownerReferences?.length === 1);
  assert.equal((await find('two-child'))?.metadata.ownerReferences?.[0]?.name, 'two-second');
  await stays('two-child');
  // One that waits for its dependents must not wait for one that another owner keeps.
  await make('two-second-child', [ownedBy(second, { blockOwnerDeletion: true }), ownedBy(await make('two-third'))]);
  await remove('two-second', 'Foreground');
  await gone('two-second', 'two-child');
  await stays('two-second-child');
});

test('an owner that was made again under the same name is another one', async () => {
  const old = await make('again');
  await make('again-child', [ownedBy(old)]);
  await stays('again-child');
  await remove('again', 'Orphan');
  await gone('again');
  await cluster.admin.patch(CONFIG_MAPS, { namespace: NS, name: 'again-child' }, 'merge', {
    metadata: { ownerReferences: [ownedBy(old)] },
  });
  await make('again');
  await gone('again-child');
  await stays('again');
});

test('a UID proves nothing: an owner of another kind, name or namespace is none', async () => {
  await cluster.admin.create(NAMESPACES, { metadata: { name: 'other' } });
  const owner = await make('lie-owner');
  const foreign = await make('lie-foreign', [], 'other');
  await make('lie-kind', [ownedBy(owner, { kind: 'Secret' })]);
  await make('lie-name', [ownedBy(owner, { name: 'lie-another' })]);
  await make('lie-namespace', [ownedBy(foreign)]);
  await gone('lie-kind', 'lie-name', 'lie-namespace');
  await stays('lie-owner');
  assert.notEqual(await find('lie-foreign', 'other'), undefined);
  const told = await until('the event', async () => {
    const { items } = await cluster.admin.list(EVENTS, { namespace: NS });
    return items.find((e) => e.reason === 'OwnerRefInvalidNamespace');
  });
  assert.equal(told.involvedObject.name, 'lie-namespace');
  assert.equal(
    told.message,
    `ownerRef [v1/ConfigMap, namespace: default, name: lie-foreign, uid: ${foreign.metadata.uid}] does not exist in namespace "default"`,
  );
});

test('somebody in another namespace cannot hold up the deletion of an owner', async () => {
  await cluster.admin.create(NAMESPACES, { metadata: { name: 'attacker' } });
  const owner = await make('held-owner');
  const reference = ownedBy(owner, { blockOwnerDeletion: true });
  // Its own owner keeps it alive.
  const keeper = await make('keeper', [], 'attacker');
  await make('blocker', [reference, ownedBy(keeper)], 'attacker', ['example.com/hold']);
  await remove('held-owner', 'Foreground');
  await gone('held-owner');
});

test('a cluster-wide object with an owner in a namespace is never collected; one with a cluster-wide owner is', async () => {
  const { admin } = cluster;
  const owner = await make('ns-owner');
  const role = await admin.create(CLUSTER_ROLES, { metadata: { name: 'gc-owner' }, rules: [] });
  const toRole: OwnerReference = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    name: 'gc-owner',
    uid: role.metadata.uid ?? '',
  };
  await admin.create(CLUSTER_ROLES, { metadata: { name: 'gc-void', ownerReferences: [ownedBy(owner)] }, rules: [] });
  await admin.create(CLUSTER_ROLES, { metadata: { name: 'gc-child', ownerReferences: [toRole] }, rules: [] });
  await make('role-child', [toRole]);
  await remove('ns-owner');
  await stays('role-child');
  assert.notEqual(await admin.get(CLUSTER_ROLES, '', 'gc-void'), undefined);
  await admin.delete(CLUSTER_ROLES, '', 'gc-owner');
  await gone('role-child');
  await until('the role', async () =>
    (await admin.list(CLUSTER_ROLES)).items.every((r) => r.metadata.name !== 'gc-child'),
  );
  assert.notEqual(await admin.get(CLUSTER_ROLES, '', 'gc-void'), undefined);
});

test('an owner of a kind that nobody serves keeps its dependents', async () => {
  await make('unknown-kind', [{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'w' }]);
  const mixed = await make('unknown-mixed-owner');
  await make('unknown-mixed', [{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'w' }, ownedBy(mixed)]);
  await remove('unknown-mixed-owner');
  await stays('unknown-kind', 'unknown-mixed');
});

test('what was deleted while the collector was away is collected when it is back', async () => {
  const other = await TestCluster.start();
  try {
    const first = await other.runControllers(GarbageCollector);
    const owner = await other.admin.create(CONFIG_MAPS, { metadata: { name: 'away', namespace: NS } });
    const child = { name: 'away-child', namespace: NS, ownerReferences: [ownedBy(owner)] };
    await other.admin.create(CONFIG_MAPS, { metadata: child });
    await first.stop();
    await other.admin.delete(CONFIG_MAPS, NS, 'away');
    await other.runControllers(GarbageCollector);
    await until('the child', async () =>
      (await other.admin.list(CONFIG_MAPS, { namespace: NS })).items.every((c) => c.metadata.name !== 'away-child'),
    );
  } finally {
    await other.close();
  }
});
