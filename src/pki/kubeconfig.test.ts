import assert from 'node:assert/strict';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse } from 'yaml';
import { kubeconfig } from './kubeconfig.ts';
import { readSecretFile, writeSecretFile } from './secret-file.ts';
import { testAuthority } from './testing/test-peers.ts';

const folder = mkdtempSync(join(tmpdir(), 'causeway-kubeconfig-'));
after(() => rmSync(folder, { recursive: true }));

describe('kubeconfig', () => {
  const ca = testAuthority('ca');
  const identity = ca.issueClient({ user: 'admin', groups: ['system:masters'], days: 365 });

  it('holds everything itself and points to no file', () => {
    const text = kubeconfig({
      server: 'https://127.0.0.1:6443',
      caPem: ca.certificatePem,
      identity,
      userName: 'a: "b" #c',
      namespace: 'dev',
    });
    const config = parse(text);
    assert.equal(config.apiVersion, 'v1');
    assert.equal(config.kind, 'Config');
    const [context] = config.contexts;
    assert.equal(config['current-context'], context.name);
    assert.deepEqual(context.context, { cluster: 'causeway', user: 'a: "b" #c', namespace: 'dev' });
    const [cluster] = config.clusters;
    assert.equal(cluster.cluster.server, 'https://127.0.0.1:6443');
    const decode = (data: string) => Buffer.from(data, 'base64').toString();
    assert.equal(decode(cluster.cluster['certificate-authority-data']), ca.certificatePem);
    const [user] = config.users;
    assert.equal(decode(user.user['client-certificate-data']), identity.certificatePem);
    assert.equal(decode(user.user['client-key-data']), identity.privateKeyPem.reveal());
    assert.doesNotMatch(text, /insecure|certificate-authority:|client-certificate:|client-key:/);
  });
});

describe('secret files', () => {
  it('are 0600, whole, and replace what was there, a link too', async () => {
    const path = join(folder, 'secret');
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, path);
    await writeSecretFile(path, 'one');
    assert.equal(readFileSync(victim, 'utf8'), 'untouched');
    assert.equal(lstatSync(path).mode & 0o7777, 0o600);
    assert.ok(lstatSync(path).isFile());
    await writeSecretFile(path, 'two');
    assert.equal((await readSecretFile(path)).reveal(), 'two');
    assert.deepEqual(readdirSync(folder).sort(), ['secret', 'victim']);
  });

  it('leave nothing behind when writing fails', async () => {
    await assert.rejects(writeSecretFile(join(folder, 'no', 'secret'), 'x'), { code: 'ENOENT' });
    await assert.rejects(writeSecretFile(folder, 'x'), { code: /EISDIR|ENOTEMPTY|EEXIST/ });
    assert.deepEqual(
      readdirSync(tmpdir()).filter((name) => name.startsWith('causeway-kubeconfig-') && name.endsWith('.tmp')),
      [],
    );
  });

  it('are not read from a folder or a pipe', async () => {
    await assert.rejects(readSecretFile(folder), { message: `${folder} is not a regular file` });
  });
});
