import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { promisify } from 'node:util';
import { causeway } from '../support/cluster.ts';

const run = promisify(execFile);
const root = mkdtempSync(join(tmpdir(), 'causeway-install-'));
after(() => rmSync(root, { recursive: true, force: true }));

const unit = (role: string): string => join(root, `etc/systemd/system/causeway-${role}.service`);
const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await causeway(args);
  assert.equal(code, 1);
  return stderr;
};

it('installs a server and a node as units that systemd accepts, with the flags that were given', async () => {
  const server = await causeway([
    'install',
    'server',
    '--root',
    root,
    '--secure-port=7443',
    '--tls-san',
    'a.example',
    'b.example',
  ]);
  assert.deepEqual([server.code, server.stderr, server.stdout], [0, '', `wrote ${unit('server')}\n`]);
  const node = await causeway([
    'install',
    'node',
    '--root',
    root,
    '--data-dir',
    '/srv/edge',
    '--node-labels',
    'disk=ssd',
  ]);
  assert.equal(node.code, 0, node.stderr);
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const started = (role: string): string | undefined => /^ExecStart=(.*)$/m.exec(readFileSync(unit(role), 'utf8'))?.[1];
  const serverFlags = '--secure-port=7443 --tls-san a.example b.example';
  assert.equal(
    started('server'),
    `${process.execPath} ${main} server --data-dir /var/lib/causeway-server ${serverFlags}`,
  );
  assert.equal(started('node'), `${process.execPath} ${main} node --data-dir /srv/edge --node-labels disk=ssd`);
  assert.match(readFileSync(join(root, 'etc/sysusers.d/causeway.conf'), 'utf8'), /^u causeway - /);
  for (const role of ['server', 'node']) {
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', unit(role)]);
    assert.equal(stdout + stderr, '');
  }
});

it('puts no secret into a unit or an image, and nothing that would not start', async () => {
  const image = ['--root', root];
  const token = 'abcdef.0123456789abcdef';
  assert.match(
    await refused('install', 'node', ...image, '--token', token),
    /^causeway: --token: an image must not carry/,
  );
  assert.match(await refused('install', 'server', ...image, '--data-dir', 'relative'), /give an absolute path/);
  assert.match(await refused('install', 'server', ...image, '--data-dir', '/with space'), /give an absolute path/);
  assert.match(await refused('install', 'server', ...image, '--bind-address', 'x'), /--bind-address x/);
  assert.match(
    await refused('install', 'node', ...image, '--pod-manifest-path', 'pods'),
    /a service needs an absolute path: \//,
  );
  assert.ok(!readFileSync(unit('node'), 'utf8').includes(token));
});

it('removes what it made, and no directory that is not its own', async () => {
  const data = join(root, 'srv/edge');
  mkdirSync(data, { recursive: true });
  writeFileSync(join(data, 'precious'), '');
  mkdirSync(join(root, 'var/lib/causeway-server'), { recursive: true });
  writeFileSync(join(root, 'var/lib/causeway-server/causeway.json'), '{}');
  const removed = await causeway(['uninstall', '--root', root]);
  assert.equal(removed.code, 0, removed.stderr);
  assert.match(removed.stdout, new RegExp(`^left ${data}: it is no data directory of Causeway$`, 'm'));
  assert.ok(!existsSync(unit('server')) && !existsSync(unit('node')));
  assert.ok(!existsSync(join(root, 'var/lib/causeway-server')));
  assert.ok(!existsSync(join(root, 'etc/sysusers.d/causeway.conf')));
  assert.ok(existsSync(join(data, 'precious')));
  assert.match(await refused('uninstall', '--root', root), /^causeway: nothing is installed: /);
});
