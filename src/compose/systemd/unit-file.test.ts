import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { unitFile, unitName } from './unit-file.ts';

const run = promisify(execFile);
const root = mkdtempSync(join(tmpdir(), 'causeway-units-'));
after(() => rmSync(root, { recursive: true }));

const OPTIONS = {
  program: [process.execPath, '/usr/lib/node_modules/causeway/cli/main.js'],
  flags: ['--tls-san', 'a "quoted" $HOME %h name\\'],
  dataDirectory: '/var/lib/causeway-server',
};

for (const [role, most] of [
  ['server', 20],
  // It has to make namespaces, mounts and cgroups as root: not much less than everything.
  ['node', 93],
] as const) {
  const path = join(root, unitName(role));
  writeFileSync(path, unitFile(role, OPTIONS));

  test(`systemd understands the unit of a ${role}, every line of it`, async () => {
    // What it ignores it only tells.
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', path]);
    assert.equal(stdout + stderr, '');
  });

  test(`the unit of a ${role} is exposed to at most ${most / 10} of 10`, async () => {
    await run('systemd-analyze', ['security', '--offline=true', `--threshold=${most}`, path]);
  });
}

test('nothing in a flag is expanded', () => {
  const line = unitFile('server', OPTIONS)
    .split('\n')
    .find((text) => text.startsWith('ExecStart='));
  assert.equal(
    line,
    `ExecStart=${process.execPath} /usr/lib/node_modules/causeway/cli/main.js server --data-dir /var/lib/causeway-server --tls-san "a \\"quoted\\" $$HOME %%h name\\\\"`,
  );
});
