import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../lib/clock.ts';
import { CausewayError, isCode } from '../../lib/errors.ts';
import { silentLog } from '../../lib/log.ts';
import type { Store } from '../store.ts';
import { JOURNAL_FILES } from './journal.ts';
import { openLmdbStore } from './store.ts';

const openAt = (directory: string): Promise<Store> => openLmdbStore({ directory, clock: systemClock, log: silentLog });

const NOBODY = 65_534;

describe('data directory', () => {
  let root: string;
  let count = 0;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'causeway-data-'));
  });
  after(() => rm(root, { recursive: true }));

  const path = (): string => join(root, `d${++count}`);

  /** A store with something in it, closed. */
  const filled = async (): Promise<string> => {
    const directory = path();
    const store = await openAt(directory);
    for (let i = 0; i < 300; i++) {
      await store.txn([{ type: 'put', key: `/k/${i}`, expected: 0, encode: () => Buffer.alloc(1024, `value ${i} `) }]);
    }
    await store.close();
    return directory;
  };

  /** Everything that there is to see of a directory but times. LMDB's lock file is left out: it says which transaction an open store reads. */
  const fingerprint = async (directory: string): Promise<unknown> => {
    const names = (await readdir(directory)).filter((name) => name !== 'data.mdb-lock').sort();
    const files = names.map(async (name) => {
      const stats = await stat(join(directory, name));
      const bytes = stats.isFile() ? await readFile(join(directory, name)) : '';
      return [name, stats.mode, stats.size, createHash('sha256').update(bytes).digest('hex')];
    });
    return [(await stat(directory)).mode, await Promise.all(files)];
  };

  /** Opening must fail with that one line, and leave everything as it is. */
  const refused = async (directory: string, line: string): Promise<void> => {
    const before = await fingerprint(directory);
    await assert.rejects(openAt(directory), (error) => {
      assert.ok(error instanceof CausewayError);
      assert.equal(error.message, `data directory ${directory} ${line}`);
      return isCode(error, 'Conflict');
    });
    assert.deepEqual(await fingerprint(directory), before);
  };

  it('is made with its parents, closed to others, whatever the umask', async () => {
    const directory = join(path(), 'deep', 'storage');
    const umask = process.umask(0);
    try {
      const store = await openAt(directory);
      assert.equal((await stat(directory)).mode & 0o777, 0o700);
      for (const name of await readdir(directory)) {
        if (!name.startsWith('lock-')) assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600, name);
      }
      await store.close();
    } finally {
      process.umask(umask);
    }
    assert.deepEqual((await readdir(directory)).sort(), [
      'data.mdb',
      'data.mdb-lock',
      'format',
      'journal-0',
      'journal-1',
    ]);
  });

  it('may be there, empty, and is closed to others then', async () => {
    const directory = path();
    await mkdir(directory, { mode: 0o755 });
    const store = await openAt(directory);
    assert.equal((await stat(directory)).mode & 0o777, 0o700);
    await store.close();
  });

  it('is refused when it holds something else', async () => {
    const directory = path();
    await mkdir(directory);
    await writeFile(join(directory, 'notes.txt'), 'mine');
    await refused(directory, 'holds files of something else');

    const lmdb = await filled();
    await rm(join(lmdb, 'format'));
    await refused(lmdb, 'holds files of something else');

    const newer = await filled();
    await writeFile(join(newer, 'format'), 'causeway storage, format 3\n');
    await refused(newer, 'was made by a newer version');

    const file = path();
    await writeFile(file, '');
    await assert.rejects(openAt(file), { message: `data directory ${file} is not a directory` });
    const under = join(file, 'below');
    await assert.rejects(openAt(under), { message: `data directory ${under} cannot be read (ENOTDIR)` });
  });

  it('is refused when it cannot be written', { skip: process.geteuid?.() !== 0 }, async () => {
    const directory = path();
    await mkdir(directory);
    await chown(directory, NOBODY, NOBODY);
    await chmod(directory, 0o500);
    await chmod(root, 0o711);
    process.seteuid?.(NOBODY);
    try {
      await refused(directory, 'cannot be written (EACCES)');
      const below = join(directory, 'below');
      await assert.rejects(openAt(below), { message: `data directory ${below} cannot be made (EACCES)` });
    } finally {
      process.seteuid?.(0);
    }
  });

  it('is refused when others may read it', async () => {
    const directory = await filled();
    for (const mode of [0o750, 0o701, 0o777]) {
      await chmod(directory, mode);
      await refused(directory, 'is open to other users: its mode must be 0700');
    }
    await chmod(directory, 0o700);
    await (await openAt(directory)).close();
  });

  it('is refused when its file is damaged', async () => {
    const missing = await filled();
    await rm(join(missing, 'data.mdb'));
    await refused(missing, 'is damaged: data.mdb is missing');

    const foreign = await filled();
    await writeFile(join(foreign, 'data.mdb'), Buffer.alloc(65_536, 'x'));
    await refused(foreign, 'is damaged: data.mdb is not a database');

    for (const position of [24, 28, 4096 + 24]) {
      const flipped = await filled();
      await overwrite(join(flipped, 'data.mdb'), position, Buffer.from([0xff]));
      await refused(flipped, 'is damaged: data.mdb is not a database');
    }

    const cut = await filled();
    const { size } = await stat(join(cut, 'data.mdb'));
    assert.ok(size > 400_000);
    await truncate(join(cut, 'data.mdb'), 65_536);
    await refused(cut, 'is damaged: data.mdb is cut short');
    for (const length of [0, 100, 4096]) {
      await truncate(join(cut, 'data.mdb'), length);
      await refused(cut, 'is damaged: data.mdb is not a database');
    }
  });

  it('tells a value that changed on the disk from one that did not', async () => {
    const directory = await filled();
    const file = join(directory, 'data.mdb');
    const bytes = await readFile(file);
    const at = bytes.indexOf('value 123 value 123');
    assert.ok(at > 0);
    await overwrite(file, at, Buffer.from('V'));
    const store = await openAt(directory);
    assert.equal((await store.get('/k/122'))?.value.length, 1024);
    const corrupted = (error: unknown): boolean =>
      isCode(error, 'InternalError') && error.message === 'storage: the record of revision 124 is corrupted';
    await assert.rejects(store.get('/k/123'), corrupted);
    await assert.rejects(store.list('/k/'), corrupted);
    await store.close();
  });

  it('is set up again after a first start that did not finish', async () => {
    const directory = await filled();
    await writeFile(join(directory, 'format'), 'causeway storage, format 2, not complete\n');
    const store = await openAt(directory);
    assert.equal(store.revision(), 0);
    await store.close();
    assert.equal(await readFile(join(directory, 'format'), 'utf8'), 'causeway storage, format 2\n');
  });

  it('gets a journal when an earlier version made it', async () => {
    const directory = await filled();
    await writeFile(join(directory, 'format'), 'causeway storage, format 1\n');
    for (const name of JOURNAL_FILES) await rm(join(directory, name));
    for (let revision = 300; revision < 302; revision++) {
      const store = await openAt(directory);
      assert.equal(store.revision(), revision);
      assert.equal((await store.list('/k/')).entries.length, 300);
      await store.txn([{ type: 'put', key: '/a', expected: undefined, encode: () => Buffer.from('x') }]);
      await store.close();
    }
    assert.equal(await readFile(join(directory, 'format'), 'utf8'), 'causeway storage, format 2\n');
  });

  it('is refused when its journal is damaged', async () => {
    for (const name of JOURNAL_FILES) {
      const missing = await filled();
      await rm(join(missing, name));
      await refused(missing, `is damaged: ${name} is missing`);
    }

    // The data file of another day.
    const directory = await filled();
    const earlier = await readFile(join(directory, 'data.mdb'));
    for (let i = 0; i < 2; i++) {
      const store = await openAt(directory);
      await store.txn([{ type: 'put', key: '/a', expected: undefined, encode: () => Buffer.from('x') }]);
      await store.close();
    }
    await writeFile(join(directory, 'data.mdb'), earlier);
    await refused(directory, 'is damaged: its journal lacks revision 301');
  });

  it('belongs to one process at a time', async () => {
    const directory = path();
    const first = await openAt(directory);
    await first.txn([{ type: 'put', key: '/a', expected: 0, encode: () => Buffer.from('x') }]);
    await first.close();
    // Nothing of it waits in the journal: what changes now, the second process changed.
    const store = await openAt(directory);
    const before = await fingerprint(directory);
    await assert.rejects(openAt(directory), {
      message: `${directory} is in use by another process (pid ${process.pid})`,
    });
    assert.deepEqual(await fingerprint(directory), before);
    await store.close();
    const again = await openAt(directory);
    assert.equal(again.revision(), 1);
    await again.close();
  });
});

async function overwrite(file: string, position: number, bytes: Buffer): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(bytes, 0, bytes.length, position);
  await handle.close();
}
