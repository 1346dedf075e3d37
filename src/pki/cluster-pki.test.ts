import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { ClusterPki } from './cluster-pki.ts';

const root = mkdtempSync(join(tmpdir(), 'causeway-pki-'));
after(() => rmSync(root, { recursive: true }));
const options = { clock: systemClock };
let folders = 0;

/** A directory with keys of its own. */
async function fresh(): Promise<string> {
  const directory = join(root, `pki-${folders++}`);
  await ClusterPki.open(directory, options);
  return directory;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
}

describe('ClusterPki', () => {
  it('makes everything at first start, and loads the same at the second', async () => {
    const directory = join(root, 'first');
    const first = await ClusterPki.open(directory, options);
    const second = await ClusterPki.open(directory, options);
    for (const ca of ['clusterCa', 'kubeletClientCa', 'frontProxyCa'] as const) {
      assert.equal(second[ca].certificate.fingerprint256, first[ca].certificate.fingerprint256);
    }
    assert.deepEqual(second.serviceAccountKeys.jwks(), first.serviceAccountKeys.jwks());
    assert.deepEqual(filesBelow(directory), [
      'ca.crt',
      'ca.key',
      'front-proxy-ca.crt',
      'front-proxy-ca.key',
      'kubelet-client-ca.crt',
      'kubelet-client-ca.key',
      'service-account-keys',
      'service-account-keys/0001.key',
    ]);
    assert.deepEqual(
      readdirSync(root).filter((name) => name.endsWith('.tmp')),
      [],
    );
  });

  it('has three authorities that share no key', async () => {
    const pki = await ClusterPki.open(await fresh(), options);
    const keys = [pki.clusterCa, pki.kubeletClientCa, pki.frontProxyCa].map(({ certificate }) =>
      certificate.publicKey.export({ type: 'spki', format: 'pem' }),
    );
    assert.equal(new Set(keys).size, 3);
    const kubeletClient = pki.issueKubeletClient({ user: 'apiserver', groups: [] }).certificate;
    assert.ok(kubeletClient.verify(pki.kubeletClientCa.certificate.publicKey));
    assert.ok(!kubeletClient.verify(pki.clusterCa.certificate.publicKey));
    const frontProxy = pki.issueFrontProxyClient({ user: 'p', groups: [] }).certificate;
    assert.ok(frontProxy.verify(pki.frontProxyCa.certificate.publicKey));
  });

  it('makes keys 0600 and folders 0700 under any umask', async () => {
    const before = process.umask(0);
    try {
      const directory = await fresh();
      assert.equal(statSync(directory).mode & 0o777, 0o700);
      assert.equal(statSync(join(directory, 'service-account-keys')).mode & 0o777, 0o700);
      for (const name of filesBelow(directory).filter((file) => file.endsWith('.key'))) {
        assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
      }
    } finally {
      process.umask(before);
    }
  });

  it('refuses keys and folders that others may read, in one line with the remedy', async () => {
    for (const [file, mode, shown] of [
      ['ca.key', 0o640, '0640'],
      ['kubelet-client-ca.key', 0o604, '0604'],
      ['service-account-keys/0001.key', 0o620, '0620'],
    ] as const) {
      const directory = await fresh();
      const path = join(directory, file);
      chmodSync(path, mode);
      await assert.rejects(ClusterPki.open(directory, options), {
        message: `${path} is open to other users (mode ${shown}): run chmod 600 ${path}`,
      });
    }
    const directory = await fresh();
    chmodSync(directory, 0o755);
    await assert.rejects(ClusterPki.open(directory, options), {
      message: `${directory} is open to other users (mode 0755): run chmod 700 ${directory}`,
    });
  });

  it('refuses a CA certificate that others may replace', async () => {
    const directory = await fresh();
    chmodSync(join(directory, 'ca.crt'), 0o666);
    await assert.rejects(ClusterPki.open(directory, options), { message: /ca\.crt may be written by other users/ });
  });

  it('refuses a key that is a link', async () => {
    const directory = await fresh();
    const path = join(directory, 'ca.key');
    cpSync(path, join(root, 'elsewhere.key'));
    rmSync(path);
    symlinkSync(join(root, 'elsewhere.key'), path);
    await assert.rejects(ClusterPki.open(directory, options), { message: `cannot read ${path}: ELOOP` });
  });

  it('refuses a key of another CA, and names the file', async () => {
    const [directory, other] = [await fresh(), await fresh()];
    cpSync(join(other, 'ca.key'), join(directory, 'ca.key'));
    await assert.rejects(ClusterPki.open(directory, options), {
      message: `${join(directory, 'ca.crt')}: the private key does not belong to the certificate`,
    });
  });

  it('refuses the two CAs swapped only in part, a missing half, and an unreadable certificate', async () => {
    const directory = await fresh();
    cpSync(join(directory, 'kubelet-client-ca.crt'), join(directory, 'ca.crt'));
    await assert.rejects(ClusterPki.open(directory, options), { message: /ca\.crt: the private key does not belong/ });
    const half = await fresh();
    rmSync(join(half, 'front-proxy-ca.key'));
    await assert.rejects(ClusterPki.open(half, options), {
      message: `cannot read ${join(half, 'front-proxy-ca.key')}: ENOENT`,
    });
    const broken = await fresh();
    writeFileSync(join(broken, 'ca.crt'), 'not a certificate');
    await assert.rejects(ClusterPki.open(broken, options), { message: /ca\.crt: the certificate cannot be parsed/ });
  });

  it('refuses an expired CA', async () => {
    const directory = await fresh();
    const late = { clock: { now: () => Date.now() + 3653 * 86_400_000 } };
    await assert.rejects(ClusterPki.open(directory, late), { message: /ca\.crt: the certificate expired on / });
  });

  it('refuses to start without a service-account key, and never makes a new one in an old cluster', async () => {
    const directory = await fresh();
    rmSync(join(directory, 'service-account-keys', '0001.key'));
    await assert.rejects(ClusterPki.open(directory, options), { message: /there is no service-account signing key/ });
    assert.deepEqual(readdirSync(join(directory, 'service-account-keys')), []);
  });

  it('signs with the last service-account key and verifies with all', async () => {
    const [directory, other] = [await fresh(), await fresh()];
    const before = (await ClusterPki.open(directory, options)).serviceAccountKeys;
    cpSync(join(other, 'service-account-keys', '0001.key'), join(directory, 'service-account-keys', '0002.key'));
    const both = (await ClusterPki.open(directory, options)).serviceAccountKeys;
    assert.notEqual(both.signingKey().keyId, before.signingKey().keyId);
    assert.ok(both.publicKey(before.signingKey().keyId));
    assert.equal(both.jwks().keys.length, 2);
  });

  it('shows no private part in the key set', async () => {
    const { serviceAccountKeys } = await ClusterPki.open(await fresh(), options);
    const [key] = serviceAccountKeys.jwks().keys;
    assert.deepEqual(Object.keys(key ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    assert.equal(key?.kid, serviceAccountKeys.signingKey().keyId);
  });

  it('cannot be made below a folder that does not exist', async () => {
    const directory = join(root, 'missing', 'pki');
    await assert.rejects(ClusterPki.open(directory, options), { message: `cannot create ${directory}: ENOENT` });
  });

  it('leaves key material out of errors', async () => {
    const directory = await fresh();
    const key = readFileSync(join(directory, 'ca.key'), 'utf8');
    writeFileSync(join(directory, 'ca.key'), key.replace('BEGIN', 'BEGUN'));
    const error = await ClusterPki.open(directory, options).catch((thrown: unknown) => thrown);
    const shown = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).stack);
    assert.ok(!shown.includes(key.split('\n')[1] ?? ''));
  });
});
