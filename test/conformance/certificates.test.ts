import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { causeway, startCluster, type TestCluster } from '../support/cluster.ts';
import { run } from '../support/run.ts';

/** Certificates by request: openssl makes keys and requests, kubectl decides, curl and kubectl use what was issued. */

let cluster: TestCluster;
let folder: string;
let ca: string;
/** A kubeconfig with the cluster's address and CA, and nobody's credential. */
let nobody: string;

const file = (name: string): string => join(folder, name);

before(async () => {
  cluster = await startCluster();
  folder = await mkdtemp(join(tmpdir(), 'causeway-certificates-'));
  const kubeconfig = await readFile(cluster.kubeconfig, 'utf8');
  ca = file('ca.crt');
  await writeFile(ca, Buffer.from(/certificate-authority-data: (\S+)/.exec(kubeconfig)?.[1] ?? '', 'base64'));
  nobody = file('nobody');
  const anonymous = kubeconfig.replace(/client-(certificate|key)-data: .*/g, '').replace(/^ {2}user:$/m, '  user: {}');
  await writeFile(nobody, anonymous);
});
after(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function openssl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('openssl', args, { cwd: folder });
  assert.equal(code, 0, `openssl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const KEYS = {
  'P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'P-521': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  'RSA 2048': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  Ed25519: ['-algorithm', 'ED25519'],
} as const;

/** A key and a request for it in `<name>.key` and `<name>.csr`; answers the request in base64. */
async function request(
  name: string,
  subject: string,
  kind: keyof typeof KEYS = 'P-256',
  ...flags: string[]
): Promise<string> {
  await openssl('genpkey', ...KEYS[kind], '-out', `${name}.key`);
  await openssl('req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`, ...flags);
  return (await readFile(file(`${name}.csr`))).toString('base64');
}

function csr(name: string, base64: string, signer: string, usages: readonly string[], more: object = {}) {
  const spec = { request: base64, signerName: `kubernetes.io/${signer}`, usages, ...more };
  return { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec };
}

const show = (name: string): Promise<string> => cluster.ok(['get', 'csr', name, '--no-headers']);

/** Waits for the certificate of a request and writes it to `<name>.crt`. */
async function issued(name: string): Promise<void> {
  const base64 = await cluster.until(`the certificate of ${name}`, () =>
    cluster.ok(['get', 'csr', name, '-o', 'jsonpath={.status.certificate}']),
  );
  await writeFile(file(`${name}.crt`), Buffer.from(base64, 'base64'));
}

/** curl with a certificate of this folder, or with a token; answers the body. */
async function curl(who: string | { readonly token: string }, path: string, body?: object): Promise<string> {
  const shown =
    typeof who === 'string'
      ? ['--cert', file(`${who}.crt`), '--key', file(`${who}.key`)]
      : ['--header', `Authorization: Bearer ${who.token}`];
  const sent = body === undefined ? [] : ['--header', 'Content-Type: application/json', '--data', '@-'];
  const { code, stdout, stderr } = await run(
    'curl',
    [
      '--silent',
      '--show-error',
      '--fail-with-body',
      '--max-time',
      '20',
      '--cacert',
      ca,
      ...shown,
      ...sent,
      cluster.url + path,
    ],
    { stdin: body === undefined ? '' : JSON.stringify(body) },
  );
  assert.equal(code, 0, `${path}: ${stderr}${stdout}`);
  return stdout;
}

const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';

/** Asks as a node does: sends the request, and waits for its certificate. */
async function askWithCurl(who: string | { readonly token: string }, made: ReturnType<typeof csr>): Promise<void> {
  await curl(who, CSRS, made);
  const { name } = made.metadata;
  const certificate = await cluster.until(`the certificate of ${name}`, async () => {
    const { status } = JSON.parse(await curl(who, `${CSRS}/${name}`)) as {
      status: { certificate?: string; conditions?: { type: string }[] };
    };
    assert.ok(!(status.conditions ?? []).some(({ type }) => type !== 'Approved'), JSON.stringify(status));
    return status.certificate;
  });
  await writeFile(file(`${name}.crt`), Buffer.from(certificate, 'base64'));
}

describe('a person', () => {
  for (const kind of Object.keys(KEYS) as (keyof typeof KEYS)[]) {
    it(`gets a certificate for a key of the kind ${kind}, once it was approved`, async () => {
      const name = kind.toLowerCase().replace(/[^a-z0-9]/g, '');
      const base64 = await request(name, '/O=devs/O=ops/CN=jane', kind);
      await cluster.create(csr(name, base64, 'kube-apiserver-client', ['client auth'], { expirationSeconds: 3600 }));
      assert.match(
        await show(name),
        new RegExp(`^${name} +\\S+ +kubernetes\\.io/kube-apiserver-client +kubernetes-admin +60m +Pending\\n$`),
      );
      await cluster.ok(['certificate', 'approve', name]);
      await issued(name);
      assert.match(await show(name), / Approved,Issued\n$/);
      const verified = await openssl('verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', ca, `${name}.crt`);
      assert.equal(verified, `${name}.crt: OK\n`);
      const text = await openssl('x509', '-in', `${name}.crt`, '-noout', '-text');
      assert.match(text, /TLS Web Client Authentication\n/);
      assert.ok(!text.includes('Server Authentication') && !text.includes('Subject Alternative Name'), text);
      const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
      const answer = JSON.parse(await curl(name, '/apis/authentication.k8s.io/v1/selfsubjectreviews', review));
      const { username, groups } = answer.status.userInfo;
      assert.deepEqual([username, groups], ['jane', ['devs', 'ops', 'system:authenticated']]);
      const shown = [
        '--kubeconfig',
        nobody,
        '--client-certificate',
        file(`${name}.crt`),
        '--client-key',
        file(`${name}.key`),
      ];
      const who = await cluster.ok(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}', ...shown]);
      assert.equal(who, 'jane');
    });
  }

  it('is served by an old kubectl too', async () => {
    const old = { version: '1.20' } as const;
    for (const [name, verb, word] of [
      ['old-yes', 'approve', 'Approved,Issued'],
      ['old-no', 'deny', 'Denied'],
    ] as const) {
      const base64 = await request(name, '/O=devs/CN=jane');
      await cluster.create(csr(name, base64, 'kube-apiserver-client', ['client auth']));
      await cluster.ok(['certificate', verb, name], old);
      await cluster.until(word, async () => (await cluster.ok(['get', 'csr', name], old)).endsWith(` ${word}\n`));
    }
  });

  it('gets none when it was denied, and nobody changes his mind', async () => {
    const base64 = await request('denied', '/O=devs/CN=jane');
    await cluster.create(csr('denied', base64, 'kube-apiserver-client', ['client auth']));
    await cluster.ok(['certificate', 'deny', 'denied']);
    assert.match(await show('denied'), / Denied\n$/);
    assert.equal(
      await cluster.refused(['certificate', 'approve', 'denied']),
      'error: certificate signing request "denied" is already Denied',
    );
    assert.match(await show('denied'), / Denied\n$/);
  });

  it('sees why nothing was issued for what was approved', async () => {
    const base64 = await request('failed', '/O=devs/CN=jane', 'P-256', '-addext', 'subjectAltName=DNS:kubernetes');
    await cluster.create(csr('failed', base64, 'kube-apiserver-client', ['client auth']));
    await cluster.ok(['certificate', 'approve', 'failed']);
    await cluster.until('the refusal', async () => (await show('failed')).endsWith(' Approved,Failed\n'));
    assert.equal(
      await cluster.ok([
        'get',
        'csr',
        'failed',
        '-o',
        'jsonpath={.status.conditions[1].reason}: {.status.conditions[1].message}',
      ]),
      'SignerValidationFailure: DNS subjectAltNames are not allowed',
    );
  });

  it('is told when nobody here issues for a signer', async () => {
    const base64 = await request('other', '/CN=jane');
    const object = csr('other', base64, 'kube-apiserver-client', ['client auth']);
    const foreign = { ...object, spec: { ...object.spec, signerName: 'example.com/signer' } };
    const { stderr } = await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(foreign) });
    assert.equal(
      stderr,
      'Warning: CertificateSigningRequest is not acted on by this cluster itself: nothing is issued for the signer "example.com/signer"\n',
    );
  });
});

describe('a node', () => {
  it('joins with a token, and then asks for its serving certificate itself', async () => {
    const made = await causeway(['token', 'create', '--data-dir', cluster.dataDirectory]);
    const token = made.stdout.trim();
    const client = csr(
      'node-client',
      await request('node-client', '/O=system:nodes/CN=system:node:worker-1'),
      'kube-apiserver-client-kubelet',
      ['digital signature', 'client auth'],
    );
    await askWithCurl({ token }, client);
    const uid = await cluster.ok(['get', 'node', 'worker-1', '-o', 'jsonpath={.metadata.uid}']);
    const subject = await openssl(
      'x509',
      '-in',
      'node-client.crt',
      '-noout',
      '-subject',
      '-nameopt',
      'oid,sep_comma_plus',
    );
    assert.match(subject, new RegExp(`1\\.3\\.6\\.1\\.4\\.1\\.57683\\.2 *= *${uid}`));
    assert.equal(
      await openssl('verify', '-purpose', 'sslclient', '-CAfile', ca, 'node-client.crt'),
      'node-client.crt: OK\n',
    );
    assert.equal(JSON.parse(await curl('node-client', '/api/v1/nodes/worker-1')).metadata.uid, uid);

    const serving = csr(
      'node-serving',
      await request(
        'node-serving',
        '/O=system:nodes/CN=system:node:worker-1',
        'P-256',
        '-addext',
        'subjectAltName=DNS:worker-1',
      ),
      'kubelet-serving',
      ['digital signature', 'server auth'],
    );
    await askWithCurl('node-client', serving);
    const check = ['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'worker-1', '-CAfile', ca];
    assert.equal(await openssl(...check, 'node-serving.crt'), 'node-serving.crt: OK\n');
    const names = await openssl('x509', '-in', 'node-serving.crt', '-noout', '-ext', 'subjectAltName');
    assert.match(names, new RegExp(`DNS:worker-1, URI:causeway:node-uid:${uid}\n`));
    assert.match(await show('node-client'), / system:bootstrap:\w{6} +<none> +Approved,Issued\n$/);
    assert.match(await show('node-serving'), / system:node:worker-1 +<none> +Approved,Issued\n$/);
  });
});
