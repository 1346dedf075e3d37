import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import { JOURNAL_FILES, Journal } from './journal.ts';
import { type Change, decodeChange, encodeLog, NOWHERE } from './records.ts';

const PAGE = 4096;

/** A commit: the revisions from `first` to `last`, two changes each, of so many bytes. */
function commit(first: number, last = first, size = 100): Change[] {
  const changes: Change[] = [];
  for (let revision = first; revision <= last; revision++) {
    for (const sub of [0, 1]) {
      const kind = sub === 0 ? 'put' : 'delete';
      const logged = encodeLog(kind, NOWHERE, Buffer.from(`/k/${revision}/${sub}`), Buffer.alloc(size, revision));
      changes.push(decodeChange(logged, { revision, sub }));
    }
  }
  return changes;
}

describe('journal', () => {
  let root: string;
  let count = 0;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'causeway-journal-'));
  });
  after(() => rm(root, { recursive: true }));

  const files = async (): Promise<[string, string]> => {
    const base = join(root, `j${++count}-`);
    const paths: [string, string] = [`${base}${JOURNAL_FILES[0]}`, `${base}${JOURNAL_FILES[1]}`];
    for (const path of paths) await writeFile(path, '');
    return paths;
  };
  const openAt = (journalFiles: readonly [string, string], revision = 0): ReturnType<typeof Journal.open> =>
    Journal.open({ directory: root, journalFiles, revision, sync: true });
  /** What a start would find. */
  const found = async (paths: readonly [string, string], revision = 0): Promise<readonly Change[]> => {
    const { journal, changes } = await openAt(paths, revision);
    await journal.close();
    return changes;
  };
  const lacks = (revision: number) => (error: unknown) =>
    isCode(error, 'Conflict') &&
    error.message === `data directory ${root} is damaged: its journal lacks revision ${revision}`;
  const overwrite = async (path: string, position: number, bytes: Buffer): Promise<void> => {
    const handle = await open(path, 'r+');
    await handle.write(bytes, 0, bytes.length, position);
    await handle.close();
  };

  it('gives back what was appended after a revision, over both files', async () => {
    const paths = await files();
    const { journal, changes } = await openAt(paths);
    assert.deepEqual(changes, []);
    await journal.append(commit(1, 3));
    await journal.append(commit(4));
    journal.turn();
    await journal.append(commit(5, 6));
    await journal.close();
    assert.deepEqual(await found(paths), commit(1, 6));
    assert.deepEqual(await found(paths, 3), commit(4, 6));
    assert.deepEqual(await found(paths, 4), commit(5, 6));
    assert.deepEqual(await found(paths, 6), []);
  });

  it('forgets what a file held when it is written again', async () => {
    const paths = await files();
    const { journal } = await openAt(paths);
    for (let revision = 1; revision <= 4; revision++) await journal.append(commit(revision));
    journal.turn();
    await journal.append(commit(5));
    journal.turn();
    // Beyond it, 2 to 4 are still whole on the disk.
    await journal.append(commit(6));
    await journal.close();
    assert.deepEqual(await found(paths, 4), commit(5, 6));
    assert.deepEqual(await found(paths, 5), commit(6));
    // And after a restart that begins with the first file again.
    const again = await openAt(paths, 6);
    await again.journal.append(commit(7));
    await again.journal.close();
    assert.deepEqual(await found(paths, 6), commit(7));
  });

  it('takes a frame of many pages, and grows for it', async () => {
    const paths = await files();
    const { journal } = await openAt(paths);
    const large = commit(1, 1, 3 * 1024 * 1024);
    const growth = journal.growth(6 * 1024 * 1024 + 200, 2);
    const { size } = await stat(paths[0]);
    await journal.append(large);
    assert.ok((await stat(paths[0])).size <= size + growth);
    assert.equal(journal.growth(100, 1), 0);
    await journal.append(commit(2));
    await journal.close();
    assert.deepEqual(await found(paths), [...large, ...commit(2)]);
  });

  it('drops a last frame that is not whole, wherever it was cut', async () => {
    const paths = await files();
    const { journal } = await openAt(paths);
    await journal.append(commit(1));
    await journal.append(commit(2, 20, 1_000));
    await journal.close();
    const whole = await readFile(paths[0]);
    const end = whole.lastIndexOf(Buffer.alloc(100, 20)) + 100;
    for (const cut of [PAGE, PAGE + 1, PAGE + 20, 2 * PAGE, 3 * PAGE, end - 1]) {
      await truncate(paths[0], cut);
      assert.deepEqual(await found(paths), commit(1), `cut at ${cut}`);
      await writeFile(paths[0], whole);
      await overwrite(paths[0], cut, Buffer.alloc(whole.length - cut));
      assert.deepEqual(await found(paths), commit(1), `zeros from ${cut}`);
      await writeFile(paths[0], whole);
    }
    await truncate(paths[0], end);
    assert.deepEqual(
      await found(paths),
      commit(1, 20).map((change, i) => (i < 2 ? change : commit(2, 20, 1_000)[i - 2])),
    );
  });

  it('is damaged when a commit is missing that others follow', async () => {
    const paths = await files();
    const { journal } = await openAt(paths);
    for (let revision = 1; revision <= 3; revision++) await journal.append(commit(revision));
    journal.turn();
    await journal.append(commit(4));
    await journal.close();
    // The tables are older than the journal.
    await assert.rejects(openAt(paths, -1), lacks(0));
    const whole = await readFile(paths[0]);
    for (const [page, revision] of [
      [0, 1],
      [1, 2],
      [2, 3],
    ] as const) {
      await overwrite(paths[0], page * PAGE + 60, Buffer.from([0xaa]));
      await assert.rejects(openAt(paths), lacks(revision));
      await writeFile(paths[0], whole);
    }
    await truncate(paths[0], 0);
    await assert.rejects(openAt(paths), lacks(1));
    await writeFile(paths[0], whole);
    // The last one alone cannot be told from a commit that was never finished.
    await overwrite(paths[1], 60, Buffer.from([0xaa]));
    assert.deepEqual(await found(paths), commit(1, 3));
  });
});
