import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { ecKey, requestPem } from '../../src/pki/testing/test-requests.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { run } from '../support/run.ts';

/**
 * A node on another machine, which is a network namespace here: its serving certificate may name the address that the apiserver sees it at.
 * Networks are made by root alone.
 */
const skip = process.getuid?.() === 0 ? false : 'needs root, to make a network';

const SERVER = '198.18.77.1';
const NODE = '198.18.77.2';
const NETWORK = `causeway-test-${process.pid}`;
const LINK = `cwt${process.pid}`;
const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';

let cluster: TestCluster;
let folder: string;

async function ip(...args: string[]): Promise<void> {
  const { code, stderr } = await run('ip', args);
  assert.equal(code, 0, `ip ${args.join(' ')}: ${stderr}`);
}

before(async () => {
  if (skip !== false) return;
  folder = await mkdtemp(join(tmpdir(), 'causeway-addresses-'));
  await ip('netns', 'add', NETWORK);
  await ip('link', 'add', LINK, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', NETWORK);
  await ip('address', 'add', `${SERVER}/30`, 'dev', LINK);
  await ip('link', 'set', LINK, 'up');
  await ip('-n', NETWORK, 'address', 'add', `${NODE}/30`, 'dev', 'eth0');
  await ip('-n', NETWORK, 'link', 'set', 'eth0', 'up');
  cluster = await startCluster({ flags: ['--bind-address', SERVER] });
});

after(async () => {
  await cluster?.stop();
  if (skip !== false) return;
  // The network would take it along, but later.
  await run('ip', ['link', 'delete', LINK]);
  await ip('netns', 'delete', NETWORK);
  await rm(folder, { recursive: true, force: true });
});

/** The node's certificate and key, as an admin gives them to it. */
async function joined(): Promise<void> {
  const key = ecKey();
  const request = requestPem({ commonName: 'system:node:far', organizations: ['system:nodes'], key });
  await cluster.create({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'far-client' },
    spec: {
      request: Buffer.from(request).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['digital signature', 'client auth'],
    },
  });
  await cluster.ok(['certificate', 'approve', 'far-client']);
  const certificate = await cluster.until('its certificate', () =>
    cluster.ok(['get', 'csr', 'far-client', '-o', 'jsonpath={.status.certificate}']),
  );
  await writeFile(join(folder, 'node.crt'), Buffer.from(certificate, 'base64'));
  await writeFile(join(folder, 'node.key'), key.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const kubeconfig = await readFile(cluster.kubeconfig, 'utf8');
  const ca = /certificate-authority-data: (\S+)/.exec(kubeconfig)?.[1] ?? '';
  await writeFile(join(folder, 'ca.crt'), Buffer.from(ca, 'base64'));
}

/** Asks as the node for a serving certificate with these addresses; `where` is what leads into its network. Answers the conditions. */
async function ask(name: string, ipAddresses: readonly string[], where: readonly string[]): Promise<string> {
  const request = requestPem({
    commonName: 'system:node:far',
    organizations: ['system:nodes'],
    dnsNames: ['far'],
    ipAddresses,
  });
  const spec = {
    request: Buffer.from(request).toString('base64'),
    signerName: 'kubernetes.io/kubelet-serving',
    usages: ['digital signature', 'server auth'],
  };
  const file = (part: string): string => join(folder, part);
  const [program = '', ...args] = [
    ...where,
    'curl',
    '--silent',
    '--show-error',
    '--fail-with-body',
    '--max-time',
    '20',
  ];
  const tls = ['--cacert', file('ca.crt'), '--cert', file('node.crt'), '--key', file('node.key')];
  const body = JSON.stringify({ metadata: { name }, spec });
  const sent = ['--header', 'Content-Type: application/json', '--data', '@-', cluster.url + CSRS];
  const { code, stdout, stderr } = await run(program, [...args, ...tls, ...sent], { stdin: body });
  assert.equal(code, 0, stderr + stdout);
  return cluster.until(`${name} to be judged`, async () => {
    const { status } = await cluster.json<{
      status: { conditions?: { type: string; message: string }[]; certificate?: string };
    }>(['get', 'csr', name]);
    const [condition] = status.conditions ?? [];
    if (condition === undefined || (condition.type === 'Approved' && status.certificate === undefined))
      return undefined;
    return `${condition.type}: ${condition.message}`;
  });
}

it('a node gets the address that it is seen at into its certificate, and no other one', { skip }, async () => {
  await joined();
  const there = ['ip', 'netns', 'exec', NETWORK];
  assert.equal(await ask('seen', [NODE], there), 'Approved: node far asks for a certificate of its own');
  const certificate = Buffer.from(
    await cluster.ok(['get', 'csr', 'seen', '-o', 'jsonpath={.status.certificate}']),
    'base64',
  );
  const checked = await run('openssl', ['x509', '-noout', '-checkip', NODE], { stdin: certificate });
  assert.match(checked.stdout, /does match certificate/);
  const extra = await cluster.json<{ spec: { extra: Record<string, string[]> } }>(['get', 'csr', 'seen']);
  assert.deepEqual(extra.spec.extra['causeway.dev/remote-address'], [NODE]);

  assert.match(
    await ask('other', ['198.18.77.3'], there),
    /^Denied: the address 198\.18\.77\.3 is not .*, which is 198\.18\.77\.2;/,
  );
  assert.match(
    await ask('server', [SERVER], there),
    /^Denied: the subjectAltName 198\.18\.77\.1 is one of the control plane's/,
  );
  // On the server's own machine it is seen at no address of its own.
  assert.match(
    await ask('here', [NODE], ['env']),
    /^Denied: the address 198\.18\.77\.2 is not the one that the apiserver sees node far at;/,
  );
  await cluster.ok(['annotate', 'node', 'far', 'causeway.dev/allowed-addresses=198.18.77.3,198.18.77.4']);
  assert.match(await ask('allowed', [NODE, '198.18.77.4'], there), /^Approved: /);
});
