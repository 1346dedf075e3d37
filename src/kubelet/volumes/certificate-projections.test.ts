import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ClusterTrustBundle, ClusterTrustBundleProjection } from '../../api/generated/types.ts';
import { testAuthority } from '../../pki/testing/test-peers.ts';
import { trustBundleFile } from './certificate-projections.ts';
import type { ProjectionContext } from './projections.ts';

const [a, b] = [testAuthority('a').certificatePem, testAuthority('b').certificatePem];
const bundle = (name: string, trustBundle: string, labels = {}): ClusterTrustBundle => ({
  metadata: { name, labels },
  spec: { trustBundle },
});
const known = [bundle('one', `words\n${a}`), bundle('two', a + b, { use: 'live' })];
const trust: ProjectionContext['trust'] = {
  trustBundle: async (name) => known.find(({ metadata }) => metadata.name === name),
  trustBundles: async (signerName) => (signerName === 'example.com/s' ? known : []),
};
const file = async (projection: Partial<ClusterTrustBundleProjection>): Promise<string> => {
  const context = { trust, signal: new AbortController().signal } as unknown as ProjectionContext;
  const { path, data } = await trustBundleFile(context, { path: 'ca.pem', ...projection }, 0o644);
  assert.equal(path, 'ca.pem');
  return Buffer.from(data).toString();
};

it('one bundle by its name, its certificates and nothing else', async () => {
  assert.equal(await file({ name: 'one' }), a);
});

it('those of a signer that the labels select, each certificate once', async () => {
  const both = [a, b].sort().join('');
  assert.equal(await file({ signerName: 'example.com/s', labelSelector: {} }), both);
  assert.equal(await file({ signerName: 'example.com/s', labelSelector: { matchLabels: { use: 'live' } } }), both);
});

it('what is missing is named, unless it is optional', async () => {
  await assert.rejects(file({ name: 'three' }), { message: 'clustertrustbundle "three" not found' });
  const none = { message: 'clustertrustbundle of signer example.com/s that the labels select not found' };
  await assert.rejects(file({ signerName: 'example.com/s' }), none, 'without a selector none is selected');
  await assert.rejects(file({ signerName: 'example.com/s', labelSelector: { matchLabels: { use: 'old' } } }), none);
  assert.equal(await file({ name: 'three', optional: true }), '');
});
