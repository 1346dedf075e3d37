import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ClusterPki } from '../../src/pki/cluster-pki.ts';
import type { IssuedCertificate } from '../../src/pki/issued-certificate.ts';
import { testAuthority } from '../../src/pki/testing/test-peers.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { type FakeKubelet, startFakeKubelet } from './support/fake-kubelet.ts';
import { createGhostNode, type GhostNode } from './support/ghost-node.ts';
import { startTarget, type Target } from './support/target.ts';

let target: Target;
let node: GhostNode;

before(async () => {
  target = await startTarget();
  await target.cluster.create(shellPod('victim', `echo a line of the honest node; ${WAIT}`));
  await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/victim', '--timeout=20s']);
  node = await createGhostNode(target);
});
after(() => target?.close());

const MARKER = `marker-${randomUUID()}`;
const COMMANDS = [
  ['logs', 'haunted'],
  ['exec', 'haunted', '--', 'echo', MARKER],
  ['attach', 'haunted'],
  ['port-forward', 'pod/haunted', ':8080'],
] as const;

/** What kubectl's four ways into a pod say while `fake` stands where the kubelet should. */
async function askEachWay(fake: FakeKubelet): Promise<string[]> {
  await node.pointAt(fake.port);
  return Promise.all(COMMANDS.map((command) => target.cluster.refused(command)));
}

async function honestPathWorks(): Promise<void> {
  assert.equal(await target.cluster.ok(['logs', 'victim']), 'a line of the honest node\n');
  assert.equal(await target.cluster.ok(['exec', 'victim', '--', 'echo', MARKER]), `${MARKER}\n`);
}

describe('somebody on the address of a node', () => {
  const serving = (change?: Parameters<GhostNode['serving']>[0]) => node.serving(change);
  const impostors: readonly [name: string, show: () => Promise<IssuedCertificate | undefined>, reason: () => string][] =
    [
      [
        'with a CA of its own',
        async () => testAuthority('causeway-cluster-ca').issueServing(serving({})),
        () => 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
      ],
      [
        "with another node's certificate of the right CA",
        async () => target.pki.issueServing(serving({ nodeName: 'other' })),
        () => `tls: failed to verify certificate: x509: certificate is valid for node "other", not "${node.name}"`,
      ],
      [
        'with the certificate of a Node object that had this name before',
        async () => target.pki.issueServing(serving({ nodeUid: '00000000-0000-4000-8000-000000000000' })),
        () =>
          `tls: failed to verify certificate: x509: certificate of node "${node.name}" is for UID 00000000-0000-4000-8000-000000000000, not ${node.uid}`,
      ],
      [
        'with a certificate of the node that has expired',
        async () => {
          const clock = { now: () => Date.now() - 4 * 60_000 };
          const past = await ClusterPki.open(join(target.cluster.dataDirectory, 'pki'), { clock });
          return past.issueServing({ ...serving({}), days: 1 / 1440 });
        },
        () => 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid',
      ],
      [
        "with the node's client certificate",
        async () => target.pki.issueClient({ user: `system:node:${node.name}`, groups: ['system:nodes'] }),
        () => 'tls: failed to verify certificate: x509: certificate specifies an incompatible key usage',
      ],
      ['that speaks plain HTTP', async () => undefined, () => 'tls: wrong version number'],
    ];

  for (const [name, show, reason] of impostors) {
    it(`${name} is refused, is told nothing, and is named in an event`, async () => {
      const certificate = await show();
      const fake = await startFakeKubelet({
        ...(certificate === undefined ? {} : { certificate }),
        answer: (connection) => connection.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmine'),
      });
      try {
        const said = await askEachWay(fake);
        const path = 'https://kubelet/containerLogs/default/haunted/main';
        assert.equal(said[0], `Error from server: Get "${path}": ${reason()}`);
        for (const text of said.slice(1)) assert.ok(text.includes(`error dialing backend: ${reason()}`), text);
        assert.ok(fake.connections >= COMMANDS.length, 'each of them was tried');
        // In clear it hears the beginning of a handshake; above TLS nothing at all.
        if (certificate !== undefined)
          assert.deepEqual(new Set(fake.heard), new Set(fake.heard.length === 0 ? [] : ['']));
        assert.ok(!fake.heard.join('').includes(MARKER));
        assert.ok(!fake.heard.join('').includes('containerLogs'));
      } finally {
        await fake.close();
      }
      await target.cluster.until('the event', async () => {
        const events = await target.cluster.json<{ items: { message: string; involvedObject: { uid: string } }[] }>([
          'get',
          'events',
          '--field-selector=reason=KubeletVerificationFailed,type=Warning,involvedObject.kind=Node',
        ]);
        return events.items.some((e) => e.message === reason() && e.involvedObject.uid === node.uid);
      });
      const path = await target.cluster.json<{ status: { lastFailure: { reason: string } } }>([
        'get',
        'communicationpath',
        `apiserver-to-kubelet.${node.name}`,
      ]);
      assert.equal(path.status.lastFailure.reason, reason());
      await honestPathWorks();
    });
  }

  it('that the Node was pointed to is left again as soon as the node notices', { timeout: 60_000 }, async (t) => {
    const fake = await startFakeKubelet({
      certificate: testAuthority('causeway-cluster-ca').issueServing(node.serving()),
    });
    t.after(() => fake.close());
    await target.pointNodeAt(fake.port);
    // By then the node may have put it right already: whichever it is, nobody else is believed.
    const said = await target.cluster.kubectl(['logs', 'victim']);
    assert.match(said.stdout + said.stderr, /certificate signed by unknown authority|^a line of the honest node\n$/);
    await target.cluster.until('the node’s own address', async () => {
      const read = await target.admin.send(`/api/v1/nodes/${target.nodeName}`);
      return read.json.status.daemonEndpoints.kubeletEndpoint.Port === target.kubeletPort;
    });
    await honestPathWorks();
  });

  it('is not taken for the node that was deleted and came again', { timeout: 60_000 }, async (t) => {
    await target.cluster.ok(['delete', 'node', target.nodeName]);
    await target.cluster.until(
      'the node to register again',
      async () => {
        const read = await target.admin.send(`/api/v1/nodes/${target.nodeName}`);
        return (
          read.status === 200 &&
          read.json.metadata.uid !== target.nodeUid &&
          read.json.status?.daemonEndpoints !== undefined
        );
      },
      30_000,
    );
    // Its certificate is for the new Node object.
    await target.cluster.until(
      'the honest way',
      async () => (await target.cluster.kubectl(['logs', 'victim'])).code === 0,
    );
    await honestPathWorks();
    // One that still shows the old UID is not it.
    const { nodeName } = target;
    const old = target.pki.issueServing(node.serving({ nodeName, nodeUid: target.nodeUid, dnsNames: [nodeName] }));
    const fake = await startFakeKubelet({ certificate: old });
    t.after(() => fake.close());
    await target.pointNodeAt(fake.port);
    const said = await target.cluster.kubectl(['logs', 'victim']);
    assert.match(said.stdout + said.stderr, /is for UID [0-9a-f-]+, not [0-9a-f-]+$|^a line of the honest node\n$/m);
  });
});
