import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const main = join(import.meta.dirname, 'main.ts');

/** Runs `causeway version` on a Node that says it is of another version. */
function versionOn(node: string): Promise<{ stdout: string }> {
  const versions = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${node}' } });`;
  const older = `${versions} Object.defineProperty(process, 'version', { value: 'v${node}' });`;
  const preload = `data:text/javascript,${encodeURIComponent(older)}`;
  return run(process.execPath, ['--import', preload, main, 'version'], { timeout: 60_000 });
}

test('an older Node is refused with one line that says which is needed', async () => {
  for (const old of ['20.20.2', '23.11.0']) {
    await assert.rejects(versionOn(old), (error: { code: number; stdout: string; stderr: string }) => {
      assert.equal(error.code, 1);
      assert.equal(error.stdout, '');
      assert.equal(error.stderr, `causeway: Node 24 or later is needed, and ${process.execPath} is v${old}\n`);
      return true;
    });
  }
});

test('Node 24 and later are taken', async () => {
  for (const node of ['24.0.0', '100.0.0']) assert.match((await versionOn(node)).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('nothing is imported before the check, since an older Node fails at what it does not know', () => {
  assert.doesNotMatch(readFileSync(main, 'utf8'), /^\s*(import|export)\s+[^(]/m);
});
