import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ClusterPki } from '../../src/pki/cluster-pki.ts';
import type { IssuedCertificate } from '../../src/pki/issued-certificate.ts';
import { kubeletServingRequest } from '../../src/pki/kubelet-identity.ts';
import { testAuthority } from '../../src/pki/testing/test-peers.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { type FakeKubelet, startFakeKubelet } from './support/fake-kubelet.ts';
import { startTarget, type Target } from './support/target.ts';

let target: Target;

before(async () => {
  target = await startTarget();
  await target.cluster.create(shellPod('victim', `echo a line of the honest node; ${WAIT}`));
  await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/victim', '--timeout=20s']);
});
after(() => target.close());

const MARKER = `marker-${randomUUID()}`;
const COMMANDS = [
  ['logs', 'victim'],
  ['exec', 'victim', '--', 'echo', MARKER],
  ['attach', 'victim'],
  ['port-forward', 'pod/victim', ':8080'],
] as const;

/** What kubectl's four ways into a pod say while `fake` stands where the kubelet should. */
async function askEachWay(fake: FakeKubelet): Promise<string[]> {
  await target.pointNodeAt(fake.port);
  try {
    return await Promise.all(COMMANDS.map((command) => target.cluster.refused(command)));
  } finally {
    await target.pointNodeAt(target.kubeletPort);
  }
}

async function honestPathWorks(): Promise<void> {
  assert.equal(await target.cluster.ok(['logs', 'victim']), 'a line of the honest node\n');
  assert.equal(await target.cluster.ok(['exec', 'victim', '--', 'echo', MARKER]), `${MARKER}\n`);
}

describe('somebody on the address of a node', () => {
  const serving = (change: { nodeName?: string; nodeUid?: string }) =>
    kubeletServingRequest({
      nodeName: target.nodeName,
      nodeUid: target.nodeUid,
      dnsNames: [target.nodeName],
      ipAddresses: ['127.0.0.1'],
      ...change,
    });
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
        () =>
          `tls: failed to verify certificate: x509: certificate is valid for node "other", not "${target.nodeName}"`,
      ],
      [
        'with the certificate of a Node object that had this name before',
        async () => target.pki.issueServing(serving({ nodeUid: '00000000-0000-4000-8000-000000000000' })),
        () =>
          `tls: failed to verify certificate: x509: certificate of node "${target.nodeName}" is for UID 00000000-0000-4000-8000-000000000000, not ${target.nodeUid}`,
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
        async () => target.pki.issueClient({ user: `system:node:${target.nodeName}`, groups: ['system:nodes'] }),
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
        const path = 'https://kubelet/containerLogs/default/victim/main';
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
        return events.items.some((e) => e.message === reason() && e.involvedObject.uid === target.nodeUid);
      });
      const path = await target.cluster.json<{ status: { lastFailure: { reason: string } } }>([
        'get',
        'communicationpath',
        `apiserver-to-kubelet.${target.nodeName}`,
      ]);
      assert.equal(path.status.lastFailure.reason, reason());
      await honestPathWorks();
    });
  }
});
