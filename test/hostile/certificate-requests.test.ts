import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ecKey, pemOf, requestDer, requestPem, rsaKey, type TestRequest } from '../../src/pki/testing/test-requests.ts';
import { type ApiAnswer, type ApiClient, refusal } from './support/api-client.ts';
import { startTarget, type Target } from './support/target.ts';

/** Somebody who may ask for a certificate asks for one that he must not have. */

let target: Target;
/** The machine of the node `evil` is the attacker's. */
let node: ApiClient;
/** Has a bootstrap token, and has not used it. */
let joining: ApiClient;
/** May do everything with certificate requests that RBAC can give, but approve and sign for no signer. */
let clerk: ApiClient;

const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const CLIENT = 'kubernetes.io/kube-apiserver-client';
const KUBELET_CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet';
const KUBELET_SERVING = 'kubernetes.io/kubelet-serving';
const USAGES: Readonly<Record<string, readonly string[]>> = {
  [CLIENT]: ['client auth'],
  [KUBELET_CLIENT]: ['digital signature', 'client auth'],
  [KUBELET_SERVING]: ['digital signature', 'server auth'],
};

async function token(id: string, data: Readonly<Record<string, string>> = {}): Promise<ApiClient> {
  const stringData = {
    'token-id': id,
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    ...data,
  };
  const metadata = { name: `bootstrap-token-${id}`, namespace: 'kube-system' };
  await target.cluster.create({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata,
    type: 'bootstrap.kubernetes.io/token',
    stringData,
  });
  return target.client({ token: `${id}.0123456789abcdef` });
}

before(async () => {
  target = await startTarget();
  const made = await target.admin.send('/api/v1/nodes', { body: { metadata: { name: 'evil' } } });
  node = target.client({ user: 'system:node:evil', groups: ['system:nodes'], uid: made.json.metadata.uid });
  joining = await token('attack');
  clerk = target.client({ user: 'clerk', groups: [] });
  await target.cluster.create(
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'clerk' },
      rules: [
        {
          apiGroups: ['certificates.k8s.io'],
          resources: [
            'certificatesigningrequests',
            'certificatesigningrequests/approval',
            'certificatesigningrequests/status',
          ],
          verbs: ['*'],
        },
        {
          apiGroups: ['certificates.k8s.io'],
          resources: ['signers'],
          resourceNames: ['example.com/*'],
          verbs: ['approve', 'sign'],
        },
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'clerk' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'clerk' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'clerk' }],
    },
  );
});

after(() => target?.close());

interface Asked extends TestRequest {
  readonly usages?: readonly string[];
  readonly pem?: string;
  readonly spec?: object;
}

let count = 0;

function send(who: ApiClient, signerName: string, asked: Asked): Promise<ApiAnswer> {
  const { usages = USAGES[signerName], pem = requestPem(asked), spec = {} } = asked;
  const request = Buffer.from(pem).toString('base64');
  return who.send(CSRS, {
    body: { metadata: { name: `attack-${++count}` }, spec: { request, signerName, usages, ...spec } },
  });
}

const sameNode = (name: string, more: TestRequest = {}): TestRequest => ({
  commonName: `system:node:${name}`,
  organizations: ['system:nodes'],
  ...more,
});
const evil = (more: TestRequest = {}): TestRequest => sameNode('evil', more);
const serving = (dnsNames: readonly string[], ipAddresses: readonly string[] = []): TestRequest =>
  evil({ dnsNames, ipAddresses });

interface Status {
  readonly conditions?: readonly { readonly type: string; readonly reason: string; readonly message: string }[];
  readonly certificate?: string;
}

async function statusOf(name: string): Promise<Status> {
  return (await target.admin.send(`${CSRS}/${name}`)).json.status;
}

/** The request is stored, and ends as `Denied` (by the approver) or `Failed` (by the signer) without a certificate. */
async function refused(answer: ApiAnswer, type: 'Denied' | 'Failed', reason: string, why: RegExp): Promise<void> {
  assert.equal(answer.status, 201, answer.text);
  const { name } = answer.json.metadata;
  const condition = await target.cluster.until(`${name} to be judged`, async () => {
    const status = await statusOf(name);
    assert.equal(status.certificate, undefined, `${name} got a certificate`);
    return status.conditions?.find((one) => one.type === type);
  });
  assert.equal(condition.reason, reason);
  assert.match(condition.message, why);
  // Neither afterwards.
  assert.equal((await statusOf(name)).certificate, undefined);
}

async function approve(who: ApiClient, answer: ApiAnswer, type = 'Approved'): Promise<ApiAnswer> {
  const { name } = answer.json.metadata;
  const object = (await target.admin.send(`${CSRS}/${name}`)).json;
  const condition = { type, status: 'True', reason: 'x', message: 'x' };
  const conditions = [...(object.status.conditions ?? []), condition];
  return who.send(`${CSRS}/${name}/approval`, {
    method: 'PUT',
    body: { ...object, status: { ...object.status, conditions } },
  });
}

const forbidden = (answer: ApiAnswer, message: RegExp): void => {
  const { code, message: said } = refusal(answer);
  assert.equal(code, 403, said);
  assert.match(said, message);
};

describe('a node', () => {
  it('gets no certificate of another one', async () => {
    for (const name of [target.nodeName, 'nobody-has-this-name']) {
      await refused(
        await send(node, KUBELET_CLIENT, sameNode(name)),
        'Denied',
        'NotThisNode',
        /gets no certificate of node/,
      );
      const other = await send(node, KUBELET_SERVING, sameNode(name, { dnsNames: [name] }));
      await refused(other, 'Denied', 'NotThisNode', /gets no certificate of node/);
    }
    assert.equal((await target.admin.send('/api/v1/nodes/nobody-has-this-name')).status, 404);
  });

  it('gets into no other group, and is nobody else', async () => {
    for (const organizations of [
      ['system:nodes', 'system:masters'],
      ['system:masters'],
      ['system:nodes', 'system:nodes'],
      [],
    ]) {
      const answer = await send(node, KUBELET_CLIENT, evil({ organizations }));
      await refused(answer, 'Denied', 'RequestRefused', /organization is not system:nodes/);
    }
    const admin = await send(node, KUBELET_CLIENT, { commonName: 'admin', organizations: ['system:nodes'] });
    await refused(admin, 'Denied', 'RequestRefused', /does not begin with system:node:/);
    const twice = await send(node, KUBELET_CLIENT, evil({ more: [['2.5.4.3', 'system:node:other']] }));
    assert.match(refusal(twice).message, /more than one common name/);
    const uid = await send(node, KUBELET_CLIENT, evil({ more: [['1.3.6.1.4.1.57683.2', target.nodeUid]] }));
    await refused(uid, 'Denied', 'RequestRefused', /the subject names a UID/);
  });

  it('gets no names in its client certificate', async () => {
    for (const names of [
      { dnsNames: ['evil'] },
      { ipAddresses: ['192.0.2.1'] },
      { uris: ['spiffe://x'] },
      { emails: ['a@b'] },
    ]) {
      const answer = await send(node, KUBELET_CLIENT, evil(names));
      await refused(answer, 'Denied', 'RequestRefused', /subjectAltNames are not allowed/);
    }
  });

  it('gets no name or address of others in its serving certificate', async () => {
    const own = [
      'localhost',
      'kubernetes',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
      'web.shop.svc',
    ];
    for (const name of own) {
      const answer = await send(node, KUBELET_SERVING, serving(['evil', name]));
      await refused(answer, 'Denied', 'RequestRefused', /is one of the control plane's or of services/);
    }
    for (const name of [target.nodeName, 'evil.example.com']) {
      const answer = await send(node, KUBELET_SERVING, serving(['evil', name]));
      await refused(answer, 'Denied', 'NameNotVerified', /is not the name of node evil/);
    }
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.96.0.1']) {
      const answer = await send(node, KUBELET_SERVING, serving(['evil'], [address]));
      await refused(answer, 'Denied', 'RequestRefused', /is one of the control plane's or of services/);
    }
    const address = await send(node, KUBELET_SERVING, serving(['evil'], ['192.0.2.1']));
    await refused(
      address,
      'Denied',
      'NameNotVerified',
      /the address 192\.0\.2\.1 is not the one that the apiserver sees/,
    );
    const uri = await send(
      node,
      KUBELET_SERVING,
      evil({ dnsNames: ['evil'], uris: [`causeway:node-uid:${target.nodeUid}`] }),
    );
    await refused(uri, 'Denied', 'RequestRefused', /URI subjectAltNames are not allowed/);
    const wildcard = await send(node, KUBELET_SERVING, serving(['evil', '*.example.com']));
    await refused(wildcard, 'Denied', 'RequestRefused', /is not a DNS name/);
  });

  it('does not say where it is seen', async () => {
    const extra = { 'causeway.dev/remote-address': ['192.0.2.1'] };
    const body = await send(node, KUBELET_SERVING, { ...serving(['evil'], ['192.0.2.1']), spec: { extra } });
    assert.equal(body.json.spec.extra['causeway.dev/remote-address'], undefined);
    await refused(body, 'Denied', 'NameNotVerified', /192\.0\.2\.1 is not the one/);
    const pretended = await target.admin.send(CSRS, {
      headers: {
        'impersonate-user': 'system:node:evil',
        'impersonate-group': 'system:nodes',
        'impersonate-extra-causeway.dev%2fremote-address': '192.0.2.1',
      },
      body: {},
    });
    assert.deepEqual(
      [refusal(pretended).code, refusal(pretended).message],
      [400, 'causeway.dev/remote-address is what the apiserver sees: nobody can impersonate it'],
    );
  });

  it('gets no certificate for two uses, nor for the other one', async () => {
    const both = ['digital signature', 'client auth', 'server auth'];
    for (const usages of [both, USAGES[KUBELET_SERVING] ?? []]) {
      const answer = await send(node, KUBELET_CLIENT, { ...evil(), usages });
      await refused(answer, 'Denied', 'RequestRefused', /the usage "(server|client) auth" is (not allowed|required)/);
    }
    for (const usages of [both, USAGES[KUBELET_CLIENT] ?? []]) {
      const answer = await send(node, KUBELET_SERVING, { ...serving(['evil']), usages });
      await refused(answer, 'Denied', 'RequestRefused', /the usage "(server|client) auth" is (not allowed|required)/);
    }
    const authority = await send(node, KUBELET_CLIENT, evil({ wantsAuthority: true }));
    await refused(authority, 'Denied', 'RequestRefused', /a certificate authority is not given by request/);
  });

  it('gets no certificate for a weak key', async () => {
    for (const key of [rsaKey(1024), ecKey('secp224r1')]) {
      await refused(
        await send(node, KUBELET_CLIENT, evil({ key })),
        'Denied',
        'RequestRefused',
        /is too weak|is not allowed/,
      );
    }
  });

  it('becomes no user, even when an admin approves it', async () => {
    const answer = await send(node, CLIENT, { commonName: 'jane', organizations: ['devs'] });
    assert.equal((await approve(target.admin, answer)).status, 200);
    await refused(answer, 'Failed', 'SignerValidationFailure', /get certificates of nodes only/);
  });

  it('approves, signs and changes nothing', async () => {
    const answer = await send(node, CLIENT, { commonName: 'jane' });
    const { name } = answer.json.metadata;
    const status = { certificate: Buffer.from('x').toString('base64') };
    forbidden(await approve(node, answer), /cannot update resource "certificatesigningrequests\/approval"/);
    const signing = await node.send(`${CSRS}/${name}/status`, { method: 'PUT', body: { ...answer.json, status } });
    forbidden(signing, /cannot update resource "certificatesigningrequests\/status"/);
    forbidden(await node.send(`${CSRS}/${name}`, { method: 'PUT', body: answer.json }), /cannot update resource/);
    forbidden(await node.send(`${CSRS}/${name}`, { method: 'DELETE' }), /cannot delete resource/);
  });
});

describe('who has a bootstrap token', () => {
  it('gets no name that is taken, or means somebody else', async () => {
    for (const name of [target.nodeName, 'evil']) {
      await refused(
        await send(joining, KUBELET_CLIENT, sameNode(name)),
        'Denied',
        'NodeNameTaken',
        /is taken: delete that node/,
      );
    }
    for (const name of [
      'kubernetes',
      'localhost',
      'kubernetes.default.svc',
      'web.shop.svc',
      '10.96.0.1',
      '127.0.0.1',
    ]) {
      await refused(
        await send(joining, KUBELET_CLIENT, sameNode(name)),
        'Denied',
        'RequestRefused',
        /a node cannot be called/,
      );
    }
  });

  it('gets nothing but the client certificate of a node', async () => {
    for (const [signer, request] of [
      [CLIENT, { commonName: 'jane' }],
      [KUBELET_SERVING, sameNode('joins', { dnsNames: ['joins'] })],
      ['example.com/signer', { commonName: 'jane', usages: ['client auth'] }],
    ] as const) {
      forbidden(
        await send(joining, signer, request),
        /a bootstrap token may only create certificate signing requests for the signer/,
      );
    }
    const groups = await send(
      joining,
      KUBELET_CLIENT,
      sameNode('joins', { organizations: ['system:nodes', 'system:masters'] }),
    );
    await refused(groups, 'Denied', 'RequestRefused', /organization is not system:nodes/);
  });

  it('joins once, and what it sent then is good for nothing more', async () => {
    const pem = requestPem(sameNode('joins-once'));
    const first = await send(joining, KUBELET_CLIENT, { pem });
    const { name } = first.json.metadata;
    await target.cluster.until('the certificate', async () => (await statusOf(name)).certificate);
    forbidden(await approve(joining, first, 'Denied'), /cannot update resource "certificatesigningrequests\/approval"/);
    // The Node is there.
    await refused(await send(joining, KUBELET_CLIENT, { pem }), 'Denied', 'NodeNameTaken', /is taken/);
    // The Node is gone, and the request under its old name: it is another request.
    assert.equal((await target.admin.send('/api/v1/nodes/joins-once', { method: 'DELETE' })).status, 200);
    assert.equal((await target.admin.send(`${CSRS}/${name}`, { method: 'DELETE' })).status, 200);
    const again = await joining.send(CSRS, { body: { metadata: { name }, spec: first.json.spec } });
    await refused(again, 'Denied', 'TokenRefused', /token attack was used before/);
    // Another machine's request, sent by the node.
    await refused(
      await send(node, KUBELET_CLIENT, { pem }),
      'Denied',
      'NotThisNode',
      /gets no certificate of node joins-once/,
    );
    assert.equal((await target.admin.send('/api/v1/nodes/joins-once')).status, 404);
  });
});

describe('who may handle requests, for no signer of the cluster', () => {
  it('approves and signs for his own signers alone', async () => {
    const person = await send(clerk, CLIENT, { commonName: 'clerk-2' });
    forbidden(
      await approve(clerk, person),
      /user not permitted to approve requests with signerName "kubernetes.io\/kube-apiserver-client"/,
    );
    forbidden(await approve(clerk, person, 'Denied'), /user not permitted to approve/);
    const status = { certificate: Buffer.from(target.pki.clusterCa.certificatePem).toString('base64') };
    const { name } = person.json.metadata;
    const signing = await clerk.send(`${CSRS}/${name}/status`, { method: 'PUT', body: { ...person.json, status } });
    forbidden(signing, /user not permitted to sign requests with signerName "kubernetes.io\/kube-apiserver-client"/);
    const own = await send(clerk, 'example.com/signer', { commonName: 'x', usages: ['client auth'] });
    assert.equal((await approve(clerk, own)).status, 200);
  });

  it('does not change what was approved, nor by what it is approved', async () => {
    const own = await send(clerk, 'example.com/signer', { commonName: 'x', usages: ['client auth'] });
    const approved = (await approve(clerk, own)).json;
    const { name } = approved.metadata;
    const changed = {
      ...approved.spec,
      signerName: CLIENT,
      request: Buffer.from(requestPem({ commonName: 'y' })).toString('base64'),
      username: 'kubernetes-admin',
      groups: ['system:masters'],
    };
    for (const path of ['', '/approval', '/status']) {
      const answer = await clerk.send(`${CSRS}/${name}${path}`, {
        method: 'PUT',
        body: { ...approved, spec: changed },
      });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(answer.json.spec, approved.spec);
    }
    // By the object itself, and by its creation, nothing is approved.
    const person = await send(clerk, CLIENT, { commonName: 'clerk-2' });
    const conditions = [{ type: 'Approved', status: 'True', reason: 'AutoApproved' }];
    const path = `${CSRS}/${person.json.metadata.name}`;
    const put = await clerk.send(path, { method: 'PUT', body: { ...person.json, status: { conditions } } });
    assert.deepEqual(put.json.status, {});
    const made = await clerk.send(CSRS, {
      body: { metadata: { name: 'born-approved' }, spec: person.json.spec, status: { conditions } },
    });
    assert.deepEqual(made.json.status, {});
    assert.deepEqual([made.json.spec.username, made.json.spec.groups], ['clerk', ['system:authenticated']]);
    const byStatus = await clerk.send(`${path}/status`, {
      method: 'PUT',
      body: { ...person.json, status: { conditions } },
    });
    assert.match(refusal(byStatus).message, /updates may not add a condition of type "Approved"/);
  });

  it('stores nothing that is not a proven request', async () => {
    const der = requestDer({ commonName: 'x' });
    const broken = Buffer.from(der);
    broken[broken.length - 3] = (broken.at(-3) ?? 0) ^ 1;
    for (const pem of [
      '',
      'x',
      pemOf(der, 'CERTIFICATE'),
      pemOf(der.subarray(0, -1)),
      pemOf(broken),
      pemOf(der) + pemOf(der),
      pemOf(Buffer.concat([der, Buffer.alloc(64 * 1024)])),
      pemOf(Buffer.alloc(4096, 0x30)),
      requestPem({ commonName: 'x', signer: ecKey().privateKey }),
      `-----BEGIN CERTIFICATE REQUEST-----${' '.repeat(30_000)}`,
    ]) {
      const { code, reason, message } = refusal(await send(clerk, CLIENT, { pem }));
      assert.deepEqual([code, reason], [422, 'Invalid'], message);
      assert.match(message, /spec\.request: /);
    }
  });

  it('gets nobody into system:masters', async () => {
    forbidden(
      await send(clerk, CLIENT, { commonName: 'x', organizations: ['system:masters'] }),
      /use of kubernetes\.io\/kube-apiserver-client signer with system:masters group is not allowed/,
    );
  });
});

it('afterwards an honest node still joins', async () => {
  const honest = await send(await token('honest'), KUBELET_CLIENT, sameNode('honest'));
  await target.cluster.until('its certificate', async () => (await statusOf(honest.json.metadata.name)).certificate);
  await target.alive();
});
