import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterTrustBundle } from '../../src/api/generated/types.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { run } from '../support/run.ts';

/** Whom pods trust: what may be in a bundle, and who may write it. */

const SIGNER = 'causeway.dev/pod-serving';
const BUNDLE = 'causeway.dev:pod-serving:cluster';

let cluster: TestCluster;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-trust-bundles-'));
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

describe('cluster trust bundles', () => {
  const bundle = (name: string, trustBundle: string, signerName?: string) => ({
    apiVersion: 'certificates.k8s.io/v1beta1',
    kind: 'ClusterTrustBundle',
    metadata: { name },
    spec: { trustBundle, ...(signerName === undefined ? {} : { signerName }) },
  });
  const refusal = async (object: object, ...as: string[]): Promise<string> => {
    const { code, stderr } = await cluster.kubectl(['create', '-f', '-', ...as], { stdin: JSON.stringify(object) });
    assert.notEqual(code, 0);
    return stderr;
  };
  let ca: string;
  before(async () => {
    ({
      spec: { trustBundle: ca },
    } = await cluster.json<ClusterTrustBundle>(['get', 'clustertrustbundle', BUNDLE]));
  });

  it('hold certificates of authorities and nothing else', async () => {
    const key = await openssl('genpkey', '-algorithm', 'ED25519');
    await openssl(
      'req',
      '-x509',
      '-newkey',
      'ed25519',
      '-nodes',
      '-keyout',
      'l.key',
      '-out',
      'l.pem',
      '-subj',
      '/CN=leaf',
      '-addext',
      'basicConstraints=critical,CA:FALSE',
    );
    const leaf = await readFile(join(folder, 'l.pem'), 'utf8');
    const cases: readonly (readonly [string, RegExp])[] = [
      [ca + key, /entry 1 has bad block type: PRIVATE KEY/],
      [ca + key.slice(0, 60), /a PEM block that does not end/],
      [leaf, /entry 0 does not have the CA bit set/],
      [ca + ca, /duplicate trust anchor/],
      ['words', /at least one trust anchor/],
    ];
    for (const [text, why] of cases) {
      const said = await refusal(bundle('bad', text));
      assert.match(said, why);
      assert.doesNotMatch(said, /BEGIN/, 'what is refused is not repeated');
    }
  });

  it('of a signer are called like it, and written by who may attest for it', async () => {
    assert.match(await refusal(bundle('mine', ca, SIGNER)), /must be named with prefix causeway.dev:pod-serving:/);
    assert.match(await refusal(bundle(`${BUNDLE}-2`, ca)), /metadata.name: Invalid value/);
    await cluster.ok(['create', 'clusterrole', 'bundles', '--verb=*', '--resource=clustertrustbundles']);
    await cluster.ok(['create', 'clusterrolebinding', 'bundles', '--clusterrole=bundles', '--user=eve']);
    const why = /not permitted to attest for signerName "causeway.dev\/pod-serving"/;
    assert.match(await refusal(bundle(`${BUNDLE}-2`, ca, SIGNER), '--as=eve'), why);
    const label = ['label', 'clustertrustbundle', BUNDLE, 'use=all'];
    assert.match(await cluster.refused([...label, '--as=eve']), why);
    await cluster.create(bundle('eves', ca));
    const move = ['patch', 'clustertrustbundle', 'eves', '--type=merge', '-p', `{"spec":{"signerName":"${SIGNER}"}}`];
    assert.match(await cluster.refused(move), /field is immutable|must be named with prefix/);
  });

  it('are chosen by signer, read by pods, and put right by the control plane', async () => {
    const names = await cluster.ok([
      'get',
      'clustertrustbundles',
      `--field-selector=spec.signerName=${SIGNER}`,
      '-o',
      'name',
    ]);
    assert.equal(names.trim(), `clustertrustbundle.certificates.k8s.io/${BUNDLE}`);
    const account = '--as=system:serviceaccount:default:default';
    await cluster.ok(['get', 'clustertrustbundles', account, '--as-group=system:serviceaccounts']);
    await cluster.ok(['delete', 'clustertrustbundle', BUNDLE]);
    await cluster.until(
      'the bundle is there again',
      async () =>
        (await cluster.kubectl(['get', 'clustertrustbundle', BUNDLE, '-o', 'jsonpath={.spec.trustBundle}'])).stdout ===
        ca,
    );
  });
});
