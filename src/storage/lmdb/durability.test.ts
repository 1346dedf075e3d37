import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { checkSyncTrace, type SyncReport } from '../testing/sync-trace.ts';
import { JOURNAL_FILES } from './journal.ts';

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

  const trace = async (
    mode: 'sync' | 'no-sync',
  ): Promise<{ lines: string[]; check: (lines: string[]) => SyncReport }> => {
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
    const lines = (await readFile(output, 'utf8')).split('\n');
    const journals = JOURNAL_FILES.map((name) => join(directory, name));
    return { lines, check: (some) => checkSyncTrace(some.join('\n'), join(directory, 'data.mdb'), journals) };
  };

  it('a commit is in the journal before it is acknowledged, and in the data file before the journal forgets it', async () => {
    const { lines, check } = await trace('sync');
    const report = check(lines);
    assert.equal(report.acknowledged, ACKNOWLEDGEMENTS);
    assert.deepEqual(report.early, []);
    assert.deepEqual(report.disordered, []);
    assert.ok(report.turns >= 4, `${report.turns} turns`);

    // The checker itself: it must miss each kind of call that is taken out of the same trace.
    const without = (pattern: RegExp): SyncReport => check(lines.filter((line) => !pattern.test(line)));
    const all = Array.from({ length: ACKNOWLEDGEMENTS }, (_, i) => i + 1);
    assert.deepEqual(without(/journal-\d.*O_DSYNC/).early, all);
    assert.notEqual(without(/fdatasync\(\d+<[^>]*data\.mdb>/).disordered.length, 0);
    assert.notEqual(without(/data\.mdb.*O_DSYNC/).disordered.length, 0);
    const lastAck = lines.findIndex((line) => line.includes(`"ACK ${ACKNOWLEDGEMENTS}\\n"`));
    const firstAck = lines.findIndex((line) => line.includes('"ACK 1\\n"'));
    const journalWrite = /pwrite64.*(journal-\d|resumed).*= \d+$/;
    const failed = lines.map((line, i) =>
      i > firstAck && i < lastAck && journalWrite.test(line)
        ? line.replace(/= \d+$/, '= -1 EIO (Input/output error)')
        : line,
    );
    assert.deepEqual(check(failed).early, all.slice(1));
  });

  it('and is missed when syncing is switched off', async () => {
    const { lines, check } = await trace('no-sync');
    const report = check(lines);
    assert.equal(report.acknowledged, ACKNOWLEDGEMENTS);
    assert.deepEqual(report.early, [1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
