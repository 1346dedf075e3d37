import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { KUBELET_CLIENT_SIGNER } from '../../src/api/certificates/signers.ts';
import type { CertificateSigningRequest } from '../../src/api/generated/types.ts';
import { run } from '../support/run.ts';
import type { ApiAnswer, ApiClient } from './support/api-client.ts';
import { openWatch } from './support/open-watch.ts';
import { startTarget, type Target } from './support/target.ts';

/** Who has a bootstrap token, and wants more than one node's certificate. */
let target: Target;
let folder: string;

before(async () => {
  [target, folder] = await Promise.all([startTarget(), mkdtemp(join(tmpdir(), 'causeway-bootstrap-'))]);
});
after(async () => {
  await target?.close();
  await rm(folder, { recursive: true, force: true });
});

const SECRETS = '/api/v1/namespaces/kube-system/secrets';
const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';

const UNAUTHORIZED = { status: 401, message: 'Unauthorized' };

let made = 0;

/** Makes a token's Secret, good for ten minutes; answers the whole token. */
async function createToken(data: Readonly<Record<string, string>> = {}): Promise<string> {
  const id = `atk${String(++made).padStart(3, '0')}`;
  const secret = '0123456789abcdef';
  const answer = await target.admin.send(SECRETS, {
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `bootstrap-token-${id}` },
      type: 'bootstrap.kubernetes.io/token',
      stringData: {
        'token-id': id,
        'token-secret': secret,
        'usage-bootstrap-authentication': 'true',
        expiration: new Date(Date.now() + 600_000).toISOString(),
        ...data,
      },
    },
  });
  assert.equal(answer.status, 201, answer.text);
  return `${id}.${secret}`;
}

const with_ = (token: string): ApiClient => target.client({ token });
const said = ({ status, json }: ApiAnswer) => ({ status, message: json?.message as string });

/** A PKCS#10 request, by openssl, as base64 of its PEM. */
async function certificateRequest(subject: string): Promise<string> {
  const key = join(folder, 'key');
  const args = ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key];
  const { code, stdout, stderr } = await run('openssl', [...args, '-subj', subject]);
  assert.equal(code, 0, stderr);
  return Buffer.from(stdout).toString('base64');
}

function csr(name: string, pkcs10: string, over: object = {}) {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: { signerName: KUBELET_CLIENT_SIGNER, request: pkcs10, usages: ['digital signature', 'client auth'], ...over },
  };
}

async function decided(name: string): Promise<CertificateSigningRequest> {
  return target.cluster.until(`${name} to be decided`, async () => {
    const found = (await target.admin.send(`${CSRS}/${name}`)).json as CertificateSigningRequest;
    const isDenied = found.status?.conditions?.some(({ type }) => type === 'Denied' || type === 'Failed') === true;
    return isDenied || found.status?.certificate !== undefined ? found : undefined;
  });
}

const types = (found: CertificateSigningRequest): string[] => (found.status?.conditions ?? []).map(({ type }) => type);
const messages = (found: CertificateSigningRequest): string =>
  (found.status?.conditions ?? []).map(({ message }) => message).join();

describe('guessing', () => {
  it('gets one answer, whatever part was wrong', async () => {
    const [good, expired, noUse, masters] = await Promise.all([
      createToken(),
      createToken({ expiration: '2020-01-01T00:00:00Z' }),
      createToken({ 'usage-bootstrap-authentication': 'false' }),
      createToken({ 'auth-extra-groups': 'system:masters' }),
    ]);
    const answers = await Promise.all(
      [`${good.slice(0, -1)}x`, 'nosuch.0123456789abcdef', expired, noUse, masters, good.slice(0, -1), `${good}0`].map(
        async (token) => {
          const { status, text, headers } = await with_(token).send('/api/v1/nodes');
          return { status, text, length: headers['content-length'], challenge: headers['www-authenticate'] };
        },
      ),
    );
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
    assert.equal(answers[0]?.status, 401);
    assert.equal((await with_(good).send(CSRS)).status, 200);
  });

  it('takes as long for a token that exists', async () => {
    const good = await createToken();
    const ways = [`${good.slice(0, -1)}x`, `x${good.slice(1, -1)}x`].map((token) => ({
      client: with_(token),
      took: [] as number[],
    }));
    for (let round = 0; round < 200; round++) {
      for (const { client, took } of ways) {
        const started = performance.now();
        await client.send('/api/v1/nodes');
        took.push(performance.now() - started);
      }
    }
    const [exists = 0, missing = 0] = ways.map(({ took }) => took.sort((a, b) => a - b)[took.length >> 1]);
    assert.ok(exists / missing > 0.6 && exists / missing < 1.6, `${exists.toFixed(2)} ms, ${missing.toFixed(2)} ms`);
  });
});

describe('a bootstrap token', () => {
  it('reads nothing but certificate signing requests', async () => {
    const client = with_(await createToken());
    for (const path of [
      SECRETS,
      `${SECRETS}/bootstrap-token-atk001`,
      '/api/v1/nodes',
      `/api/v1/nodes/${target.nodeName}`,
      '/api/v1/pods',
      '/api/v1/namespaces/kube-system/configmaps',
      '/api/v1/namespaces/kube-public/configmaps/causeway-trust',
      `/api/v1/nodes/${target.nodeName}/proxy/pods`,
      '/apis/rbac.authorization.k8s.io/v1/clusterroles',
      '/apis/paths.causeway.dev/v1/communicationpaths',
      '/metrics',
    ]) {
      assert.equal((await client.send(path)).status, 403, path);
    }
  });

  it('writes nothing but requests for a client certificate of a node, whatever roles it was given', async () => {
    const token = await createToken();
    const user = `system:bootstrap:${token.slice(0, 6)}`;
    await target.cluster.ok([
      'create',
      'clusterrolebinding',
      'careless',
      '--clusterrole=cluster-admin',
      `--user=${user}`,
    ]);
    const client = with_(token);
    await target.cluster.until('the role to count', async () => (await client.send(SECRETS)).status === 200);
    const pkcs10 = await certificateRequest('/O=system:nodes/CN=system:node:x');
    const only = `a bootstrap token may only create certificate signing requests for the signer ${KUBELET_CLIENT_SIGNER}`;
    const rbac = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';
    const attempts: readonly [path: string, body: object][] = [
      [CSRS, csr('other', pkcs10, { signerName: 'kubernetes.io/kube-apiserver-client' })],
      [
        CSRS,
        csr('other', pkcs10, {
          signerName: 'kubernetes.io/kubelet-serving',
          usages: ['digital signature', 'server auth'],
        }),
      ],
      [CSRS, csr('other', pkcs10, { signerName: 'example.com/any' })],
      ['/api/v1/namespaces/default/configmaps', { metadata: { name: 'x' } }],
      ['/api/v1/nodes', { metadata: { name: 'x' } }],
      [SECRETS, { metadata: { name: 'x' } }],
      ['/api/v1/namespaces/default/serviceaccounts/default/token', { spec: { audiences: [] } }],
      [
        rbac,
        {
          metadata: { name: 'x' },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
        },
      ],
      ['/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 'x' } }],
    ];
    for (const [path, body] of attempts) {
      const answer = await client.send(path, { body });
      assert.equal(answer.status, 403, `${path}: ${answer.text}`);
      assert.ok((answer.json.message as string).endsWith(only), answer.text);
    }
    const gone = await client.send(`${SECRETS}/bootstrap-token-atk001`, { method: 'DELETE' });
    assert.ok(gone.status === 403 && gone.text.includes(only), gone.text);
    const dryRun = await client.send(`${CSRS}?dryRun=All`, { body: csr('mine', pkcs10) });
    assert.equal(dryRun.status, 201, dryRun.text);
  });

  it('is no other group, and nobody else', async () => {
    const token = await createToken({ 'auth-extra-groups': 'system:bootstrappers:a,system:nodes' });
    assert.deepEqual(said(await with_(token).send(CSRS)), UNAUTHORIZED);
    const good = with_(await createToken());
    for (const headers of [{ 'impersonate-user': 'kubernetes-admin' }, { 'impersonate-user': 'system:node:x' }]) {
      assert.equal((await good.send(CSRS, { headers })).status, 403);
    }
  });

  it('ends with its Secret, and with its time, also where a watch goes on', async () => {
    const change = (stringData: object) => (path: string) =>
      target.admin.send(path, {
        method: 'PATCH',
        headers: { 'content-type': 'application/merge-patch+json' },
        body: { stringData },
      });
    const ends: readonly ((path: string) => Promise<ApiAnswer>)[] = [
      (path) => target.admin.send(path, { method: 'DELETE' }),
      change({ expiration: new Date().toISOString() }),
      change({ 'token-secret': 'fedcba9876543210' }),
      change({ 'usage-bootstrap-authentication': 'false' }),
    ];
    for (const end of ends) {
      const token = await createToken();
      const watch = await openWatch(target, token, CSRS);
      assert.equal((await end(`${SECRETS}/bootstrap-token-${token.slice(0, 6)}`)).status, 200);
      await watch.ended;
      assert.deepEqual(said(await with_(token).send(CSRS)), UNAUTHORIZED);
    }
  });

  it('ends by itself when its time is over, and the watch with it', async () => {
    const at = Date.now() + 5000;
    const token = await createToken({ expiration: new Date(at).toISOString() });
    const watch = await openWatch(target, token, CSRS);
    await watch.ended;
    assert.ok(Date.now() >= at - 10, 'not before');
    assert.deepEqual(said(await with_(token).send(CSRS)), UNAUTHORIZED);
  });

  it('is in no log', async () => {
    const token = await createToken();
    await with_(token).send(CSRS);
    await with_(`${token.slice(0, 7)}fedcba9876543210`).send(CSRS);
    await target.admin.send('/api/v1/nodes?limit=7');
    // It is written a moment later, in order.
    const audit = await target.cluster.until('the audit log', async () => {
      const text = await readFile(join(target.cluster.dataDirectory, 'audit.log'), 'utf8');
      return text.includes('/api/v1/nodes?limit=7') && text;
    });
    assert.ok(audit.includes(`system:bootstrap:${token.slice(0, 6)}`));
    for (const secret of ['0123456789abcdef', 'fedcba9876543210']) {
      assert.ok(!audit.includes(secret) && !target.cluster.output().includes(secret));
    }
  });
});

describe('a used token', () => {
  const node = (name: string): Promise<string> => certificateRequest(`/O=system:nodes/CN=system:node:${name}`);

  it('yields one certificate, however many ask at once', async () => {
    const client = with_(await createToken());
    const names = Array.from({ length: 5 }, (_, i) => `race-${i}`);
    const requests = await Promise.all(names.map(node));
    const sent = await Promise.all(names.map((name, i) => client.send(CSRS, { body: csr(name, requests[i] ?? '') })));
    for (const { status, text } of sent) assert.equal(status, 201, text);
    const all = await Promise.all(names.map(decided));
    const winners = all.filter((one) => one.status?.certificate !== undefined);
    assert.equal(winners.length, 1, all.map((one) => `${types(one)} ${messages(one)}`).join('\n'));
    for (const one of all)
      if (!winners.includes(one)) assert.match(messages(one), /bootstrap token \w+ was used before/);
    assert.equal((await client.send(CSRS, { body: csr('late', await node('late')) })).status, 201);
    assert.match(messages(await decided('late')), /was used before/);
    const nodes = await target.cluster.json<{ items: { metadata: { name: string } }[] }>(['get', 'nodes']);
    const joined = nodes.items.map(({ metadata }) => metadata.name).filter((name) => /^(race|late)/.test(name));
    assert.ok(joined.length <= 1, joined.join());
  });

  it('that is bound to a node yields no other node a certificate', async () => {
    const client = with_(await createToken({ 'node-name': 'bound' }));
    await client.send(CSRS, { body: csr('thief', await node('thief')) });
    const thief = await decided('thief');
    assert.deepEqual([types(thief).includes('Approved'), thief.status?.certificate], [false, undefined]);
    assert.match(messages(thief), /bootstrap token \w+ is for node bound only/);
    await client.send(CSRS, { body: csr('bound', await node('bound')) });
    assert.ok((await decided('bound')).status?.certificate !== undefined);
  });
});
