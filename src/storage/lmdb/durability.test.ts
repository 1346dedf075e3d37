import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { checkSyncTrace, type SyncReport } from '../testing/sync-trace.ts';

const child = new URL('../testing/sync-child.ts', import.meta.url).pathname;
const CALLS = 'trace=openat,write,writev,pwrite64,pwritev,pwritev2,fdatasync,fsync,msync';
const ACKNOWLEDGEMENTS = 8;

/** What the page cache hides from a test that kills the process, strace shows. It must be installed: without it this fails. */
describe('durability', () => {
  let root: string;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'causeway-sync-')));
  });
  after(() => rm(root, { recursive: true }));

  const trace = async (mode: 'sync' | 'no-sync'): Promise<{ report: SyncReport; text: string; dataFile: string }> => {
    const directory = join(root, mode);
    const output = join(root, `${mode}.strace`);
    await promisify(execFile)('strace', [
      '-f',
      '-y',
      '-e',
      CALLS,
      '-o',
      output,
      process.execPath,
      child,
      directory,
      mode,
    ]);
    const text = await readFile(output, 'utf8');
    const dataFile = join(directory, 'data.mdb');
    return { report: checkSyncTrace(text, dataFile), text, dataFile };
  };

  it('a sync of the data file completes before each acknowledgement', async () => {
    const { report, text, dataFile } = await trace('sync');
    assert.equal(report.acknowledged, ACKNOWLEDGEMENTS);
    assert.deepEqual(report.early, []);
    assert.ok(report.syncs >= ACKNOWLEDGEMENTS);

    // The checker itself: it must miss each kind of call that is taken out of the same trace.
    const lines = text.split('\n');
    const without = (pattern: RegExp): SyncReport =>
      checkSyncTrace(lines.filter((line) => !pattern.test(line)).join('\n'), dataFile);
    const all = Array.from({ length: ACKNOWLEDGEMENTS }, (_, i) => i + 1);
    assert.deepEqual(without(/fdatasync/).early, all);
    assert.deepEqual(without(/O_DSYNC/).early, all);
    const last = lines.findLastIndex((line) => line.includes('fdatasync') && line.includes(dataFile));
    const lastAck = lines.findIndex((line) => line.includes(`"ACK ${ACKNOWLEDGEMENTS}\\n"`));
    const beforeAck = lines.slice(0, lastAck).findLastIndex((line) => line.includes('fdatasync'));
    assert.ok(last >= beforeAck);
    const failed = lines.with(beforeAck, (lines[beforeAck] as string).replace(/= 0$/, '= -1 EIO (Input/output error)'));
    assert.deepEqual(checkSyncTrace(failed.join('\n'), dataFile).early, [ACKNOWLEDGEMENTS]);
  });

  it('and is missed when syncing is switched off', async () => {
    const { report } = await trace('no-sync');
    assert.equal(report.acknowledged, ACKNOWLEDGEMENTS);
    assert.deepEqual(report.early, [1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
