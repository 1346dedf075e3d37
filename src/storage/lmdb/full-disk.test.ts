import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

const child = new URL('../testing/full-disk-child.ts', import.meta.url).pathname;
const run = promisify(execFile);

/** A mount namespace of its own, so that the small file system goes with the process. */
const unshare = process.geteuid?.() === 0 ? ['-m'] : ['-r', '-m'];

describe('full disk', () => {
  it('refuses writes with a clear error, loses nothing, and recovers', async (test) => {
    const root = await mkdtemp(join(tmpdir(), 'causeway-full-'));
    test.after(() => rm(root, { recursive: true }));
    const script = 'mount -t tmpfs -o size=12m none "$1" && exec "$2" "$3" "$1"';
    const { stdout } = await run('unshare', [...unshare, 'sh', '-c', script, 'sh', root, process.execPath, child]);
    assert.equal(stdout, 'ok\n');
  });
});
