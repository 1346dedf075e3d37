import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CONFIG_MAPS, NODES } from '../client/resources.ts';
import { until } from '../client/testing/test-client.ts';
import { ClusterTrustPublisher } from './cluster-trust.ts';
import { NodeIpamController } from './node-ipam.ts';
import { TestCluster } from './testing/test-cluster.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  await cluster.runControllers(NodeIpamController, ClusterTrustPublisher);
});

after(async () => {
  const forbidden = cluster.forbidden();
  await cluster.close();
  assert.deepEqual(forbidden, []);
});

test('every node gets a part of the pod network, none twice, until there is none left', async () => {
  const { admin } = cluster;
  const own = { podCIDR: '10.244.7.0/24', podCIDRs: ['10.244.7.0/24'] };
  await admin.create(NODES, { metadata: { name: 'chose-itself' }, spec: own });
  await Promise.all(Array.from({ length: 260 }, (_, i) => admin.create(NODES, { metadata: { name: `n${i}` } })));
  const parts = async (): Promise<string[]> =>
    (await admin.list(NODES)).items.flatMap(({ spec }) => spec?.podCIDR ?? []);
  await until('256 nodes to have a part', async () => (await parts()).length === 256);
  const given = await parts();
  assert.equal(new Set(given).size, 256);
  assert.ok(given.every((part) => /^10\.244\.\d{1,3}\.0\/24$/.test(part)));
  assert.equal((await admin.get(NODES, '', 'chose-itself')).spec?.podCIDR, '10.244.7.0/24');
});

test("the cluster's trust is written down, and put right when somebody changes it", async () => {
  const { admin, api } = cluster;
  const trust = async (): Promise<unknown> =>
    (await admin.get(CONFIG_MAPS, 'kube-public', 'causeway-trust').catch(() => undefined))?.data;
  const wanted = {
    'ca.crt': api.pki.clusterCa.certificatePem,
    'kubelet-client-ca.crt': api.pki.kubeletClientCa.certificatePem,
  };
  const isWanted = async (): Promise<boolean> => JSON.stringify(await trust()) === JSON.stringify(wanted);
  await until('the trust', isWanted);
  const where = { namespace: 'kube-public', name: 'causeway-trust' };
  await admin.patch(CONFIG_MAPS, where, 'merge', { data: { 'ca.crt': 'an attacker' } });
  await until('the trust', isWanted);
  await admin.delete(CONFIG_MAPS, 'kube-public', 'causeway-trust');
  await until('the trust', isWanted);
});
