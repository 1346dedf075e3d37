import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ClusterRole, PolicyRule } from '../api/generated/types.ts';
import { jsonEqual } from '../api/json-object.ts';
import { CLUSTER_ROLES } from '../client/resources.ts';
import { restClient, until } from '../client/testing/test-client.ts';
import { isCode } from '../lib/errors.ts';
import { ClusterRoleAggregationController } from './cluster-role-aggregation.ts';
import { TestCluster } from './testing/test-cluster.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  await cluster.runControllers(ClusterRoleAggregationController);
});

after(async () => {
  await cluster.close();
});

const rule = (resource: string, verb = 'get'): PolicyRule => ({
  verbs: [verb],
  apiGroups: ['example.com'],
  resources: [resource],
});

function role(name: string, labels: Record<string, string>, more: Partial<ClusterRole>): Promise<ClusterRole> {
  return cluster.admin.create(CLUSTER_ROLES, { metadata: { name, labels }, ...more });
}

async function rulesOf(name: string): Promise<PolicyRule[]> {
  return (await cluster.admin.get(CLUSTER_ROLES, '', name)).rules ?? [];
}

function has(name: string, ...wanted: PolicyRule[]): Promise<true> {
  return until(`${name} to have the rules`, async () => jsonEqual(await rulesOf(name), wanted));
}

const selecting = (label: string): Pick<ClusterRole, 'aggregationRule'> => ({
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: 'yes' } }] },
});

test('admin, edit and view show what is added to view, and lose it again', async () => {
  const names = ['view', 'edit', 'admin'];
  const first = await Promise.all(names.map(rulesOf));
  const added = rule('widgets');
  await role('widget-viewer', { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' }, { rules: [added] });
  for (const name of names) {
    await until(name, async () => (await rulesOf(name)).some((r) => jsonEqual(r, added)));
  }
  await cluster.admin.patch(CLUSTER_ROLES, { namespace: '', name: 'widget-viewer' }, 'merge', {
    metadata: { labels: null },
  });
  for (const [i, name] of names.entries()) await has(name, ...(first[i] ?? []));
});

test('parts that come, change and go; what somebody wrote into the whole does not stay', async () => {
  await role('whole', {}, { ...selecting('whole'), rules: [rule('junk', '*')] });
  await has('whole');
  await role('part-b', { whole: 'yes' }, { rules: [rule('b')] });
  await role('part-a', { whole: 'yes' }, { rules: [rule('a'), rule('b')] });
  await has('whole', rule('a'), rule('b'));
  const where = { namespace: '', name: 'part-a' };
  await cluster.admin.patch(CLUSTER_ROLES, where, 'merge', { rules: [rule('c')] });
  await has('whole', rule('c'), rule('b'));
  await cluster.admin.patch(CLUSTER_ROLES, { namespace: '', name: 'whole' }, 'merge', { rules: [rule('junk', '*')] });
  await has('whole', rule('c'), rule('b'));
  await cluster.admin.delete(CLUSTER_ROLES, '', 'part-b');
  await has('whole', rule('c'));
});

test('wholes of wholes, in a circle too', async () => {
  await role('circle-a', { b: 'yes' }, selecting('a'));
  await role('circle-b', { a: 'yes' }, selecting('b'));
  await role('leaf', { a: 'yes' }, { rules: [rule('leaf')] });
  await Promise.all([has('circle-a', rule('leaf')), has('circle-b', rule('leaf'))]);
  await cluster.admin.delete(CLUSTER_ROLES, '', 'leaf');
  await Promise.all([has('circle-a'), has('circle-b')]);
});

test('the controller can grant nothing: the apiserver takes from it only what holds anyway', async () => {
  assert.deepEqual(cluster.forbidden(), []);
  const manager = restClient(cluster.api, 'system:kube-controller-manager');
  const everything = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }];
  const attempts: readonly [name: string, patch: object][] = [
    ['view', { rules: everything }],
    ['system:basic-user', { rules: everything }],
    ['cluster-admin', { metadata: { labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } } }],
    ['view', { aggregationRule: { clusterRoleSelectors: [{}] } }],
    ['view', { aggregationRule: null }],
  ];
  for (const [name, patch] of attempts) {
    await assert.rejects(
      manager.patch(CLUSTER_ROLES, { namespace: '', name }, 'merge', patch),
      (error) => isCode(error, 'Forbidden'),
      `${name} ${JSON.stringify(patch)}`,
    );
  }
  manager.close();
});
