import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  ALLOWED_ADDRESSES_ANNOTATION,
  CLIENT_SIGNER,
  KUBELET_CLIENT_SIGNER,
  KUBELET_SERVING_SIGNER,
} from '../api/certificates/signers.ts';
import { REMOTE_ADDRESS_EXTRA } from '../api/user-info.ts';
import { CERTIFICATE_SIGNING_REQUESTS, CLUSTER_ROLE_BINDINGS, NODES } from '../client/resources.ts';
import { until } from '../client/testing/test-client.ts';
import { isCode } from '../lib/errors.ts';
import { parseCertificateRequest } from '../pki/certificate-request.ts';
import { verifyKubelet } from '../pki/kubelet-identity.ts';
import { subjectOf } from '../pki/subject.ts';
import { ecKey, requestPem } from '../pki/testing/test-requests.ts';
import { CsrApprover, unverifiedName } from './csr-approver.ts';
import { CsrSigner } from './csr-signer.ts';
import {
  ask,
  bootstrapper,
  clientAs,
  decided,
  joinedNode,
  judgeByHand,
  nodeRequest,
} from './testing/certificate-requests.ts';
import { TestCluster } from './testing/test-cluster.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  await cluster.runControllers(CsrApprover, CsrSigner);
  // What the Node authoriser allows in a whole cluster.
  await cluster.admin.create(CLUSTER_ROLE_BINDINGS, {
    metadata: { name: 'nodes' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:nodes' }],
  });
});

after(async () => {
  await cluster.close();
});

const nodeOf = (name: string) => cluster.admin.get(NODES, '', name);

describe('a node that joins', () => {
  it('gets the certificate of a Node that is made for it', async () => {
    const client = await bootstrapper(cluster, 'join01');
    const answer = await decided(cluster, await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('join-1')));
    assert.equal(answer.words, 'Approved AutoApproved');
    const node = await nodeOf('join-1');
    assert.deepEqual(subjectOf(answer.certificate as never), {
      commonName: 'system:node:join-1',
      organizations: ['system:nodes'],
      uid: node.metadata.uid,
    });
    assert.deepEqual(node.metadata.labels, { 'kubernetes.io/hostname': 'join-1' });
    assert.equal(node.spec?.podCIDR, undefined);
  });

  it('has used its token up', async () => {
    const client = await bootstrapper(cluster, 'join02');
    await decided(cluster, await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('join-2')));
    for (const name of ['join-2b', 'join-2c']) {
      const answer = await decided(cluster, await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest(name)));
      assert.equal(answer.words, 'Denied TokenRefused');
      assert.match(answer.message, /token join02 was used before/);
      await assert.rejects(nodeOf(name), (error) => isCode(error, 'NotFound'));
    }
  });

  it('cannot take the name of another, and keeps its token', async () => {
    const client = await bootstrapper(cluster, 'join03');
    await cluster.admin.create(NODES, { metadata: { name: 'taken' } });
    const refused = await decided(cluster, await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('taken')));
    assert.equal(refused.words, 'Denied NodeNameTaken');
    assert.match(
      refused.message,
      /node name taken is taken: delete that node \(kubectl delete node taken\), or join with/,
    );
    const answer = await decided(cluster, await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('join-3')));
    assert.equal(answer.words, 'Approved AutoApproved');
  });

  it('comes back under its name with a token for that name, as the same Node', async () => {
    const client = await bootstrapper(cluster, 'join04', { 'node-name': 'back' });
    const { metadata } = await cluster.admin.create(NODES, { metadata: { name: 'back' } });
    const other = await decided(cluster, await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('front')));
    assert.equal(other.words, 'Denied TokenRefused');
    assert.match(other.message, /token join04 is for node back only/);
    const answer = await decided(cluster, await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('back')));
    assert.equal(answer.words, 'Approved AutoApprovedForNamedNode');
    assert.equal(subjectOf(answer.certificate as never).uid, metadata.uid);
  });

  it('is one of many who come at once under one name', async () => {
    const ids = ['race01', 'race02', 'race03', 'race04'];
    const clients = await Promise.all(ids.map((id) => bootstrapper(cluster, id)));
    const asked = await Promise.all(clients.map((client) => ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('race'))));
    const answers = await Promise.all(asked.map((csr) => decided(cluster, csr)));
    assert.equal(answers.filter(({ certificate }) => certificate !== undefined).length, 1);
    for (const { certificate, message } of answers) {
      if (certificate === undefined) assert.match(message, /node name race is taken/);
    }
  });

  it('gets one certificate for a token that several requests want at once', async () => {
    const client = await bootstrapper(cluster, 'race05');
    const names = ['one-1', 'one-2', 'one-3', 'one-4'];
    const asked = await Promise.all(names.map((name) => ask(client, KUBELET_CLIENT_SIGNER, nodeRequest(name))));
    const answers = await Promise.all(asked.map((csr) => decided(cluster, csr)));
    assert.equal(answers.filter(({ certificate }) => certificate !== undefined).length, 1);
    const nodes = (await cluster.admin.list(NODES)).items.filter(({ metadata }) => names.includes(metadata.name ?? ''));
    assert.equal(nodes.length, 1);
  });

  it('waits for a person where nobody has bound the right to join by itself; the token holds all the same', async () => {
    const name = 'system:causeway:approve-nodeclient';
    const binding = await cluster.admin.get(CLUSTER_ROLE_BINDINGS, '', name);
    await cluster.admin.delete(CLUSTER_ROLE_BINDINGS, '', name);
    const before = reviews();
    const client = await bootstrapper(cluster, 'hand01', { 'node-name': 'hand' });
    const [first, second, other] = await Promise.all(
      ['hand', 'hand', 'foot'].map((node) => ask(client, KUBELET_CLIENT_SIGNER, nodeRequest(node))),
    );
    await until('the approver to look at them', () => reviews() >= before + 3);
    assert.equal(
      (await cluster.admin.get(CERTIFICATE_SIGNING_REQUESTS, '', first?.metadata.name ?? '')).status?.conditions,
      undefined,
    );
    await judgeByHand(cluster.admin, first as never);
    assert.ok((await decided(cluster, first as never)).certificate);
    for (const [csr, why] of [
      [second, /was used before/],
      [other, /is for node hand only/],
    ] as const) {
      await judgeByHand(cluster.admin, csr as never);
      const { words, message } = await decided(cluster, csr as never);
      assert.equal(words, 'Approved,Failed SignerValidationFailure');
      assert.match(message, why);
    }
    const { resourceVersion: _, uid: _uid, ...metadata } = binding.metadata;
    await cluster.admin.create(CLUSTER_ROLE_BINDINGS, { ...binding, metadata });
  });
});

/** How often the approver has asked for somebody's rights. */
function reviews(): number {
  return cluster.api.auditLines.filter((line) => line.includes('"/apis/authorization.k8s.io/v1/subjectaccessreviews"'))
    .length;
}

describe('a node that is there', () => {
  it('renews its client certificate, and no other one', async () => {
    const { node, client } = await joinedNode(cluster, 'old-1');
    const answer = await decided(cluster, await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('old-1')));
    assert.equal(answer.words, 'Approved AutoApproved');
    assert.equal(subjectOf(answer.certificate as never).uid, node.metadata.uid);
    const other = await decided(cluster, await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('old-2')));
    assert.equal(other.words, 'Denied NotThisNode');
  });

  it('gets a serving certificate for its name and UID', async () => {
    const { node, client } = await joinedNode(cluster, 'serve-1');
    const names = { dnsNames: ['serve-1'], ipAddresses: [] };
    const asked = await ask(client, KUBELET_SERVING_SIGNER, { ...nodeRequest('serve-1'), ...names });
    const { words, certificate } = await decided(cluster, asked);
    assert.equal(words, 'Approved AutoApproved');
    const expected = { nodeName: 'serve-1', nodeUid: node.metadata.uid ?? '' };
    assert.equal(verifyKubelet(certificate as never, expected), undefined);
    assert.deepEqual(asked.spec.extra?.[REMOTE_ADDRESS_EXTRA], ['127.0.0.1']);
  });

  it('gets no other names or addresses, unless an admin has allowed them', async () => {
    const { client } = await joinedNode(cluster, 'serve-2');
    const serving = (names: { dnsNames?: string[]; ipAddresses?: string[] }) =>
      ask(client, KUBELET_SERVING_SIGNER, { ...nodeRequest('serve-2'), dnsNames: ['serve-2'], ...names });
    const refused = async (names: Parameters<typeof serving>[0]) => decided(cluster, await serving(names));
    const dns = await refused({ dnsNames: ['serve-2', 'other.example.com'] });
    assert.deepEqual(
      [dns.words, dns.message],
      ['Denied NameNotVerified', 'the DNS name other.example.com is not the name of node serve-2'],
    );
    const address = await refused({ ipAddresses: ['192.0.2.7'] });
    assert.equal(address.words, 'Denied NameNotVerified');
    assert.match(address.message, /kubectl annotate node serve-2 causeway\.dev\/allowed-addresses=192\.0\.2\.7$/);
    await cluster.admin.patch(NODES, { namespace: '', name: 'serve-2' }, 'merge', {
      metadata: { annotations: { [ALLOWED_ADDRESSES_ANNOTATION]: '192.0.2.7, 2001:DB8:0::7' } },
    });
    const allowed = await refused({ ipAddresses: ['192.0.2.7', '2001:db8::7'] });
    assert.equal(allowed.words, 'Approved AutoApproved');
    assert.equal((await refused({ ipAddresses: ['192.0.2.8'] })).words, 'Denied NameNotVerified');
    // The control plane's own are never given.
    const own = await refused({ ipAddresses: ['10.96.0.1'] });
    assert.equal(own.words, 'Denied RequestRefused');
  });

  it('gets the address that it is seen at', () => {
    const node = { metadata: { name: 'n' } };
    const csr = (seen: string[]) => ({ spec: { extra: { [REMOTE_ADDRESS_EXTRA]: seen } } }) as never;
    const unverified = (seen: string[], ...ipAddresses: string[]) => {
      const names = { dnsNames: ['n'], ipAddresses };
      return unverifiedName(csr(seen), parseCertificateRequest(requestPem({ commonName: 'n', ...names })), node);
    };
    assert.equal(unverified(['192.0.2.1'], '192.0.2.1'), undefined);
    assert.equal(unverified(['2001:db8::1'], '2001:db8:0::1'), undefined);
    assert.match(
      unverified(['192.0.2.1'], '192.0.2.1', '192.0.2.2') ?? '',
      /the address 192\.0\.2\.2 is not .* which is 192\.0\.2\.1;/,
    );
    assert.match(
      unverified([], '192.0.2.2') ?? '',
      /the address 192\.0\.2\.2 is not the one that the apiserver sees node n at;/,
    );
    assert.match(unverified(['', 'x'], '192.0.2.2') ?? '', /is not the one/);
  });

  it('gets nothing once it was removed, nor as another Node of its name', async () => {
    for (const comesBack of [false, true]) {
      const { client } = await joinedNode(cluster, 'gone');
      // It asked in time, and is removed before anybody looks.
      const held = cluster.watches.hold(CERTIFICATE_SIGNING_REQUESTS);
      const asked = [
        await ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('gone')),
        await ask(client, KUBELET_SERVING_SIGNER, { ...nodeRequest('gone'), dnsNames: ['gone'] }),
      ];
      await judgeByHand(cluster.admin, asked[1] as never);
      await held.begun;
      await cluster.admin.delete(NODES, '', 'gone');
      if (comesBack) await cluster.admin.create(NODES, { metadata: { name: 'gone' } });
      held.release();
      const why =
        'node gone was removed from the cluster: join again with a new token (causeway token create --print-join-command)';
      const [byItself, byHand] = await Promise.all(asked.map((csr) => decided(cluster, csr)));
      assert.deepEqual([byItself?.words, byItself?.message], ['Denied NodeRemoved', why]);
      assert.deepEqual([byHand?.words, byHand?.message], ['Approved,Failed SignerValidationFailure', why]);
      await assert.rejects(ask(client, KUBELET_CLIENT_SIGNER, nodeRequest('gone')), (error) =>
        isCode(error, 'Forbidden'),
      );
      if (comesBack) await cluster.admin.delete(NODES, '', 'gone');
    }
  });
});

describe('a person', () => {
  const jane = { commonName: 'jane', organizations: ['devs'] };

  it('gets a certificate when another one approves it, and none when he denies it', async () => {
    const asked = await ask(cluster.admin, CLIENT_SIGNER, { ...jane, expirationSeconds: 3600 });
    await judgeByHand(cluster.admin, asked);
    const { certificate } = await decided(cluster, asked);
    assert.deepEqual(subjectOf(certificate as never), jane);
    const life = (certificate?.validToDate.getTime() ?? 0) - Date.now();
    assert.ok(Math.abs(life - 3_600_000) < 60_000, String(life));
    const denied = await ask(cluster.admin, CLIENT_SIGNER, jane);
    await judgeByHand(cluster.admin, denied, 'Denied');
    assert.equal((await decided(cluster, denied)).words, 'Denied KubectlApprove');
  });

  it('approves nothing that the signer may not give', async () => {
    const cases = [
      [CLIENT_SIGNER, { ...jane, dnsNames: ['x'] }, /DNS subjectAltNames are not allowed/],
      [CLIENT_SIGNER, { ...jane, usages: ['client auth', 'server auth'] }, /"server auth" is not allowed/],
      [KUBELET_CLIENT_SIGNER, { ...nodeRequest('hand-1'), ipAddresses: ['192.0.2.1'] }, /IP subjectAltNames/],
      [KUBELET_SERVING_SIGNER, { ...nodeRequest('no-such'), dnsNames: ['no-such'] }, /there is no node no-such/],
    ] as const;
    for (const [signer, request, why] of cases) {
      const asked = await ask(cluster.admin, signer, request);
      await judgeByHand(cluster.admin, asked);
      const { words, message, certificate } = await decided(cluster, asked);
      assert.deepEqual([words, certificate], ['Approved,Failed SignerValidationFailure', undefined]);
      assert.match(message, why);
    }
  });

  it('can give a node its certificates', async () => {
    const client = await ask(cluster.admin, KUBELET_CLIENT_SIGNER, nodeRequest('hand-2'));
    await judgeByHand(cluster.admin, client);
    const uid = subjectOf((await decided(cluster, client)).certificate as never).uid;
    assert.equal(uid, (await nodeOf('hand-2')).metadata.uid);
    const names = { dnsNames: ['hand-2', 'hand-2.example.com'], ipAddresses: ['192.0.2.9'] };
    const serving = await ask(cluster.admin, KUBELET_SERVING_SIGNER, { ...nodeRequest('hand-2'), ...names });
    await judgeByHand(cluster.admin, serving);
    const { certificate } = await decided(cluster, serving);
    assert.equal(
      certificate?.subjectAltName,
      `DNS:hand-2, DNS:hand-2.example.com, URI:causeway:node-uid:${uid}, IP Address:192.0.2.9`,
    );
  });

  it('cannot make nodes and joining ones into users by approving', async () => {
    const { client } = await joinedNode(cluster, 'user-1');
    const asked = await ask(client, CLIENT_SIGNER, jane);
    await judgeByHand(cluster.admin, asked);
    const { words, message } = await decided(cluster, asked);
    assert.equal(words, 'Approved,Failed SignerValidationFailure');
    assert.match(message, /get certificates of nodes only/);
    const joining = await bootstrapper(cluster, 'user01');
    await assert.rejects(
      ask(joining, CLIENT_SIGNER, jane),
      /a bootstrap token may only create certificate signing requests for/,
    );
  });
});

describe('the apiserver', () => {
  it('takes a proven request only, and certificates only as an answer', async () => {
    const key = ecKey();
    const forged = ask(cluster.admin, CLIENT_SIGNER, { commonName: 'x', key, signer: ecKey().privateKey });
    await assert.rejects(forged, /spec\.request: Invalid value: .*the signature does not belong to the public key/);
    await assert.rejects(ask(cluster.admin, CLIENT_SIGNER, { pem: 'x' }), /PEM block type must be CERTIFICATE REQUEST/);
    const asked = await ask(cluster.admin, CLIENT_SIGNER, { pem: requestPem({ commonName: 'x' }) });
    const status = { certificate: Buffer.from('x').toString('base64') };
    await assert.rejects(
      cluster.admin.update(CERTIFICATE_SIGNING_REQUESTS, { ...asked, status }, 'status'),
      /status\.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block/,
    );
    await judgeByHand(cluster.admin, asked);
    const issued = await until('the certificate', async () => {
      const csr = await cluster.admin.get(CERTIFICATE_SIGNING_REQUESTS, '', asked.metadata.name ?? '');
      return csr.status?.certificate === undefined ? undefined : csr;
    });
    const [condition] = issued.status?.conditions ?? [];
    assert.match(`${condition?.lastUpdateTime} ${condition?.lastTransitionTime}`, /^\S+Z \S+Z$/);
  });

  it('gives the controller manager no right to sign or approve beyond its signers', async () => {
    assert.deepEqual(cluster.forbidden(), []);
    const manager = clientAs(cluster, 'system:kube-controller-manager', []);
    const person = await ask(cluster.admin, CLIENT_SIGNER, { commonName: 'x' });
    await assert.rejects(judgeByHand(manager, person), /not permitted to approve requests with signerName/);
    const other = await ask(cluster.admin, 'example.com/signer', { commonName: 'x', usages: ['client auth'] });
    const status = { conditions: [{ type: 'Failed', status: 'True' }] };
    const failing = manager.update(CERTIFICATE_SIGNING_REQUESTS, { ...other, status }, 'status');
    await assert.rejects(failing, /not permitted to sign requests with signerName/);
  });
});
