import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Event, Node, Pod } from '../../src/api/generated/types.ts';
import { JoinedCluster } from '../support/joined-cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { TestNetwork } from '../support/test-network.ts';

/**
 * A control plane and nodes as processes that share nothing but a network. Root makes that network, one namespace a machine, and there is an
 * attacker in it. Without root nobody can make one: then everything is on loopback, and what needs addresses of its own is left out.
 */
const isRoot = process.getuid?.() === 0;
const NAMES = isRoot ? ['n1', 'n2', 'n3'] : ['n1', 'n2'];
const needsRoot = isRoot ? {} : { skip: 'only root can make network namespaces: nodes have no addresses of their own' };

let network: TestNetwork | undefined;
let cluster: JoinedCluster;
let used: string[];

before(async () => {
  network = isRoot ? await TestNetwork.create(['server', ...NAMES, 'attacker']) : undefined;
  cluster = await JoinedCluster.start(network);
});
after(async () => {
  await cluster?.stop();
  await network?.remove();
});

const ready = async (name: string): Promise<boolean> => {
  const { code, stdout } = await cluster.kubectl(['get', 'node', name, '-o', 'json']);
  if (code !== 0) return false;
  return (
    (JSON.parse(stdout) as Node).status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false
  );
};
/** Says where it listens, and who it is to whoever comes. */
const server = (node: string): string => `
const server = require('node:net').createServer((s) => s.end('this is ${node}\\n'));
server.listen(0, '127.0.0.1', () => console.log('${node} listens on ' + server.address().port));
`;
const podOn = (node: string): Pod =>
  shellPod(`on-${node}`, '', {
    spec: { nodeName: node, terminationGracePeriodSeconds: 1 },
    container: { command: [process.execPath, '-e', server(node)] },
  });
const kubelet = (name: string): string => cluster.nodes.get(name)?.kubelet ?? '';

/** A node that must not become one: its last line. */
async function refusedNode(name: string, command: readonly string[], host = 'attacker'): Promise<string> {
  const node = cluster.spawnNode(name, command, host);
  assert.equal(await node.ended, 1, node.stdout + node.stderr);
  const lines = node.stderr.trimEnd().split('\n');
  assert.equal(lines.length, 1, node.stderr);
  return lines[0] ?? '';
}

describe('nodes that join with the printed command', () => {
  it('are Ready at once, with certificates for their name, their UID and their address', async (t) => {
    for (const name of NAMES) {
      used = [...(await cluster.joinCommand()), '--node-name', name];
      const started = performance.now();
      const { process } = await cluster.startNode(name, used);
      await cluster.until(`node ${name} to be Ready`, () => ready(name));
      t.diagnostic(`${name}: Ready ${Math.round(performance.now() - started)} ms after its process began`);
      t.diagnostic(`${name}: ${process.stdout.trimEnd().split('\n').at(-1)}`);
    }
    for (const name of NAMES) {
      const { metadata, status, spec } = await cluster.json<Node>(['get', 'node', name]);
      assert.equal(metadata.labels?.['kubernetes.io/hostname'], name);
      assert.equal(metadata.labels?.['kubernetes.io/os'], 'linux');
      assert.match(spec?.podCIDR ?? '', /^10\.244\.\d+\.0\/24$/);
      const address = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
      const directory = join(cluster.nodeDirectory(name), 'pki');
      const client = new X509Certificate(await readFile(join(directory, 'kubelet-client-current.pem')));
      const serving = new X509Certificate(await readFile(join(directory, 'kubelet-server-current.pem')));
      assert.match(client.subject, new RegExp(`O=system:nodes\nCN=system:node:${name}\n`));
      assert.ok(client.subject.includes(metadata.uid ?? '?'), client.subject);
      assert.match(serving.subjectAltName ?? '', new RegExp(`URI:causeway:node-uid:${metadata.uid}`));
      assert.equal(serving.checkHost(name), name);
      if (network !== undefined) {
        assert.equal(address, network.address(name));
        assert.equal(serving.checkIP(network.address(name)), network.address(name));
      }
      assert.equal((await stat(directory)).mode & 0o777, 0o700);
      for (const file of await readdir(directory))
        assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600);
    }
    const pods = await Promise.all(
      NAMES.map(async (name) => (await cluster.json<Node>(['get', 'node', name])).spec?.podCIDR),
    );
    assert.equal(new Set(pods).size, NAMES.length, 'no two nodes have one pod network');
  });

  it('run pods: logs, exec and port-forward reach each', async () => {
    await cluster.create(...NAMES.map(podOn));
    for (const name of NAMES) {
      await cluster.ok(['wait', '--for=condition=Ready', `pod/on-${name}`, '--timeout=30s']);
      const port = await cluster.until(
        'the log',
        async () => /listens on (\d+)/.exec(await cluster.ok(['logs', `on-${name}`]))?.[1],
      );
      assert.equal(await cluster.ok(['exec', `on-${name}`, '--', 'echo', 'in', name]), `in ${name}\n`);
      const forward = cluster.background('server', 'kubectl', 'port-forward', `pod/on-${name}`, `:${port}`);
      const [, local = ''] = await forward.until(/^Forwarding from 127\.0\.0\.1:(\d+)/m);
      const { stdout } = await cluster.run('server', 'curl', ['-s', '--http0.9', `telnet://127.0.0.1:${local}`]);
      assert.equal(stdout, `this is ${name}\n`);
      await forward.stop();
    }
  });

  it('get certificates for their pods, which pods of other nodes verify by the bundle of the cluster', async () => {
    const podCertificate = {
      signerName: 'causeway.dev/pod-serving',
      keyType: 'ECDSAP256',
      credentialBundlePath: 'tls.pem',
    };
    const clusterTrustBundle = { name: 'causeway.dev:pod-serving:cluster', path: 'ca.pem' };
    const podWith = (node: string, source: object): Pod =>
      shellPod(`with-${node}`, WAIT, {
        spec: { nodeName: node, volumes: [{ name: 'v', projected: { sources: [source] } }] } as Pod['spec'] & object,
        container: { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      });
    const [one = '', two = ''] = NAMES;
    await cluster.create(podWith(one, { podCertificate }), podWith(two, { clusterTrustBundle }));
    await cluster.ok(['wait', '--for=condition=Ready', `pod/with-${one}`, `pod/with-${two}`, '--timeout=60s']);
    const credentials = await cluster.ok(['exec', `with-${one}`, '--', 'cat', '/v/tls.pem']);
    const leaf = new X509Certificate(credentials.slice(credentials.indexOf('-----BEGIN CERTIFICATE')));
    const ca = new X509Certificate(await cluster.ok(['exec', `with-${two}`, '--', 'cat', '/v/ca.pem']));
    assert.equal(leaf.verify(ca.publicKey), true);
    assert.equal(leaf.checkHost(`with-${one}.default.pod`), `with-${one}.default.pod`);
  });

  it('fail a pod that asks for what their runtime cannot do, and say for what', async () => {
    const securityContext = { seccompProfile: { type: 'Localhost', localhostProfile: 'own.json' } } as const;
    await cluster.create(shellPod('too-much', WAIT, { spec: { nodeName: 'n1' }, container: { securityContext } }));
    const failed = await cluster.until('the pod to fail', async () => {
      const pod = await cluster.json<Pod>(['get', 'pod', 'too-much']);
      return pod.status?.phase === 'Failed' && pod;
    });
    assert.equal(failed.status?.reason, 'UnsupportedPodField');
    assert.match(failed.status?.message ?? '', /this node cannot honour .*seccompProfile/);
  });

  it('take little memory', async (t) => {
    for (const { name, process } of cluster.nodes.values()) {
      const status = await readFile(`/proc/${process.child.pid}/status`, 'utf8');
      const pss = /^Pss:\s+(\d+)/m.exec(await readFile(`/proc/${process.child.pid}/smaps_rollup`, 'utf8'))?.[1];
      t.diagnostic(`${name}: ${/VmRSS:.*/.exec(status)?.[0]}, Pss ${pss} kB (from TypeScript, which takes 25 MB more)`);
    }
  });
});

describe('an attacker in the same network', () => {
  it('cannot use a token again', async () => {
    const command = used.map((word) => (word === NAMES.at(-1) ? 'intruder' : word));
    assert.match(
      await refusedNode('intruder', command),
      /^causeway: .*(token.*was used before|does not accept the token)/,
    );
    assert.doesNotMatch(await cluster.ok(['get', 'nodes']), /intruder/);
  });

  it("cannot take another node's name with a token of his own", async () => {
    const command = [...(await cluster.joinCommand()), '--node-name', 'n1'];
    assert.match(
      await refusedNode('false-n1', command),
      /^causeway: the control plane refused node n1: node name n1 is taken: delete that node .*, or join with a token/,
    );
    assert.equal(await cluster.ok(['exec', 'on-n1', '--', 'echo', 'still']), 'still\n');
  });

  it('is nobody to a kubelet, without a certificate and with the one of a node', async () => {
    const curl = (...flags: string[]) =>
      cluster.run('attacker', 'curl', [
        '-sk',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        ...flags,
        `https://${kubelet('n1')}/pods`,
      ]);
    assert.equal((await curl()).stdout, '401');
    const pem = join(cluster.nodeDirectory('n2'), 'pki', 'kubelet-client-current.pem');
    assert.equal((await curl('--cert', pem)).stdout, '401');
  });

  it("learns nothing at a node's address, whatever certificate he shows there", needsRoot, async () => {
    if (network === undefined) return;
    const node = cluster.nodes.get('n3');
    assert.equal(await node?.process.stop(), 0);
    const address = network.address('n3');
    await network.give('n3', address);
    await network.take('attacker', address);
    const own = join(cluster.nodeDirectory('attacker-pem'));
    await cluster.run('attacker', 'openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...[
        '-subj',
        '/O=system:nodes/CN=system:node:n3',
        '-addext',
        'subjectAltName=DNS:n3',
        '-keyout',
        own,
        '-out',
        `${own}.crt`,
      ],
    ]);
    await writeFile(own, (await readFile(own, 'utf8')) + (await readFile(`${own}.crt`, 'utf8')));
    const genuine = join(cluster.nodeDirectory('n2'), 'pki', 'kubelet-server-current.pem');
    for (const [pem, why] of [
      [own, /x509: certificate signed by unknown authority/],
      [genuine, /x509: certificate of "system:node:n2" |x509: certificate is valid for node "n2", not "n3"/],
    ] as const) {
      const server = cluster.background(
        'attacker',
        'openssl',
        's_server',
        '-accept',
        `${address}:10250`,
        '-cert',
        pem,
        '-key',
        pem,
      );
      await server.until(/ACCEPT/);
      const { code, stderr } = await cluster.kubectl(['exec', 'on-n3', '--', 'cat', '/etc/shadow']);
      assert.notEqual(code, 0);
      assert.match(stderr, why);
      await server.stop();
      assert.doesNotMatch(server.stdout, /shadow|Host:/i);
    }
    const { items } = await cluster.json<{ items: Event[] }>([
      'get',
      'events',
      '-A',
      '--field-selector=involvedObject.name=n3',
    ]);
    assert.ok(
      items.some(({ message }) => /unknown authority/.test(message ?? '')),
      'an event says so',
    );
    await network.give('attacker', address);
    await network.take('n3', address);
    await cluster.startNode('n3');
    assert.equal(await cluster.ok(['exec', 'on-n3', '--', 'echo', 'back']), 'back\n');
  });
});

describe('when something breaks', () => {
  const restarts = async (): Promise<number | undefined> =>
    (await cluster.json<Pod>(['get', 'pod', 'on-n1'])).status?.containerStatuses?.[0]?.restartCount;
  const startedAt = async (): Promise<string> =>
    (await cluster.ok(['exec', 'on-n1', '--', 'stat', '-c', '%Z', '/proc/1'])).trim();

  it('pods of a killed node go on, and nothing is started twice', async () => {
    const before = await startedAt();
    await cluster.nodes.get('n1')?.process.stop('SIGKILL');
    await cluster.startNode('n1');
    assert.equal(await startedAt(), before);
    assert.equal(await restarts(), 0);
  });

  it('a node waits for a server that is away, also when it starts meanwhile, and goes on', async () => {
    await cluster.server.stop('SIGKILL');
    assert.equal(await cluster.nodes.get('n2')?.process.stop(), 0);
    const starting = cluster.spawnNode('n2', ['node']);
    await starting.until(/^no answer from \S+: connect: connection refused; trying again$/m);
    await cluster.startServer();
    await starting.until(/^node n2: ready after /m, 30_000);
    const known = cluster.nodes.get('n2');
    if (known !== undefined) known.process = starting;
    for (const name of NAMES) {
      await cluster.until(
        `node ${name}`,
        async () => (await cluster.kubectl(['exec', `on-${name}`, '--', 'true'])).code === 0,
      );
    }
    assert.equal(await restarts(), 0);
  });

  it('a node that was deleted says so, ends its pods and itself, and can join again', async () => {
    const node = cluster.nodes.get('n2');
    await cluster.ok(['delete', 'node', 'n2']);
    assert.equal(await node?.process.ended, 1);
    assert.match(
      node?.process.stderr ?? '',
      /^causeway: node n2 was removed from the cluster, .*To join again, run "causeway token create/m,
    );
    const files = await readdir(join(cluster.nodeDirectory('n2'), 'pki'));
    assert.deepEqual(files.sort(), ['ca.crt', 'kubelet-client-ca.crt'], 'its credentials are gone');
    await cluster.join('n2');
    await cluster.until('node n2 to be Ready', () => ready('n2'));
  });
});
