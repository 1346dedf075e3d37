import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { ClusterPki } from '../../src/pki/cluster-pki.ts';
import type { IssuedCertificate } from '../../src/pki/issued-certificate.ts';
import { testAuthority } from '../../src/pki/testing/test-peers.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { ApiClient, refusal } from './support/api-client.ts';
import { answersIn, RawConnection } from './support/raw-connection.ts';
import { startTarget, type Target } from './support/target.ts';

let target: Target;
let token: string;

before(async () => {
  target = await startTarget();
  await target.cluster.ok(['create', 'serviceaccount', 'robot']);
  token = (await target.cluster.ok(['create', 'token', 'robot'])).trim();
});
after(() => target?.close());

const UNAUTHORIZED = { code: 401, reason: 'Unauthorized', message: 'Unauthorized' };
const masters = { user: 'mallory', groups: ['system:masters'] };

/** Nothing is told to it, not even what everybody is told. */
async function refusedEverywhere(client: ApiClient): Promise<void> {
  for (const path of [
    '/api/v1/namespaces/kube-system/secrets',
    '/api',
    '/version',
    '/livez',
    '/readyz?verbose',
    '/metrics',
  ]) {
    assert.deepEqual(refusal(await client.send(path)), UNAUTHORIZED, path);
  }
  const body = { metadata: { name: 'stolen' } };
  assert.deepEqual(refusal(await client.send('/api/v1/namespaces/default/configmaps', { body })), UNAUTHORIZED);
  client.close();
}

describe('a client certificate', () => {
  const pem = async (file: string) => readFile(join(target.cluster.dataDirectory, 'pki', file), 'utf8');
  const shown = ({ certificatePem, privateKeyPem }: IssuedCertificate) => ({
    cert: certificatePem,
    key: privateKeyPem.reveal(),
  });
  const attacks: readonly [name: string, show: () => Promise<ConnectionOptions>][] = [
    ['of a CA of that name', async () => shown(testAuthority('causeway-cluster-ca').issueClient(masters))],
    [
      'that signs itself',
      async () => {
        const own = testAuthority('kubernetes-admin').issueClient(masters);
        return shown(own);
      },
    ],
    [
      'that has expired',
      async () => {
        const clock = { now: () => Date.now() - 4 * 60_000 };
        const past = await ClusterPki.open(join(target.cluster.dataDirectory, 'pki'), { clock });
        return shown(past.issueClient({ ...masters, days: 1 / 1440 }));
      },
    ],
    [
      "of the CA of the apiserver's certificate towards kubelets",
      async () => shown(target.pki.issueKubeletClient(masters)),
    ],
    ['of the front proxy’s CA', async () => shown(target.pki.issueFrontProxyClient(masters))],
    [
      'that is for servers',
      async () =>
        shown(
          target.pki.issueServing({
            commonName: 'admin',
            organizations: ['system:masters'],
            dnsNames: [],
            ipAddresses: [],
          }),
        ),
    ],
    ['that is the CA itself', async () => ({ cert: await pem('ca.crt'), key: await pem('ca.key') })],
    ['without a name', async () => shown(target.pki.issueClient({ user: '', groups: ['system:masters'] }))],
  ];
  for (const [name, show] of attacks) {
    it(`${name} is refused, and makes nobody anonymous`, async () => {
      await refusedEverywhere(new ApiClient(target.port, { ...target.tls(), ...(await show()) }));
    });
  }

  it('is refused together with a token that is wrong, however good it is', async () => {
    const tls = target.tls(target.pki.issueClient(masters));
    await refusedEverywhere(new ApiClient(target.port, tls, { authorization: 'Bearer wrong' }));
  });

  it('that is wrong is refused together with a good token', async () => {
    const tls = { ...target.tls(), ...shown(testAuthority('x').issueClient(masters)) };
    await refusedEverywhere(new ApiClient(target.port, tls, { authorization: `Bearer ${token}` }));
  });

  it('that is refused shows in the evidence', async () => {
    const paths = await target.cluster.json<{
      items: { spec: { path: string }; status: { lastFailure?: { reason: string } } }[];
    }>(['get', 'communicationpaths']);
    const reasons = paths.items.map((p) => p.status.lastFailure?.reason ?? '').filter((r) => r !== '');
    assert.ok(
      reasons.some((r) => /^credentials refused: /.test(r)),
      JSON.stringify(reasons),
    );
  });

  it('of nobody makes kubectl say so', async () => {
    const said = await target.cluster
      .refused(['get', 'pods', '--client-certificate=', '--client-key=', '--token=wrong'], {
        env: { KUBECONFIG: '/dev/null' },
      })
      .catch(String);
    assert.ok(said.length > 0);
    const server = [
      `--server=${target.cluster.url}`,
      `--certificate-authority=${target.cluster.dataDirectory}/pki/ca.crt`,
    ];
    assert.equal(
      await target.cluster.refused(['get', 'pods', ...server, '--token=wrong'], { env: { KUBECONFIG: '/dev/null' } }),
      'error: You must be logged in to the server (Unauthorized)',
    );
  });
});

const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a token', () => {
  const parts = (): [string, Record<string, unknown>, string] => {
    const [header = '', claims = '', signature = ''] = token.split('.');
    return [header, JSON.parse(Buffer.from(claims, 'base64url').toString()), signature];
  };
  const header = (): Record<string, unknown> => JSON.parse(Buffer.from(parts()[0], 'base64url').toString());
  const signed = (
    head: object,
    claims: object,
    key = target.pki.serviceAccountKeys.signingKey().privateKey,
  ): string => {
    const text = `${b64(head)}.${b64(claims)}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };
  const now = () => Math.floor(Date.now() / 1000);

  it('that is whole is accepted: the attacks below differ in one thing each', async () => {
    for (const good of [token, signed(header(), parts()[1])]) {
      const answer = await target.client({ token: good }).send('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      });
      assert.equal(answer.json.status?.userInfo?.username, 'system:serviceaccount:default:robot', answer.text);
    }
  });

  const attacks: readonly [name: string, make: () => string][] = [
    ['of random letters', () => 'not-a-token'],
    [
      'that has expired',
      () => signed(header(), { ...parts()[1], iat: now() - 7200, nbf: now() - 7200, exp: now() - 3600 }),
    ],
    ['that is not valid yet', () => signed(header(), { ...parts()[1], nbf: now() + 3600, exp: now() + 7200 })],
    ['without an end', () => signed(header(), { ...parts()[1], exp: undefined })],
    ['without a signature', () => `${b64({ alg: 'none', typ: 'JWT' })}.${b64(parts()[1])}.`],
    [
      'whose header says alg none, with the old signature',
      () => `${b64({ ...header(), alg: 'none' })}.${b64(parts()[1])}.${parts()[2]}`,
    ],
    [
      'signed by HMAC with the public key as its secret',
      () => {
        const jwk = target.pki.serviceAccountKeys.jwks().keys[0];
        const text = `${b64({ ...header(), alg: 'HS256' })}.${b64(parts()[1])}`;
        return `${text}.${createHmac('sha256', JSON.stringify(jwk)).update(text).digest('base64url')}`;
      },
    ],
    [
      "signed with another cluster's key of the same name",
      () => signed(header(), parts()[1], generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    ],
    [
      'that brings its own key along',
      () => {
        const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        return signed(
          { ...header(), jwk: publicKey.export({ format: 'jwk' }), kid: undefined },
          parts()[1],
          privateKey,
        );
      },
    ],
    [
      'whose subject was changed',
      () => `${parts()[0]}.${b64({ ...parts()[1], sub: 'system:serviceaccount:kube-system:root' })}.${parts()[2]}`,
    ],
    ['for another audience', () => signed(header(), { ...parts()[1], aud: ['https://vault.example'] })],
    ['of another issuer', () => signed(header(), { ...parts()[1], iss: 'https://elsewhere' })],
    [
      'of an account that there is not',
      () => {
        const claims = parts()[1];
        const bound = claims['kubernetes.io'] as Record<string, unknown>;
        return signed(header(), {
          ...claims,
          sub: 'system:serviceaccount:default:nobody',
          'kubernetes.io': { ...bound, serviceaccount: { name: 'nobody', uid: 'x' } },
        });
      },
    ],
    ['with a signature of no length', () => `${parts()[0]}.${b64(parts()[1])}.`],
    ['that is longer than a token may be', () => `${token}${'A'.repeat(20_000)}`],
  ];
  for (const [name, make] of attacks) {
    it(`${name} is refused`, async () => {
      await refusedEverywhere(new ApiClient(target.port, target.tls(), { authorization: `Bearer ${make()}` }));
    });
  }

  it('is refused in any other scheme, and when there are two', async () => {
    const basic = Buffer.from('admin:admin').toString('base64');
    for (const authorization of [
      `Basic ${basic}`,
      `Token ${token}`,
      token,
      'Bearer',
      'Bearer ',
      `Bearer ${token} x`,
      `Negotiate ${token}`,
    ]) {
      await refusedEverywhere(new ApiClient(target.port, target.tls(), { authorization }));
    }
    for (const pair of [
      [`Bearer ${token}`, 'Bearer wrong'],
      ['Bearer wrong', `Bearer ${token}`],
      [`Bearer ${token}`, `Bearer ${token}`],
    ]) {
      const lines = pair.map((value) => `Authorization: ${value}\r\n`).join('');
      const client = await RawConnection.tls(target.port, target.tls());
      client.write(`GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines}\r\n`);
      const [answer] = answersIn(await client.closed());
      assert.equal(answer?.status, 401, pair.join());
    }
  });

  it('dies with its service account, and with the pod that it is bound to', async () => {
    await target.cluster.ok(['create', 'serviceaccount', 'shortlived']);
    await target.cluster.create(shellPod('holder', WAIT));
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/holder', '--timeout=20s']);
    const ofAccount = (await target.cluster.ok(['create', 'token', 'shortlived'])).trim();
    const ofPod = (
      await target.cluster.ok(['exec', 'holder', '--', 'cat', '/var/run/secrets/kubernetes.io/serviceaccount/token'])
    ).trim();
    const path = '/api/v1/namespaces/default/pods';
    assert.equal((await target.client({ token: ofAccount }).send(path)).status, 403);
    assert.equal((await target.client({ token: ofPod }).send(path)).status, 403);
    await target.cluster.ok(['delete', 'serviceaccount', 'shortlived']);
    await target.cluster.ok(['delete', 'pod', 'holder', '--grace-period=0', '--force']);
    assert.deepEqual(refusal(await target.client({ token: ofAccount }).send(path)), UNAUTHORIZED);
    assert.deepEqual(refusal(await target.client({ token: ofPod }).send(path)), UNAUTHORIZED);
    // One of the same name that comes later is another.
    await target.cluster.ok(['create', 'serviceaccount', 'shortlived']);
    assert.deepEqual(refusal(await target.client({ token: ofAccount }).send(path)), UNAUTHORIZED);
  });
});

describe('nobody', () => {
  it('is told of health and version, and nothing that matters', async () => {
    const nobody = target.client(undefined);
    for (const path of ['/livez', '/readyz', '/healthz']) assert.equal((await nobody.send(path)).text, 'ok', path);
    assert.equal((await nobody.send('/version')).json.major, '1');
    const verbose = (await nobody.send('/readyz?verbose')).text;
    assert.ok(!/error|\/tmp|127\.0\.0\.1/.test(verbose), verbose);
  });

  it('is refused everything else, however it is spelt', async () => {
    const nobody = target.client(undefined);
    const paths = [
      '/',
      '/api',
      '/apis',
      '/api/v1/nodes',
      '/api/v1/namespaces/default/pods/x/exec?command=id',
      '/metrics',
      '/openapi/v2',
      '/openapi/v3',
      '/openid/v1/jwks',
      '/.well-known/openid-configuration',
      '/livez/ping',
      '/readyz/etcd',
      '/version/',
      '/versions',
      '/LIVEZ',
      '/debug/pprof/',
      '/logs',
      '/apis/paths.causeway.dev/v1/communicationpaths',
    ];
    for (const path of paths) assert.deepEqual(refusal(await nobody.send(path)), UNAUTHORIZED, path);
    for (const path of [
      '/livez/../api/v1/secrets',
      '/version/%2e%2e/api',
      '/livez/%2e%2e%2fapi',
      '//livez',
      '/livez//',
    ]) {
      const answer = await nobody.send(path);
      assert.ok(answer.status === 400 || answer.status === 401, `${path}: ${answer.status} ${answer.text}`);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
      const answer = await nobody.send('/version', { method });
      assert.ok([401, 403, 405].includes(answer.status), `${method}: ${answer.status}`);
    }
  });

  it('cannot become somebody by headers', async () => {
    const nobody = target.client(undefined);
    const claims = {
      'x-remote-user': 'admin',
      'x-remote-group': 'system:masters',
      'x-remote-extra-a': 'b',
      'x-forwarded-client-cert': 'x',
      'x-ssl-client-verify': 'SUCCESS',
    };
    assert.deepEqual(refusal(await nobody.send('/api/v1/secrets', { headers: claims })), UNAUTHORIZED);
    const impersonating = await nobody.send('/version', {
      headers: { 'impersonate-user': 'admin', 'impersonate-group': 'system:masters' },
    });
    assert.equal(refusal(impersonating).code, 403);
  });
});
