import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { kubeconfig } from './kubeconfig.ts';
import { readKubeconfig } from './read-kubeconfig.ts';
import { testAuthority } from './testing/test-peers.ts';

const folder = mkdtempSync(join(tmpdir(), 'causeway-read-kubeconfig-'));
after(() => rmSync(folder, { recursive: true }));

const ca = testAuthority('ca');
const identity = ca.issueClient({ user: 'admin', groups: [] });
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const key = identity.privateKeyPem.reveal();

interface Parts {
  readonly cluster?: object;
  readonly user?: object;
  readonly config?: object;
}

/** Writes a kubeconfig with inline data, changed by `parts`, and reads it. */
function read(parts: Parts = {}, name = 'config') {
  const cluster = { server: 'https://example.org:6443', 'certificate-authority-data': base64(ca.certificatePem) };
  const path = join(folder, name);
  writeFileSync(
    path,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', namespace: 'x' } }],
      clusters: [{ name: 'c', cluster: { ...cluster, ...parts.cluster } }],
      users: [{ name: 'u', user: { token: 'abc', ...parts.user } }],
      ...parts.config,
    }),
  );
  return readKubeconfig(path);
}

const refusal = (why: string | RegExp, parts: Parts) =>
  assert.rejects(read(parts), (error: Error & { code: string }) => {
    assert.equal(error.code, 'BadRequest');
    assert.ok(error.message.startsWith(`kubeconfig ${join(folder, 'config')}: `), error.message);
    assert.ok(!error.message.includes('\n'), error.message);
    assert.match(error.message, typeof why === 'string' ? new RegExp(`: ${why}`) : why);
    return true;
  });

describe('reading a kubeconfig', () => {
  it('gives back what was written', async () => {
    const path = join(folder, 'written');
    writeFileSync(path, kubeconfig({ server: 'https://[::1]:6443', caPem: ca.certificatePem, identity }));
    const found = await readKubeconfig(path);
    assert.deepEqual([found.server, found.serverName], ['https://[::1]:6443', '::1']);
    assert.equal(found.caPem, ca.certificatePem);
    assert.equal(found.identity?.certificatePem, identity.certificatePem);
    assert.ok(found.identity?.privateKeyPem.equals(key));
    assert.equal(found.identity?.notAfter, Math.floor(identity.notAfter / 1000) * 1000);
    assert.equal(found.token, undefined);
  });

  it('follows file paths from its own folder, and takes inline data first', async () => {
    mkdirSync(join(folder, 'pki'), { recursive: true });
    writeFileSync(join(folder, 'pki', 'ca.crt'), `some words\n${ca.certificatePem}${key}`);
    writeFileSync(join(folder, 'pki', 'client.crt'), identity.certificatePem);
    writeFileSync(join(folder, 'pki', 'client.key'), key);
    const found = await read({
      cluster: {
        'certificate-authority-data': '',
        'certificate-authority': 'pki/ca.crt',
        'tls-server-name': 'kubernetes',
      },
      user: {
        token: undefined,
        'client-certificate': join(folder, 'pki/client.crt'),
        'client-key': 'pki/no-such.key',
        'client-key-data': base64(key),
      },
    });
    assert.equal(found.caPem, ca.certificatePem, 'a key beside the certificates stays where it is');
    assert.equal(found.serverName, 'kubernetes');
    assert.ok(found.identity?.privateKeyPem.equals(key));
  });

  it('takes a token, and hides it', async () => {
    const found = await read({
      cluster: { 'insecure-skip-tls-verify': false, 'disable-compression': true, extensions: [] },
    });
    assert.ok(found.token?.equals('abc'));
    assert.doesNotMatch(JSON.stringify(found), /abc"/);
  });

  it('refuses by name what would weaken it or what it does not do', async () => {
    await refusal('its cluster has insecure-skip-tls-verify: a server is always verified', {
      cluster: { 'insecure-skip-tls-verify': true },
    });
    await refusal('its cluster has proxy-url: causeway does not support it', { cluster: { 'proxy-url': 'http://p' } });
    for (const name of ['exec', 'auth-provider', 'username', 'password', 'tokenFile', 'as', 'as-groups']) {
      await refusal(`its user has ${name}: causeway does not support it`, { user: { [name]: ['x'] } });
    }
  });

  it('refuses a server that cannot be verified, or is more than one', async () => {
    await refusal('its cluster has no certificate-authority-data', { cluster: { 'certificate-authority-data': '' } });
    await refusal("its cluster's certificate authority is not PEM", {
      cluster: { 'certificate-authority-data': 'eA==' },
    });
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    await refusal(/certificate authority is not a certificate/, {
      cluster: { 'certificate-authority-data': base64(broken) },
    });
    for (const server of ['http://example.org', '', 'example.org:6443', 7]) {
      await refusal("its cluster's server must start with https://", { cluster: { server } });
    }
    for (const server of ['https://example.org/path', 'https://u:p@example.org', 'https://example.org/?a=b']) {
      await refusal("its cluster's server must be https://HOST:PORT and nothing more", { cluster: { server } });
    }
  });

  it('refuses half a credential, none, and a key of another certificate', async () => {
    const certificate = { 'client-certificate-data': base64(identity.certificatePem) };
    await refusal('its user needs both client-certificate and client-key', { user: certificate });
    await refusal('its user has neither a client certificate nor a token', { user: { token: '' } });
    const other = ca.issueClient({ user: 'other', groups: [] }).privateKeyPem.reveal();
    await refusal("its user's client key is not the key of the client certificate", {
      user: { ...certificate, 'client-key-data': base64(other) },
    });
    await refusal("its user's client key is not a PEM key", {
      user: { ...certificate, 'client-key-data': base64('x') },
    });
  });

  it('refuses a context, cluster or user that is not there or there twice', async () => {
    await refusal('it has no current-context', { config: { 'current-context': '' } });
    await refusal('it has no context "gone"', { config: { 'current-context': 'gone' } });
    await refusal('it has no user "u"', { config: { users: [] } });
    const twice = [{ name: 'c', cluster: {} }];
    await refusal('it has two entries for cluster "c"', { config: { clusters: [...twice, ...twice] } });
    await refusal('it has no cluster with no name', {
      config: { contexts: [{ name: 'here', context: { user: 'u' } }] },
    });
  });

  it('refuses what is no kubeconfig, and shows nothing of it', async () => {
    const path = join(folder, 'broken');
    for (const text of ['', 'hunter2', '[1]', 'a: [hunter2', 'a: 1\na: hunter2', 'a: &a [hunter2]\nb: *c']) {
      writeFileSync(path, text);
      await assert.rejects(readKubeconfig(path), (error: Error) => {
        assert.match(error.message, /it is not valid YAML|it has no current-context/);
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      });
    }
    await assert.rejects(readKubeconfig(join(folder, 'none')), { message: /there is no such file$/ });
    await assert.rejects(readKubeconfig(folder), { message: /it is not a file of at most 1 MiB$/ });
    await assert.rejects(readKubeconfig('/dev/zero'), { message: /it is not a file of at most 1 MiB$/ });
  });
});
