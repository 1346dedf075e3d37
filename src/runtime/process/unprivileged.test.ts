import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Nobody on this machine. */
const USER = '64321';
const FILES = [
  'process-runtime.test.ts',
  'attacks.test.ts',
  'adoption.test.ts',
  'leftovers.test.ts',
  'exec-end.test.ts',
];

/** The same tests once more without root, where this run has root; a run without it has done them already. */
it('passes its tests as an unprivileged user too', { timeout: 300_000 }, (t) => {
  if (process.getuid?.() !== 0) return t.skip('this run is unprivileged');
  const as = ['--reuid', USER, '--regid', USER, '--clear-groups', '--inh-caps=-all'];
  const files = FILES.map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const readable = spawnSync('setpriv', [...as, process.execPath, '--check', files[0] ?? ''], { cwd: '/' });
  if (readable.status !== 0) return t.skip('this checkout is not readable by other users');
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const temporary = mkdtempSync(join(tmpdir(), 'causeway-user-'));
  chownSync(temporary, Number(USER), Number(USER));
  t.after(() => rmSync(temporary, { recursive: true, force: true }));
  const result = spawnSync('setpriv', [...as, process.execPath, '--test', '--test-reporter=tap', ...files], {
    cwd: '/',
    encoding: 'utf8',
    env: { ...env, HOME: '/nonexistent', TMPDIR: temporary },
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.equal(
    result.status,
    0,
    result.stdout
      .split('\n')
      .filter((line) => /not ok|error:|code:|message/.test(line))
      .join('\n'),
  );
  assert.match(result.stdout, /^# fail 0$/m);
  assert.doesNotMatch(result.stdout, /^# pass 0$/m);
});
