import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { dataValue } from '../api/core/bootstrap-token.ts';
import type { Secret } from '../api/generated/types.ts';
import { SECRETS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { restClient } from '../client/testing/test-client.ts';
import { CausewayError } from '../lib/errors.ts';
import { claimBootstrapToken, type TokenClaim } from './bootstrap-token-claim.ts';
import { TestCluster } from './testing/test-cluster.ts';

let cluster: TestCluster;
/** As the controller manager, with its own rights. */
let manager: RestClient;

before(async () => {
  cluster = await TestCluster.start();
  manager = restClient(cluster.api, 'system:kube-controller-manager');
  cluster.onStop(async () => manager.close());
});
after(() => cluster?.close());

const now = Date.UTC(2026, 10, 24, 8);
const clock = { now: () => now };
const inAnHour = '2026-11-24T09:00:00Z';

function create(id: string, data: Readonly<Record<string, string>> = {}, type?: string): Promise<Secret> {
  return cluster.admin.create(SECRETS, {
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    type: type ?? 'bootstrap.kubernetes.io/token',
    stringData: {
      'token-id': id,
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      expiration: inAnHour,
      ...data,
    },
  });
}

const claim = (id: string, csrUid: string, nodeName = 'n1', client: Pick<RestClient, 'get' | 'update'> = manager) =>
  claimBootstrapToken(client, id, { csrUid, nodeName }, { clock });
const stored = (id: string): Promise<Secret> => cluster.admin.get(SECRETS, 'kube-system', `bootstrap-token-${id}`);
const refused = (claimed: TokenClaim): string => (claimed.claimed ? assert.fail('it was claimed') : claimed.why);

describe('claiming a bootstrap token', () => {
  it('marks it, ends it a minute later, and is repeated by the same request alone', async () => {
    await create('aaaaa1');
    assert.deepEqual(await claim('aaaaa1', 'one'), { claimed: true, boundToName: false });
    const marked = await stored('aaaaa1');
    assert.equal(dataValue(marked, 'used-by'), 'one');
    assert.equal(dataValue(marked, 'expiration'), '2026-11-24T08:01:00Z');
    assert.equal(dataValue(marked, 'token-secret'), '0123456789abcdef');
    assert.deepEqual(await claim('aaaaa1', 'one'), { claimed: true, boundToName: false });
    assert.equal((await stored('aaaaa1')).metadata.resourceVersion, marked.metadata.resourceVersion);
    assert.equal(refused(await claim('aaaaa1', 'two')), 'bootstrap token aaaaa1 was used before');
  });

  it('is won by exactly one of many that race', async () => {
    await create('aaaaa2');
    const claims = await Promise.all(Array.from({ length: 12 }, (_, i) => claim('aaaaa2', `csr-${i}`)));
    const winners = claims.flatMap((one, i) => (one.claimed ? [`csr-${i}`] : []));
    assert.equal(winners.length, 1);
    assert.equal(dataValue(await stored('aaaaa2'), 'used-by'), winners[0]);
  });

  it('never makes it last longer, and gives one without an end an end', async () => {
    await create('aaaaa3', { expiration: '2026-11-24T08:00:10Z' });
    await claim('aaaaa3', 'one');
    assert.equal(dataValue(await stored('aaaaa3'), 'expiration'), '2026-11-24T08:00:10Z');
    await create('aaaaa4', { expiration: '' });
    await claim('aaaaa4', 'one');
    assert.equal(dataValue(await stored('aaaaa4'), 'expiration'), '2026-11-24T08:01:00Z');
  });

  it('is refused for another node, and says so when the token is bound to this one', async () => {
    await create('aaaaa5', { 'node-name': 'n2' });
    assert.equal(refused(await claim('aaaaa5', 'one', 'n1')), 'bootstrap token aaaaa5 is for node n2 only');
    assert.equal(dataValue(await stored('aaaaa5'), 'used-by'), undefined);
    assert.deepEqual(await claim('aaaaa5', 'one', 'n2'), { claimed: true, boundToName: true });
  });

  it('leaves one for many nodes as it is', async () => {
    const { metadata } = await create('aaaaa6', { 'single-use': 'false' });
    for (const uid of ['one', 'two']) assert.equal((await claim('aaaaa6', uid)).claimed, true);
    assert.equal((await stored('aaaaa6')).metadata.resourceVersion, metadata.resourceVersion);
  });

  it('is refused when the token has expired, is for something else, or is none', async () => {
    await create('aaaaa7', { expiration: '2026-11-24T08:00:00Z' });
    assert.match(refused(await claim('aaaaa7', 'one')), /has expired$/);
    await create('aaaaa8', { expiration: 'tomorrow' });
    assert.match(refused(await claim('aaaaa8', 'one')), /has expired$/);
    await create('aaaaa9', { 'usage-bootstrap-authentication': 'false' });
    assert.match(refused(await claim('aaaaa9', 'one')), /is not for authentication$/);
    await create('aaaab1', {}, 'Opaque');
    for (const id of ['aaaab1', 'nosuch']) assert.match(refused(await claim(id, 'one')), /does not exist$/);
    for (const id of ['', '../../x', 'ABCDEF']) assert.match(refused(await claim(id, 'one')), /has no valid id$/);
  });

  it('is refused when the token is deleted while it is claimed', async () => {
    await create('aaaab2');
    const deleting: Pick<RestClient, 'get' | 'update'> = {
      get: (...args) => manager.get(...args),
      update: async (...args) => {
        await cluster.admin.delete(SECRETS, 'kube-system', 'bootstrap-token-aaaab2');
        return manager.update(...args);
      },
    };
    assert.match(refused(await claim('aaaab2', 'one', 'n1', deleting)), /does not exist$/);
  });

  it('throws when the apiserver does not answer, so that the caller asks again', async () => {
    await create('aaaab3');
    const broken: Pick<RestClient, 'get' | 'update'> = {
      get: (...args) => manager.get(...args),
      update: () => Promise.reject(new CausewayError('ServiceUnavailable', 'away')),
    };
    await assert.rejects(claim('aaaab3', 'one', 'n1', broken), { code: 'ServiceUnavailable' });
    assert.equal((await claim('aaaab3', 'one')).claimed, true);
  });
});
