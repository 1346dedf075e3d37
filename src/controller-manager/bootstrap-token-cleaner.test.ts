import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Secret } from '../api/generated/types.ts';
import { SECRETS } from '../client/resources.ts';
import { until } from '../client/testing/test-client.ts';
import { rfc3339 } from '../lib/clock.ts';
import { BootstrapTokenCleaner } from './bootstrap-token-cleaner.ts';
import { TestCluster } from './testing/test-cluster.ts';

let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.start();
});
after(() => cluster?.close());

const inSeconds = (seconds: number): string => rfc3339(Date.now() + seconds * 1000);

function create(id: string, expiration: string, more: Partial<Secret> = {}): Promise<Secret> {
  return cluster.admin.create(SECRETS, {
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system', ...more.metadata },
    type: more.type ?? 'bootstrap.kubernetes.io/token',
    stringData: { 'token-id': id, ...(expiration === '' ? {} : { expiration }) },
  });
}

async function names(namespace = 'kube-system'): Promise<string[]> {
  const { items } = await cluster.admin.list(SECRETS, { namespace });
  return items.map((secret) => (secret.metadata.name ?? '').replace('bootstrap-token-', '')).sort();
}

test('tokens go when their time has come, and nothing else does', async () => {
  await create('000001', inSeconds(-1));
  await create('000002', '');
  await create('000003', inSeconds(3600));
  await create('000004', inSeconds(-1), { type: 'Opaque' });
  await create('000005', inSeconds(-1), { metadata: { name: 'bootstrap-token-000005', namespace: 'default' } });
  await create('000006', 'whenever');
  await cluster.runControllers(BootstrapTokenCleaner);
  const soon = await create('000007', inSeconds(2));
  const extended = await create('000008', inSeconds(2));
  const shortened = await create('000009', inSeconds(3600));
  await cluster.admin.update(SECRETS, { ...extended, stringData: { expiration: inSeconds(3600) } });
  await until('the expired ones to go', async () => !(await names()).some((id) => id === '000001' || id === '000006'));
  assert.ok((await names()).includes('000009'));
  await cluster.admin.update(SECRETS, { ...shortened, stringData: { expiration: inSeconds(3) } });
  await until('the later ones to go', async () => !(await names()).some((id) => id === '000007' || id === '000009'));
  const expiration = Buffer.from(soon.data?.['expiration'] ?? '', 'base64').toString();
  assert.ok(Date.now() >= Date.parse(expiration), 'not before its time');
  assert.deepEqual(await names(), ['000002', '000003', '000004', '000008']);
  assert.deepEqual(await names('default'), ['000005']);
  assert.deepEqual(cluster.forbidden(), []);
});
