import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type JoinedNodeOptions, startJoinedNode } from '../../src/compose/joined-node.ts';
import { kubeletSettings } from '../../src/compose/kubelet-settings.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { Secret } from '../../src/lib/secret.ts';
import { CertificateAuthority } from '../../src/pki/authority.ts';
import type { IssuedCertificate } from '../../src/pki/issued-certificate.ts';
import { startFakeKubelet } from '../hostile/support/fake-kubelet.ts';
import { causeway } from '../support/cluster.ts';
import { JoinedCluster } from '../support/joined-cluster.ts';
import { TestNetwork } from '../support/test-network.ts';

/** What goes wrong when a machine joins, or starts again: each in one line. */
const DAY = 86_400_000;
const TOKEN = 'abcdef.0123456789abcdef';
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** The one line with which `causeway node` refuses. */
async function refused(...flags: string[]): Promise<string> {
  const directory = await mkdtemp(join(folder, 'node-'));
  const { code, stdout, stderr } = await causeway(['node', '--data-dir', directory, '--port', '0', ...flags]);
  assert.equal(code, 1, stdout + stderr);
  const lines = stderr.trimEnd().split('\n');
  assert.equal(lines.length, 1, stderr);
  assert.ok(!stderr.includes('0123456789abcdef') && !stdout.includes('0123456789abcdef'), 'no secret is shown');
  return lines[0] ?? '';
}

function authority(days = 0): CertificateAuthority {
  const made = CertificateAuthority.create('test', { clock: { now: () => Date.now() - 30 * DAY } });
  const clock = { now: () => Date.now() + days * DAY };
  return new CertificateAuthority(made.certificatePem, made.privateKeyPem, { clock });
}

const serving = (ca: CertificateAuthority, name = '127.0.0.1'): IssuedCertificate =>
  ca.issueServing({
    commonName: 'kube-apiserver',
    dnsNames: name === '127.0.0.1' ? [] : [name],
    ipAddresses: name === '127.0.0.1' ? [name] : [],
    days: 7,
  });

describe('a server that is not the right one learns nothing', () => {
  const cases: readonly [what: string, certificate: (ca: CertificateAuthority) => IssuedCertificate, line: RegExp][] = [
    [
      'of another CA',
      () => serving(authority()),
      /is not the server that this node looks for: its certificate comes from another CA/,
    ],
    [
      'under another name',
      (ca) => serving(ca, 'other.test'),
      /is not for 127\.0\.0\.1, but for other\.test: give one of these in --server, or/,
    ],
  ];
  for (const [what, certificate, line] of cases) {
    it(what, async () => {
      const ca = authority();
      await meets(ca, certificate(ca), line);
    });
  }

  it('whose certificate has expired, and whose begins tomorrow: the clock may be wrong', async () => {
    const past = authority(-10);
    await meets(
      past,
      serving(past),
      /is valid from \S+ to \S+, and this machine's clock says \S+: set the clock if it is wrong/,
    );
    const future = authority(2);
    await meets(
      future,
      serving(future),
      /is valid from \S+ to \S+, and this machine's clock says \S+: it is behind\. Set it\./,
    );
  });

  it('that speaks in clear', async () => {
    await meets(authority(), undefined, /does not speak TLS: a server listens with https/);
  });

  async function meets(ca: CertificateAuthority, certificate: IssuedCertificate | undefined, line: RegExp) {
    const fake = await startFakeKubelet({
      ...(certificate === undefined ? {} : { certificate }),
      protocol: 'h2',
      answer: (connection) => connection.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    });
    const caCert = Buffer.from(ca.certificatePem).toString('base64');
    const said = await refused('--server', `https://127.0.0.1:${fake.port}`, '--token', TOKEN, '--ca-cert', caCert);
    assert.match(said, line);
    assert.match(said, /Nothing was sent to it\.$/);
    // In clear it hears how TLS begins, and that is all.
    assert.ok(!fake.heard.join('').includes('abcdef'), 'the token was not sent');
    if (certificate !== undefined) assert.equal(fake.heard.join(''), '');
    await fake.close();
  }
});

it('flags that make no sense, or are missing, are refused before anything is made', async () => {
  const ca = Buffer.from(authority().certificatePem).toString('base64');
  const rest = ['--token', TOKEN, '--ca-cert', ca];
  assert.match(await refused('--server', 'http://127.0.0.1:6443', ...rest), /http is not encrypted; give https:/);
  assert.match(
    await refused('--server', 'https://127.0.0.1:6443/x', ...rest),
    /--server \S+: give https:\/\/HOST:PORT$/,
  );
  assert.match(await refused('--token', 'abcdef.short'), /--token: a token is six letters or digits, a dot/);
  assert.match(
    await refused('--ca-cert', 'x'),
    /--ca-cert: give the PEM of a CA certificate in base64, or --ca-cert-file/,
  );
  assert.match(await refused('--ca-cert-file', '/nowhere'), /--ca-cert-file \/nowhere cannot be read \(ENOENT\)$/);
  assert.match(await refused('--node-ip', 'here'), /--node-ip here: give an IP address$/);
  assert.match(
    await refused('--node-labels', 'node-restriction.kubernetes.io/a=b'),
    /a node may not give itself these labels/,
  );
  assert.match(
    await refused(),
    /this machine is no node yet, and --server and --token and --ca-cert are missing: run "causeway token create/,
  );
});

describe('a server and a node, each a process', () => {
  let network: TestNetwork | undefined;
  let cluster: JoinedCluster;
  before(async () => {
    // Root's nodes have networks, which must not meet those of other clusters on this machine.
    network = process.getuid?.() === 0 ? await TestNetwork.create(['server', 'n1']) : undefined;
    cluster = await JoinedCluster.start(network);
  });
  after(async () => {
    await cluster?.stop();
    await network?.remove();
  });

  it('a wrong token and one that has been used are refused, with what to do', async () => {
    const command = await cluster.joinCommand();
    const wrong = command.map((word) => (/^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(word) ? TOKEN : word));
    const line =
      /^causeway: the server does not accept the token: it is wrong, was used before, or has expired\. For another one run "causeway token create/;
    const node = cluster.spawnNode('n1', [...wrong, '--node-name', 'n1']);
    assert.equal(await node.ended, 1);
    assert.match(node.stderr, line);
  });

  it('a node that was off too long says that its certificate expired, and joins again with a token for its name', async () => {
    const node = await cluster.join('n1');
    const clientFile = join(node.dataDirectory, 'pki', 'kubelet-client-current.pem');
    await node.process.stop();
    const before = await readFile(clientFile, 'utf8');
    const late = { now: () => Date.now() + 800 * DAY };
    await assert.rejects(
      startJoinedNode(options(node.dataDirectory, { clock: late })),
      /the certificate of node n1 expired on \S+, before it could be renewed\. To join again \(causeway node --token …\), run "causeway token create --node-name n1 --print-join-command"/,
    );
    assert.equal(await readFile(clientFile, 'utf8'), before, 'nothing has changed');
    await rm(clientFile);
    await cluster.startNode('n1', [...(await cluster.joinCommand('--node-name', 'n1')), '--node-name', 'n1']);
    assert.notEqual(await readFile(clientFile, 'utf8'), before);
  });

  it('a directory of one node is none for another node, another cluster, or a server', async () => {
    const node = cluster.nodes.get('n1');
    assert.equal(await node?.process.stop(), 0);
    const directory = node?.dataDirectory ?? '';
    const caPem = authority().certificatePem;
    await assert.rejects(
      startJoinedNode(options(directory, { nodeName: 'n2' })),
      /is the one of node n1: give another one with --data-dir$/,
    );
    const invitation = { server: cluster.url, token: new Secret(TOKEN), caPem };
    await assert.rejects(
      startJoinedNode(options(directory, { invitation })),
      /is the one of a node of another cluster: give another one with --data-dir$/,
    );
    const { code, stderr } = await causeway(['server', '--data-dir', directory, '--secure-port', '0']);
    assert.equal(code, 1);
    assert.match(stderr, /is the one of a node that joined a cluster: give another one with --data-dir$/m);
    assert.ok((await readdir(join(directory, 'pki'))).includes('kubelet-client-current.pem'));
    await cluster.startNode('n1');
  });

  function options(dataDirectory: string, over: Partial<JoinedNodeOptions>): JoinedNodeOptions {
    return {
      dataDirectory,
      invitation: {},
      port: 0,
      labels: {},
      kubelet: kubeletSettings({}),
      clock: systemClock,
      log: silentLog,
      progress: () => undefined,
      signal: AbortSignal.timeout(60_000),
      ...over,
    };
  }
});
