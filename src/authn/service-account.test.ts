import assert from 'node:assert/strict';
import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { ServiceAccountKeys } from '../pki/service-account-keys.ts';
import type { BoundObject } from './bound-object-reader.ts';
import { parseToken, signToken } from './json-web-token.ts';
import { MAX_TOKEN_BYTES } from './limits.ts';
import { serviceAccountAuthenticator } from './service-account.ts';
import { TokenIssuer, type TokenSubject } from './token-issuer.ts';
import { whyUnauthorized } from './unauthorized.ts';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const START = Date.UTC(2026, 10, 24, 8);
const SUBJECT: TokenSubject = {
  namespace: 'default',
  serviceAccount: { name: 'web', uid: 'sa-1' },
  pod: { name: 'web-0', uid: 'pod-1' },
  node: { name: 'n1', uid: 'node-1' },
};

function setup() {
  let now = START;
  const clock = { now: () => now };
  const keys = new ServiceAccountKeys([ServiceAccountKeys.generate()]);
  const objects = new Map<string, BoundObject>([
    ['serviceaccounts default/web', { uid: 'sa-1' }],
    ['pods default/web-0', { uid: 'pod-1' }],
    ['secrets default/web-token', { uid: 'secret-1' }],
    ['nodes /n1', { uid: 'node-1' }],
  ]);
  const issuer = new TokenIssuer({ issuer: ISSUER, apiAudiences: ['api'], keys, clock });
  const authenticator = serviceAccountAuthenticator({
    issuer: ISSUER,
    apiAudiences: ['api'],
    keys,
    clock,
    objects: { get: async (resource, namespace, name) => objects.get(`${resource} ${namespace}/${name}`) },
  });
  return {
    keys,
    objects,
    issuer,
    authenticator,
    issue: (subject = SUBJECT, audiences: string[] = [], expirationSeconds = 3600) =>
      issuer.issue(subject, { audiences, expirationSeconds }).token,
    at: (seconds: number) => {
      now = START + seconds * 1000;
    },
    ask: (bearerToken: string) =>
      authenticator.authenticate({ bearerToken, certificateState: 'none', remoteAddress: '10.0.0.1' }),
  };
}

async function whyRefused(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(
    () => assert.fail('the token was accepted'),
    (thrown) => thrown,
  );
  assert.equal(error.code, 'Unauthorized');
  assert.equal(error.message, 'Unauthorized');
  return whyUnauthorized(error);
}

const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('service-account tokens', () => {
  it('make the user that Kubernetes makes', async () => {
    const test = setup();
    const { token, credentialId, expiresAt } = test.issuer.issue(SUBJECT, { audiences: [], expirationSeconds: 3600 });
    const { anchors = [], ...result } = (await test.ask(token)) ?? assert.fail('it was not accepted');
    assert.deepEqual(
      anchors.map(({ resource, namespace, name }) => `${resource} ${namespace}/${name}`),
      ['serviceaccounts default/web', 'pods default/web-0'],
    );
    assert.deepEqual(result, {
      user: {
        username: 'system:serviceaccount:default:web',
        uid: 'sa-1',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:default'],
        extra: {
          'authentication.kubernetes.io/pod-name': ['web-0'],
          'authentication.kubernetes.io/pod-uid': ['pod-1'],
          'authentication.kubernetes.io/node-name': ['n1'],
          'authentication.kubernetes.io/node-uid': ['node-1'],
          'authentication.kubernetes.io/credential-id': [credentialId],
        },
      },
      method: 'service-account',
      expiresAt,
    });
    assert.equal(expiresAt, START + 3_600_000);
  });

  it('carry the claims that Kubernetes writes, and verify by another implementation', async () => {
    const test = setup();
    const token = test.issue(SUBJECT, ['vault', 'api']);
    const { payload, protectedHeader } = await jwtVerify(
      token,
      createLocalJWKSet({ keys: [...test.keys.jwks().keys] }),
      {
        issuer: ISSUER,
        audience: 'vault',
        currentDate: new Date(START),
      },
    );
    assert.deepEqual(protectedHeader, { alg: 'ES256', kid: test.keys.signingKey().keyId });
    const { jti, ...claims } = payload;
    assert.match(jti ?? '', /^[0-9a-f]{8}-/);
    assert.deepEqual(claims, {
      aud: ['vault', 'api'],
      exp: START / 1000 + 3600,
      iat: START / 1000,
      nbf: START / 1000,
      iss: ISSUER,
      sub: 'system:serviceaccount:default:web',
      'kubernetes.io': {
        namespace: 'default',
        node: { name: 'n1', uid: 'node-1' },
        pod: { name: 'web-0', uid: 'pod-1' },
        serviceaccount: { name: 'web', uid: 'sa-1' },
      },
    });
  });

  it('die with their time, to the second', async () => {
    const test = setup();
    const token = test.issue();
    test.at(3599);
    assert.ok(await test.ask(token));
    test.at(3600);
    assert.equal(await whyRefused(test.ask(token)), 'token: it has expired');
  });

  it('do not live before their time', async () => {
    const test = setup();
    test.at(1000);
    const token = test.issue();
    test.at(930);
    assert.equal(await whyRefused(test.ask(token)), 'token: it is not valid yet');
    test.at(950);
    assert.ok(await test.ask(token));
  });

  for (const [what, key, uid] of [
    ['service account', 'serviceaccounts default/web', 'sa-2'],
    ['pod', 'pods default/web-0', 'pod-2'],
  ] as const) {
    it(`die with their ${what}, and do not come back with its successor`, async () => {
      const test = setup();
      const token = test.issue();
      assert.ok(await test.ask(token));
      test.objects.delete(key);
      assert.equal(await whyRefused(test.ask(token)), `token: its ${what} does not exist`);
      test.objects.set(key, { uid });
      assert.equal(await whyRefused(test.ask(token)), `token: its ${what} was deleted and made again`);
    });
  }

  it('die with the secret or the node that they are bound to', async () => {
    const test = setup();
    const { pod: _, node, ...account } = SUBJECT;
    const bySecret = test.issue({ ...account, secret: { name: 'web-token', uid: 'secret-1' } });
    const byNode = test.issue({ ...account, ...(node === undefined ? {} : { node }) });
    assert.ok(await test.ask(bySecret));
    assert.ok(await test.ask(byNode));
    test.objects.set('secrets default/web-token', { uid: 'secret-2' });
    test.objects.delete('nodes /n1');
    assert.equal(await whyRefused(test.ask(bySecret)), 'token: its secret was deleted and made again');
    assert.equal(await whyRefused(test.ask(byNode)), 'token: its node does not exist');
    assert.ok(await test.ask(test.issue()), "a pod's token does not die with the node object");
  });

  it('hold through the grace period of a pod that ends, and a minute more', async () => {
    const test = setup();
    const token = test.issue();
    test.objects.set('pods default/web-0', { uid: 'pod-1', deletionTimestamp: new Date(START + 30_000).toISOString() });
    test.at(89);
    assert.ok(await test.ask(token));
    test.at(90);
    assert.equal(await whyRefused(test.ask(token)), 'token: its pod is being deleted');
    test.objects.set('pods default/web-0', { uid: 'pod-1', deletionTimestamp: 'soon' });
    test.at(0);
    assert.equal(await whyRefused(test.ask(token)), 'token: its pod is being deleted');
  });

  it('are good for their audiences only', async () => {
    const test = setup();
    const vault = test.issue(SUBJECT, ['vault']);
    assert.equal(await whyRefused(test.ask(vault)), 'token: it is for another audience');
    const reviewed = await test.authenticator.reviewToken(vault, ['api', 'vault']);
    assert.deepEqual(reviewed?.audiences, ['vault']);
    assert.equal(await whyRefused(test.authenticator.reviewToken(vault, [])), 'token: it is for another audience');
    assert.deepEqual((await test.authenticator.reviewToken(test.issue(), []))?.audiences, ['api']);
  });

  it('of another issuer, and what is no token, are left to others', async () => {
    const test = setup();
    const other = new TokenIssuer({
      issuer: 'https://other',
      apiAudiences: ['api'],
      keys: test.keys,
      clock: { now: () => START },
    });
    const { token } = other.issue(SUBJECT, { audiences: [], expirationSeconds: 3600 });
    const texts = [token, 'opaque', 'a.b', 'a.b.c.d', '..', `${segment([])}.${segment({})}.`, `${segment({})}.!!.AAAA`];
    for (const text of texts) assert.equal(await test.ask(text), undefined, text);
  });

  it('are looked at up to 16 KiB', async () => {
    const test = setup();
    const token = test.issue(SUBJECT, ['api', 'x'.repeat(MAX_TOKEN_BYTES)]);
    assert.equal(await test.ask(token), undefined);
  });
});

describe('forged service-account tokens', () => {
  const test = setup();
  const parsed = parseToken(test.issue());
  assert.ok(parsed !== undefined);
  const { claims } = parsed;
  const kid = test.keys.signingKey().keyId;
  const { privateKey } = test.keys.signingKey();
  const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

  const forge = (header: object, signature: (signed: string) => Buffer | string): string => {
    const signed = `${segment(header)}.${segment(claims)}`;
    const made = signature(signed);
    return `${signed}.${typeof made === 'string' ? made : made.toString('base64url')}`;
  };
  const bySelf = (header: object) =>
    forge(header, (signed) => sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }));

  const attacks: [string, () => string, string][] = [
    ['no algorithm', () => forge({ alg: 'none', kid }, () => ''), 'token: its algorithm is not ES256'],
    ['no algorithm, other case', () => forge({ alg: 'nOnE', kid }, () => ''), 'token: its algorithm is not ES256'],
    [
      'HS256 with the public key as the secret',
      () => forge({ alg: 'HS256', kid }, (signed) => createHmac('sha256', publicPem).update(signed).digest()),
      'token: its algorithm is not ES256',
    ],
    [
      'RS256 with a key of its own',
      () => forge({ alg: 'RS256', kid }, (signed) => sign('sha256', Buffer.from(signed), rsa.privateKey)),
      'token: its algorithm is not ES256',
    ],
    [
      'ES256 said, RSA used',
      () => forge({ alg: 'ES256', kid }, (signed) => sign('sha256', Buffer.from(signed), rsa.privateKey)),
      'token: its signature has the wrong length',
    ],
    [
      'a foreign key under our key id',
      () =>
        forge({ alg: 'ES256', kid }, (signed) =>
          sign('sha256', Buffer.from(signed), { key: foreign.privateKey, dsaEncoding: 'ieee-p1363' }),
        ),
      'token: its signature is wrong',
    ],
    [
      'an all-zero signature (CVE-2022-21449)',
      () => forge({ alg: 'ES256', kid }, () => Buffer.alloc(64)),
      'token: its signature is wrong',
    ],
    ['an empty signature', () => forge({ alg: 'ES256', kid }, () => ''), 'token: its signature has the wrong length'],
    [
      'a DER signature',
      () => forge({ alg: 'ES256', kid }, (signed) => sign('sha256', Buffer.from(signed), privateKey)),
      'token: its signature has the wrong length',
    ],
    ['no key id', () => bySelf({ alg: 'ES256' }), 'token: it names no key'],
    ['an unknown key id', () => bySelf({ alg: 'ES256', kid: 'x' }), 'token: it names a key that is not ours'],
    [
      'a key id that is a path',
      () => bySelf({ alg: 'ES256', kid: '../../../dev/null' }),
      'token: it names a key that is not ours',
    ],
    [
      'a key id of the prototype',
      () => bySelf({ alg: 'ES256', kid: '__proto__' }),
      'token: it names a key that is not ours',
    ],
    ['a key id that is a list', () => bySelf({ alg: 'ES256', kid: [kid] }), 'token: it names no key'],
    [
      'a key that it brings along',
      () => bySelf({ alg: 'ES256', kid, jwk: foreign.publicKey.export({ format: 'jwk' }) }),
      'token: its header has an unsupported field "jwk"',
    ],
    [
      'a key to be fetched',
      () => bySelf({ alg: 'ES256', kid, jku: 'https://evil' }),
      'token: its header has an unsupported field "jku"',
    ],
    [
      'a critical extension',
      () => bySelf({ alg: 'ES256', kid, crit: ['b64'], b64: false }),
      'token: its header has an unsupported field "crit"',
    ],
    ['another type', () => bySelf({ alg: 'ES256', kid, typ: 'dpop+jwt' }), 'token: its type is not JWT'],
  ];
  for (const [what, make, why] of attacks) {
    it(`are refused: ${what}`, async () => {
      assert.equal(await whyRefused(test.ask(make())), why);
    });
  }

  it('are refused with one changed bit anywhere in what is signed, and after a good one was cached', async () => {
    const token = test.issue();
    assert.ok(await test.ask(token));
    const [header = '', body = '', signature = ''] = token.split('.');
    const claimed = JSON.parse(Buffer.from(body, 'base64url').toString());
    const admin = segment({ ...claimed, sub: 'system:serviceaccount:kube-system:admin' });
    assert.equal(await whyRefused(test.ask(`${header}.${admin}.${signature}`)), 'token: its signature is wrong');
    const flipped = Buffer.from(signature, 'base64url');
    flipped.writeUInt8(flipped.readUInt8(40) ^ 1, 40);
    assert.equal(
      await whyRefused(test.ask(`${header}.${body}.${flipped.toString('base64url')}`)),
      'token: its signature is wrong',
    );
    // Not the one base64url text of its bytes.
    assert.equal(await test.ask(`${token}=`), undefined);
    assert.equal(await test.ask(`${header}.${body}\n.${signature}`), undefined);
  });

  const own = claims['kubernetes.io'] as Record<string, unknown>;
  const shapes: [string, object, string][] = [
    ['without an end', { ...claims, exp: undefined }, 'token: the claim exp is missing or not a number'],
    ['with an end that is a text', { ...claims, exp: '9999999999' }, 'token: the claim exp is missing or not a number'],
    ['without an audience', { ...claims, aud: undefined }, 'token: the claim aud is missing or not a list of texts'],
    [
      'without the private claim',
      { ...claims, 'kubernetes.io': undefined },
      'token: the claim kubernetes.io is missing or not an object',
    ],
    [
      'whose subject is another account',
      { ...claims, sub: 'system:serviceaccount:kube-system:admin' },
      'token: the claim sub is not that of its service account',
    ],
    [
      'bound to a pod without a UID',
      { ...claims, 'kubernetes.io': { ...own, pod: { name: 'web-0' } } },
      'token: the claim pod.uid is missing or not a text',
    ],
    [
      'bound to null',
      { ...claims, 'kubernetes.io': { ...own, pod: null } },
      'token: the claim pod is missing or not an object',
    ],
  ];
  for (const [what, changed, why] of shapes) {
    it(`are refused even when signed: ${what}`, async () => {
      const token = signToken(JSON.parse(JSON.stringify(changed)), test.keys.signingKey());
      assert.equal(await whyRefused(test.ask(token)), why);
    });
  }
});

describe('TokenIssuer', () => {
  const test = setup();
  const issue = (expirationSeconds: number) => test.issuer.issue(SUBJECT, { audiences: [], expirationSeconds });

  it("refuses less than ten minutes, in Kubernetes' words", () => {
    assert.throws(() => issue(599), {
      code: 'Invalid',
      message:
        'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
    });
    assert.ok(issue(600));
    assert.throws(() => issue(2 ** 32 + 1), { code: 'Invalid' });
    assert.throws(() => issue(3600.5), { code: 'Invalid' });
  });

  it('caps at its longest life', () => {
    const { keys } = test;
    const clock = { now: () => START };
    const capped = new TokenIssuer({ issuer: ISSUER, apiAudiences: ['api'], keys, clock, maxExpirationSeconds: 7200 });
    assert.equal(capped.issue(SUBJECT, { audiences: [], expirationSeconds: 86_400 }).expiresAt, START + 7_200_000);
    assert.equal(issue(86_400).expiresAt, START + 86_400_000);
  });

  it('writes when to warn', () => {
    const { token } = test.issuer.issue(SUBJECT, { audiences: [], expirationSeconds: 7200, warnAfterSeconds: 3607 });
    const own = parseToken(token)?.claims['kubernetes.io'] as Record<string, unknown>;
    assert.equal(own['warnafter'], START / 1000 + 3607);
  });

  it('never gives two tokens one id', () => {
    const ids = new Set(Array.from({ length: 100 }, () => issue(600).credentialId));
    assert.equal(ids.size, 100);
  });
});
