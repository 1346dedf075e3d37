import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Node, Pod, PodCertificateRequest } from '../../src/api/generated/types.ts';
import { causeway, startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { run } from '../support/run.ts';

/** Certificates of pods: openssl serves with them and issues them, curl verifies them, kubectl is everybody who asks. */

const SIGNER = 'causeway.dev/pod-serving';
const BUNDLE = 'causeway.dev:pod-serving:cluster';
const FOREIGN = 'example.com/other';

let cluster: TestCluster;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-pod-certificates-'));
  cluster = await startCluster();
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

const source = (signerName: string, more: object = {}) => ({
  podCertificate: { signerName, keyType: 'ECDSAP256', credentialBundlePath: 'bundle.pem', ...more },
});
const volume = (...sources: object[]) => ({ volumes: [{ name: 'tls', projected: { sources } }] });
const mounted = { volumeMounts: [{ name: 'tls', mountPath: '/tls' }] };

async function ready(...names: string[]): Promise<void> {
  await cluster.ok(['wait', '--for=condition=Ready', ...names.map((name) => `pod/${name}`), '--timeout=60s']);
}

const sh = (pod: string, script: string) => cluster.kubectl(['exec', pod, '-c', 'main', '--', 'sh', '-c', script]);
const requestsOf = async (pod: string): Promise<PodCertificateRequest[]> =>
  (
    await cluster.json<{ items: PodCertificateRequest[] }>([
      'get',
      'podcertificaterequests',
      `--field-selector=spec.podName=${pod}`,
    ])
  ).items;

const service = (name: string, selector: object, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector, ports: [{ port: 8443 }], ...spec },
});

describe('a pod that serves TLS', () => {
  before(async () => {
    await cluster.create(
      service('web', { app: 'web' }),
      service('stars', { app: 'web' }, { clusterIP: 'None' }),
      service('bank', { app: 'bank' }),
    );
    const serve = 'openssl s_server -quiet -accept 8443 -cert /tls/bundle.pem -key /tls/bundle.pem -www & wait $!';
    const spec = { ...volume(source(SIGNER)), hostname: 'sun', subdomain: 'stars' };
    const trust = { clusterTrustBundle: { name: BUNDLE, path: 'ca.pem' } };
    const signers = { clusterTrustBundle: { signerName: SIGNER, labelSelector: {}, path: 'all.pem' } };
    const absent = { clusterTrustBundle: { name: 'absent', path: 'absent.pem', optional: true } };
    await cluster.create(
      shellPod('server', serve, { labels: { app: 'web' }, spec: spec as Pod['spec'] & object, container: mounted }),
      shellPod('client', WAIT, { spec: volume(trust, signers, absent) as Pod['spec'] & object, container: mounted }),
    );
    await ready('server', 'client');
  });

  it('is verified by another by the name of its service, and by no other name', async () => {
    const ip = await cluster.ok(['get', 'pod', 'server', '-o', 'jsonpath={.status.podIP}']);
    const curl = (host: string, ca = 'ca.pem') =>
      sh('client', `curl -sS --cacert /tls/${ca} --resolve ${host}:8443:${ip} https://${host}:8443/`);
    await cluster.until('the server answers', async () => (await curl('web.default.svc')).code === 0);
    const good = ['web.default.svc.cluster.local', 'stars.default.svc', 'sun.stars.default.svc', 'server.default.pod'];
    for (const host of good) assert.equal((await curl(host)).code, 0, host);
    for (const host of ['bank.default.svc', 'kubernetes.default.svc', 'web.kube-system.svc', 'web']) {
      assert.match((await curl(host)).stderr, /no alternative certificate subject name matches/, host);
    }
    assert.equal((await curl('web.default.svc', 'all.pem')).code, 0);
    assert.equal((await sh('client', 'cat /tls/absent.pem')).stdout, '');
    const [request] = await requestsOf('server');
    assert.equal(request?.status?.conditions?.[0]?.type, 'Issued');
    assert.match(
      await cluster.ok(['get', 'podcertificaterequests']),
      /server +default +\S+ +causeway.dev\/pod-serving +Issued/,
    );
  });

  it('gets the next certificate without a restart, with its address once that is known', async () => {
    const read = async (): Promise<X509Certificate> => {
      const { stdout } = await sh('server', 'cat /tls/bundle.pem');
      assert.match(stdout, /^-----BEGIN PRIVATE KEY-----/);
      return new X509Certificate(stdout.slice(stdout.indexOf('-----BEGIN CERTIFICATE')));
    };
    const first = await read();
    assert.deepEqual(first.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'a server, and no client');
    assert.equal(first.validToDate.getTime() - first.validFromDate.getTime(), 86_400_000);
    const isolated = (await cluster.json<Pod>(['get', 'pod', 'server'])).spec?.hostNetwork !== true && cluster.isRoot;
    if (!isolated) return;
    const ip = await cluster.ok(['get', 'pod', 'server', '-o', 'jsonpath={.status.podIP}']);
    // The contents of volumes are made fresh when annotations change, and every minute.
    await cluster.ok(['annotate', 'pod', 'server', 'example.com/fresh=1']);
    const next = await cluster.until('the next certificate', async () => {
      const now = await read();
      return now.fingerprint256 === first.fingerprint256 ? undefined : now;
    });
    assert.match(next.subjectAltName ?? '', new RegExp(`IP Address:${ip.replaceAll('.', '\\.')}`));
    assert.equal((await cluster.json<Pod>(['get', 'pod', 'server'])).status?.containerStatuses?.[0]?.restartCount, 0);
    assert.notDeepEqual(
      next.publicKey.export({ type: 'spki', format: 'der' }),
      first.publicKey.export({ type: 'spki', format: 'der' }),
    );
  });
});

describe('another signer', () => {
  it('is waited for, and then its certificate is used', async () => {
    const files = {
      credentialBundlePath: undefined,
      keyPath: 'key.pem',
      certificateChainPath: 'chain.pem',
      keyType: 'RSA3072',
    };
    const spec = volume(source(FOREIGN, files)) as Pod['spec'] & object;
    await cluster.create(shellPod('waits', WAIT, { spec, container: mounted }));
    const why = `waits for the signer ${FOREIGN} to answer PodCertificateRequest waits-`;
    await cluster.until('the event that says why the pod waits', async () =>
      (await cluster.ok(['get', 'events', '--field-selector=involvedObject.name=waits'])).includes(why),
    );
    const [request, ...more] = await requestsOf('waits');
    assert.deepEqual([request?.status, more], [{}, []], 'nobody else answers, and it is asked once');
    const name = request?.metadata.name ?? '';

    await writeFile(join(folder, 'stub.der'), Buffer.from(request?.spec.stubPKCS10Request ?? '', 'base64'));
    await openssl('req', '-inform', 'DER', '-in', 'stub.der', '-verify', '-noout');
    await openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=other',
    );
    await openssl(
      'x509',
      '-req',
      '-inform',
      'DER',
      '-in',
      'stub.der',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-days',
      '1',
      '-out',
      'leaf.pem',
    );
    const chain = await readFile(join(folder, 'leaf.pem'), 'utf8');
    const { validFromDate: from, validToDate: to } = new X509Certificate(chain);
    const status = (certificateChain: string, end = to) => ({
      conditions: [
        {
          type: 'Issued',
          status: 'True',
          reason: 'Signed',
          message: 'by hand',
          lastTransitionTime: from.toISOString(),
        },
      ],
      certificateChain,
      notBefore: from.toISOString(),
      beginRefreshAt: new Date(from.getTime() + 3_600_000).toISOString(),
      notAfter: end.toISOString(),
    });
    const patch = (one: object, ...as: string[]) => [
      'patch',
      'podcertificaterequest',
      name,
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status: one }),
      ...as,
    ];
    await cluster.ok([
      'create',
      'clusterrole',
      'signs-nothing',
      '--verb=patch,get',
      '--resource=podcertificaterequests,podcertificaterequests/status',
    ]);
    await cluster.ok(['create', 'clusterrolebinding', 'signs-nothing', '--clusterrole=signs-nothing', '--user=eve']);
    assert.match(
      await cluster.refused(patch(status(chain), '--as=eve')),
      /not permitted to sign requests with signerName "example.com\/other"/,
    );
    assert.match(
      await cluster.refused(patch(status(await readFile(join(folder, 'ca.pem'), 'utf8')))),
      /not issued to the requested public key/,
    );
    assert.match(await cluster.refused(patch(status(chain, from))), /status.notAfter: Invalid value/);
    await cluster.ok(patch(status(chain)));
    await ready('waits');
    assert.equal((await sh('waits', 'cat /tls/chain.pem')).stdout, chain);
    assert.match((await sh('waits', 'openssl pkey -in /tls/key.pem -noout -text')).stdout, /Private-Key: \(3072 bit/);
    assert.match(await cluster.refused(patch({ conditions: [] })), /immutable after PodCertificateRequest is issued/);
  });
});

describe('who wants a certificate that is not his', () => {
  let node: Node;
  let pod: Pod;
  let stub: string;

  before(async () => {
    const spec = volume(source(SIGNER)) as Pod['spec'] & object;
    await cluster.create(
      shellPod('mine', WAIT, { spec, container: mounted }),
      shellPod('plain', WAIT),
      shellPod('elsewhere', WAIT, { spec: { ...spec, nodeName: 'elsewhere' } }),
    );
    await ready('mine', 'plain');
    const [first] = (await cluster.json<{ items: Node[] }>(['get', 'nodes'])).items;
    assert.ok(first);
    node = first;
    pod = await cluster.json<Pod>(['get', 'pod', 'mine']);
    await openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'x.key',
      '-subj',
      '/CN=x',
      '-outform',
      'DER',
      '-out',
      'x.der',
    );
    stub = (await readFile(join(folder, 'x.der'))).toString('base64');
  });

  const asNode = () => [
    `--as=system:node:${node.metadata.name}`,
    '--as-group=system:nodes',
    `--as-uid=${node.metadata.uid}`,
  ];

  async function ask(spec: Partial<PodCertificateRequest['spec']>, ...as: string[]) {
    const account = await cluster.ok(['get', 'serviceaccount', 'default', '-o', 'jsonpath={.metadata.uid}']);
    const object = {
      apiVersion: 'certificates.k8s.io/v1beta1',
      kind: 'PodCertificateRequest',
      metadata: { generateName: 'attack-', namespace: 'default' },
      spec: {
        signerName: SIGNER,
        podName: 'mine',
        podUID: pod.metadata.uid,
        serviceAccountName: 'default',
        serviceAccountUID: account,
        nodeName: node.metadata.name,
        nodeUID: node.metadata.uid,
        stubPKCS10Request: stub,
        ...spec,
      },
    };
    return cluster.kubectl(['create', '-o', 'name', '-f', '-', ...as], { stdin: JSON.stringify(object) });
  }

  it('by hand is refused, even an admin', async () => {
    assert.match((await ask({})).stderr, /only the node of a pod asks for its certificate/);
    assert.match((await ask({}, '--as=eve')).stderr, /cannot create resource "podcertificaterequests"/);
  });

  it('as a node is refused whatever is not its own pod, as it is now', async () => {
    const uidOf = (name: string) => cluster.ok(['get', 'pod', name, '-o', 'jsonpath={.metadata.uid}']);
    const tampered = Buffer.from(stub, 'base64');
    tampered.writeUInt8(tampered.readUInt8(tampered.length - 1) ^ 1, tampered.length - 1);
    await openssl(
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'w.key',
      '-subj',
      '/CN=x',
      '-outform',
      'DER',
      '-out',
      'w.der',
    );
    const weak = (await readFile(join(folder, 'w.der'))).toString('base64');
    const cases: readonly (readonly [Partial<PodCertificateRequest['spec']>, RegExp])[] = [
      [{ nodeName: 'elsewhere' }, /Spec.NodeName="elsewhere", which is not node/],
      [{ nodeUID: 'other' }, /UID mismatch/],
      [{ podName: 'elsewhere', podUID: await uidOf('elsewhere') }, /pod "default\/elsewhere" is not on node/],
      [{ podUID: '5dc8d7b5-6a25-4ee7-a9b0-5ff2f2cbb3a1' }, /pod "default\/mine" UID mismatch/],
      [{ podName: 'gone' }, /pods "gone" not found/],
      [
        { podName: 'plain', podUID: await uidOf('plain') },
        /has no volume with a certificate of "causeway.dev\/pod-serving"/,
      ],
      [{ signerName: FOREIGN }, /has no volume with a certificate of "example.com\/other"/],
      [{ serviceAccountName: 'admin' }, /does not run as service account "admin"/],
      [{ serviceAccountUID: 'other' }, /service account "default" UID mismatch/],
      [{ stubPKCS10Request: tampered.toString('base64') }, /the signature does not belong to the public key/],
      [{ stubPKCS10Request: weak }, /RSA keys must have modulus size 3072 or 4096/],
      [{ proofOfPossession: 'eA==' }, /proofOfPossession: Forbidden: deprecated/],
      [{ maxExpirationSeconds: 3599 }, /must be in the range \[3600, 7862400\]/],
    ];
    for (const [spec, why] of cases) assert.match((await ask(spec, ...asNode())).stderr, why, JSON.stringify(spec));
    assert.match(
      (await ask({}, ...asNode().slice(0, 2), '--as-uid=other', '--validate=false')).stderr,
      /Forbidden|forbidden/,
    );
    assert.match(
      await cluster.refused(['get', 'podcertificaterequests', ...asNode()]),
      /can only list\/watch podcertificaterequests with spec.nodeName/,
    );
  });

  it("by labels gets the names of his own namespace's services, and of no other's", async () => {
    await cluster.ok(['create', 'namespace', 'thieves']);
    const spec = volume(source(SIGNER)) as Pod['spec'] & object;
    const labels = { app: 'bank' };
    await cluster.create(
      shellPod('teller', WAIT, { labels, spec, container: mounted }),
      shellPod('thief', WAIT, { namespace: 'thieves', labels, spec, container: mounted }),
    );
    const namesOf = async (name: string, namespace: string): Promise<string> => {
      await cluster.ok(['wait', '--for=condition=Ready', `pod/${name}`, '-n', namespace, '--timeout=60s']);
      const read = ['exec', name, '-n', namespace, '--', 'cat', '/tls/bundle.pem'];
      const bundle = await cluster.ok(read);
      return new X509Certificate(bundle.slice(bundle.indexOf('-----BEGIN CERTIFICATE'))).subjectAltName ?? '';
    };
    assert.match(await namesOf('teller', 'default'), /DNS:bank\.default\.svc,/);
    assert.match(await namesOf('thief', 'thieves'), /^DNS:thief\.thieves\.pod(, IP Address:\S+)?$/);
  });

  it('as the node of the pod gets one for an hour, for this pod', async () => {
    const made = await ask({ maxExpirationSeconds: 3600 }, ...asNode());
    assert.equal(made.code, 0, made.stderr);
    const name = made.stdout.trim();
    const request = await cluster.until('the answer', async () => {
      const one = await cluster.json<PodCertificateRequest>(['get', name]);
      return one.status?.certificateChain === undefined ? undefined : one;
    });
    const { subjectAltName } = new X509Certificate(request.status?.certificateChain ?? '');
    assert.match(subjectAltName ?? '', /^DNS:mine\.default\.pod(, IP Address:[^,]+)?$/);
    const denied = await ask({ unverifiedUserAnnotations: { 'example.com/names': 'bank.default.svc' } }, ...asNode());
    const refused = await cluster.until('the refusal', async () => {
      const one = await cluster.json<PodCertificateRequest>(['get', denied.stdout.trim()]);
      return one.status?.conditions?.[0];
    });
    assert.deepEqual([refused.type, refused.reason], ['Denied', 'UnknownAnnotations']);
  });
});

it('when the authorities are replaced, pods get certificates of the new one before the old one is trusted no more', async () => {
  const rotate = async (phase: string): Promise<void> => {
    const flags = ['--data-dir', cluster.dataDirectory, '--phase', phase, '--grace', '0'];
    const { code, stderr } = await causeway(['cert', 'rotate-ca', ...flags]);
    assert.equal(code, 0, stderr);
  };
  const trusted = async (): Promise<string[]> => {
    const bundle = await cluster.ok(['get', 'clustertrustbundle', BUNDLE, '-o', 'jsonpath={.spec.trustBundle}']);
    return bundle.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
  };
  const [old = ''] = await trusted();
  const served = async (): Promise<X509Certificate> =>
    new X509Certificate((await sh('mine', 'sed 1,/END/d /tls/bundle.pem')).stdout);
  assert.equal((await served()).verify(new X509Certificate(old).publicKey), true);
  await rotate('trust');
  const both = await cluster.until('both are trusted', async () => {
    const now = await trusted();
    return now.length === 2 && now;
  });
  await rotate('reissue');
  await cluster.ok(['annotate', 'pod', 'mine', 'example.com/fresh=1']);
  const fresh = new X509Certificate(both.find((pem) => pem !== old) ?? '');
  await cluster.until('a certificate of the new authority', async () => (await served()).verify(fresh.publicKey));
  await rotate('drop');
  await cluster.until('the old one is trusted no more', async () => !(await trusted()).includes(old));
});
