import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CLIENT_SIGNER } from '../api/certificates/signers.ts';
import type { CertificateSigningRequest } from '../api/generated/types.ts';
import { CERTIFICATE_SIGNING_REQUESTS } from '../client/resources.ts';
import { until } from '../client/testing/test-client.ts';
import { testAuthority } from '../pki/testing/test-peers.ts';
import { CsrCleaner, cleanedAt } from './csr-cleaner.ts';
import { ask, judgeByHand } from './testing/certificate-requests.ts';
import { TestCluster } from './testing/test-cluster.ts';

const HOUR_MS = 3_600_000;

let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  await cluster.runControllers(CsrCleaner);
});

after(async () => {
  assert.deepEqual(cluster.forbidden(), []);
  await cluster.close();
});

test('a request is kept for an hour once it is decided, and for a day until then', () => {
  const created = Date.parse('2026-01-01T00:00:00Z');
  const decided = Date.parse('2026-01-01T05:00:00Z');
  const issuedPem = (days: number): string => {
    const authority = testAuthority('ca', { now: () => decided });
    return Buffer.from(authority.issueClient({ user: 'x', groups: [], days }).certificatePem).toString('base64');
  };
  const hours = (types: readonly string[], certificate?: string): number => {
    const lastUpdateTime = new Date(decided).toISOString();
    const conditions = types.map((type) => ({ type, status: 'True', lastUpdateTime }));
    const csr = {
      metadata: { creationTimestamp: new Date(created).toISOString() },
      status: { conditions, ...(certificate === undefined ? {} : { certificate }) },
    } as CertificateSigningRequest;
    return (cleanedAt(csr) - created) / HOUR_MS;
  };
  assert.equal(hours([]), 24);
  assert.equal(hours(['SomebodyElses']), 24);
  assert.equal(hours(['Denied']), 6);
  assert.equal(hours(['Approved', 'Failed']), 6);
  assert.equal(hours(['Failed']), 6);
  assert.equal(hours(['Approved']), 29);
  assert.equal(hours(['Approved'], issuedPem(1)), 6);
  assert.equal(hours(['Approved'], issuedPem(1 / 48)), 5.5);
  assert.equal(hours(['Approved'], Buffer.from('no certificate').toString('base64')), 6);
});

test('old requests go, young ones stay', async () => {
  const { admin, clock } = cluster;
  const names = async (): Promise<string[]> =>
    (await admin.list(CERTIFICATE_SIGNING_REQUESTS)).items.map(({ metadata }) => metadata.name ?? '').sort();
  const [pending, denied] = await Promise.all([1, 2].map(() => ask(admin, CLIENT_SIGNER, { commonName: 'x' })));
  await judgeByHand(admin, denied as never, 'Denied');
  const touch = (csr: CertificateSigningRequest | undefined): Promise<unknown> =>
    admin.patch(CERTIFICATE_SIGNING_REQUESTS, { namespace: '', name: csr?.metadata.name ?? '' }, 'merge', {
      metadata: { labels: { touched: String(clock.now()) } },
    });
  // News of a request makes the cleaner look at it.
  clock.advance(HOUR_MS + 60_000);
  await Promise.all([touch(pending), touch(denied)]);
  const left = [pending?.metadata.name];
  await until('the denied one to go', async () => JSON.stringify(await names()) === JSON.stringify(left));
  clock.advance(23 * HOUR_MS);
  await touch(pending);
  await until('the other one to go', async () => (await names()).length === 0);
});
