import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Secret } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import { CausewayError } from '../lib/errors.ts';
import { bootstrapTokenAuthenticator } from './bootstrap-token.ts';
import { whyUnauthorized } from './unauthorized.ts';

const NOW = Date.UTC(2026, 10, 24, 8);
const rest = { certificateState: 'none', remoteAddress: '10.0.0.1' } as const;
const TOKEN = 'abcdef.0123456789abcdef';

function secretOf(data: Readonly<Record<string, string>> = {}, more: Partial<Secret> = {}): Secret {
  const all = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    expiration: '2026-11-24T09:00:00Z',
    ...data,
  };
  return {
    metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system', ...more.metadata },
    type: more.type ?? 'bootstrap.kubernetes.io/token',
    data: Object.fromEntries(Object.entries(all).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  };
}

const open = (secret: Secret | undefined) =>
  bootstrapTokenAuthenticator({
    apiAudiences: ['api'],
    tokens: { get: async (id) => (id === 'abcdef' ? secret : undefined) },
    clock: { now: () => NOW },
  });

/** Who it is, without the anchors. */
async function accepted(secret: Secret): Promise<unknown> {
  const found = await open(secret).authenticate({ ...rest, bearerToken: TOKEN });
  const { anchors: _, ...result } = found ?? assert.fail('it was refused');
  return result;
}

/** Why the log says that it was refused; the caller learns `Unauthorized` alone. */
async function why(secret: Secret | undefined, bearerToken = TOKEN): Promise<string> {
  const error = await open(secret)
    .authenticate({ ...rest, bearerToken })
    .then(
      () => assert.fail('it was accepted'),
      (e: unknown) => e,
    );
  assert.ok(error instanceof CausewayError);
  assert.deepEqual([error.code, error.message], ['Unauthorized', 'Unauthorized']);
  return whyUnauthorized(error);
}

describe('a bootstrap token', () => {
  it('authenticates as Kubernetes says, until it expires', async () => {
    assert.deepEqual(await accepted(secretOf()), {
      user: { username: 'system:bootstrap:abcdef', groups: ['system:bootstrappers'] },
      method: 'bootstrap-token',
      expiresAt: NOW + 3_600_000,
    });
    const groups = 'system:bootstrappers:b,system:bootstrappers:a,system:bootstrappers:b';
    const secret = secretOf({ 'auth-extra-groups': groups, expiration: '' });
    assert.deepEqual(await accepted(secret), {
      user: {
        username: 'system:bootstrap:abcdef',
        groups: ['system:bootstrappers', 'system:bootstrappers:a', 'system:bootstrappers:b'],
      },
      method: 'bootstrap-token',
    });
  });

  it('ends what it opened with its Secret, and by the time that this says now', async () => {
    const found = await open(secretOf()).authenticate({ ...rest, bearerToken: TOKEN });
    const [anchor, ...others] = found?.anchors ?? [];
    assert.equal(others.length, 0);
    assert.deepEqual(
      [anchor?.resource, anchor?.namespace, anchor?.name],
      ['secrets', 'kube-system', 'bootstrap-token-abcdef'],
    );
    const endsAt = (secret: Secret | undefined) => anchor?.endsAt(secret as unknown as KubeObject | undefined);
    assert.equal(endsAt(secretOf()), NOW + 3_600_000);
    assert.equal(endsAt(secretOf({ expiration: '2026-11-24T08:01:00Z' })), NOW + 60_000);
    assert.equal(endsAt(secretOf({ expiration: '' })), Number.POSITIVE_INFINITY);
    for (const ended of [
      undefined,
      secretOf({ expiration: '2026-11-24T07:59:59Z' }),
      secretOf({ 'token-secret': 'ffffffffffffffff' }),
      secretOf({ 'usage-bootstrap-authentication': 'false' }),
    ]) {
      assert.equal(endsAt(ended), 0);
    }
  });

  it('leaves to others what has not its form', async () => {
    const one = open(secretOf());
    for (const bearerToken of ['', 'abcdef', 'a.b.c', `${TOKEN}0`, TOKEN.toUpperCase(), 'x'.repeat(1 << 20)]) {
      assert.equal(await one.authenticate({ ...rest, bearerToken }), undefined);
      assert.equal(await one.reviewToken(bearerToken, []), undefined);
    }
    assert.equal(await one.authenticate(rest), undefined);
  });

  it('is refused alike for a wrong secret and an unknown id', async () => {
    assert.equal(await why(secretOf(), 'abcdef.0123456789abcdeg'), 'bootstrap token abcdef: no such token');
    assert.equal(await why(undefined), 'bootstrap token abcdef: no such token');
    assert.equal(await why(secretOf({ 'token-secret': '' })), 'bootstrap token abcdef: no such token');
    assert.equal(await why(secretOf({ 'token-secret': '0123456789abcde' })), 'bootstrap token abcdef: no such token');
  });

  it('is refused when its Secret is another kind of thing, or on its way out', async () => {
    assert.match(await why(secretOf({}, { type: 'Opaque' })), /no such token$/);
    assert.match(await why(secretOf({ 'token-id': 'abcdeg' })), /no such token$/);
    const deletionTimestamp = '2026-11-24T07:59:59Z';
    const metadata = { name: 'bootstrap-token-abcdef', namespace: 'kube-system', deletionTimestamp };
    assert.match(await why(secretOf({}, { metadata })), /no such token$/);
    assert.match(
      await why(secretOf({}, { metadata: { name: 'bootstrap-token-abcdef', namespace: 'x' } })),
      /no such token$/,
    );
  });

  it('is refused when it has expired, is for something else, or wants to be somebody', async () => {
    assert.match(await why(secretOf({ expiration: '2026-11-24T08:00:00Z' })), /it has expired$/);
    assert.match(await why(secretOf({ expiration: 'never' })), /it has expired$/);
    for (const usage of ['false', 'True', '']) {
      assert.match(await why(secretOf({ 'usage-bootstrap-authentication': usage })), /it is not for authentication$/);
    }
    for (const group of ['system:masters', 'system:bootstrappers:a,system:masters', 'system:bootstrappers:a,', ' ']) {
      assert.match(await why(secretOf({ 'auth-extra-groups': group })), /it asks for the group /);
    }
  });

  it('says nothing of its secret to the log', async () => {
    for (const secret of [secretOf(), secretOf({ expiration: 'x' }), undefined]) {
      assert.doesNotMatch(await why(secret, 'abcdef.fedcba9876543210'), /fedcba|0123456/);
    }
  });

  it("is reviewed for the apiserver's own audiences only", async () => {
    const one = open(secretOf());
    assert.deepEqual((await one.reviewToken(TOKEN, []))?.audiences, ['api']);
    assert.deepEqual((await one.reviewToken(TOKEN, ['other', 'api']))?.audiences, ['api']);
    assert.equal(await one.reviewToken(TOKEN, ['other']), undefined);
    await assert.rejects(one.reviewToken('abcdef.fedcba9876543210', []), { code: 'Unauthorized' });
  });
});
