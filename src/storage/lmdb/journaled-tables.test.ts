import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { MAX_RECENT_BYTES } from '../limits.ts';
import { JOURNAL_FILES } from './journal.ts';
import { JournaledTables } from './journaled-tables.ts';
import type { RecentChanges } from './recent.ts';
import { type Change, decodeChange, encodeLog, NOWHERE } from './records.ts';
import { openTables, type Snapshot, type Tables } from './tables.ts';

const START = Buffer.from('/');
const END = Buffer.from('0');

interface Harness {
  readonly journaled: JournaledTables;
  readonly tables: Tables;
  /** What the tables were given, and what each commit waits for before it reaches them. */
  readonly commits: RecentChanges[];
  readonly gate: { wait: () => Promise<void>; die: () => void };
  /** The same files, opened again without closing them: what a crash leaves. */
  crashed(): Promise<JournaledTables>;
}

describe('tables with a journal', () => {
  let root: string;
  let count = 0;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'causeway-journaled-'));
  });
  after(() => rm(root, { recursive: true }));

  const setUp = async (test: TestContext, flushChanges?: number): Promise<Harness> => {
    const base = join(root, `t${++count}-`);
    const dataFile = `${base}data.mdb`;
    const journalFiles = [`${base}${JOURNAL_FILES[0]}`, `${base}${JOURNAL_FILES[1]}`] as const;
    for (const file of journalFiles) await writeFile(file, '');
    const real = openTables(dataFile);
    const commits: RecentChanges[] = [];
    const gate = { wait: () => Promise.resolve(), die: () => undefined };
    const tables: Tables = {
      ...real,
      async commit(changes) {
        commits.push(changes);
        await gate.wait();
        await real.commit(changes);
      },
    };
    const options = { directory: root, dataFile, journalFiles, tables, sync: true };
    const tuning = flushChanges === undefined ? {} : { flushChanges };
    const journaled = await JournaledTables.open({ ...options, ...tuning, revision: 0 });
    test.after(() => {
      gate.die();
      return journaled.close();
    });
    const crashed = async (): Promise<JournaledTables> => {
      const snapshot = real.snapshot();
      const revision = snapshot.state('revision');
      snapshot.done();
      return JournaledTables.open({ ...options, tables: { ...real, close: () => Promise.resolve() }, revision });
    };
    return { journaled, tables: real, commits, gate, crashed };
  };

  const change = (revision: number, key: string, size = 8): Change =>
    decodeChange(encodeLog('put', NOWHERE, Buffer.from(key), Buffer.alloc(size, String(revision))), {
      revision,
      sub: 0,
    });
  const read = <T>(from: { snapshot(): Snapshot }, what: (snapshot: Snapshot) => T): T => {
    const snapshot = from.snapshot();
    try {
      return what(snapshot);
    } finally {
      snapshot.done();
    }
  };
  const state = (snapshot: Snapshot): string =>
    [...snapshot.indexRange(START, END)].map(({ key, record }) => `${key.toString()}@${record.revision}`).join(' ');
  const history = (snapshot: Snapshot, from = 0): number[] =>
    [...snapshot.logRange(from, snapshot.state('revision'))].map(({ place }) => place.revision);

  /** Holds each commit until it is let through, or the process is taken for dead. Answers how to let it through. */
  const hold = ({ gate }: Harness): (() => void) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => undefined);
    gate.wait = () => promise;
    gate.die = () => reject(new Error('dead'));
    return resolve;
  };
  const upTo = (revision: number): number[] => Array.from({ length: revision }, (_, i) => i + 1);
  const until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; i < 2_000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(condition());
  };
  /** Resolves when the tables have at least that. */
  const flushed = ({ tables }: Harness, revision: number): Promise<void> =>
    until(() => read(tables, (snapshot) => snapshot.state('revision')) >= revision);

  it('shows one state, wherever its changes are', async (test) => {
    const harness = await setUp(test, 2);
    const { journaled } = harness;
    await journaled.append([change(1, '/a')]);
    await journaled.append([change(2, '/c')]);
    await flushed(harness, 2);
    // 1 and 2 are in the tables; 3 and 4 on their way; 5 in the journal alone.
    const open = hold(harness);
    await journaled.append([change(3, '/b')]);
    await journaled.append([change(4, '/c')]);
    await journaled.append([change(5, '/d')]);
    assert.equal(harness.commits.length, 2);
    const check = (snapshot: Snapshot): void => {
      assert.equal(state(snapshot), '/a@1 /b@3 /c@4 /d@5');
      assert.deepEqual(history(snapshot), upTo(5));
      assert.deepEqual(history(snapshot, 3), [4, 5]);
      assert.deepEqual(
        [...snapshot.indexRange(Buffer.from('/b'), Buffer.from('/d'))].map(({ key }) => key.toString()),
        ['/b', '/c'],
      );
      for (const [key, revision] of [
        ['/a', 1],
        ['/b', 3],
        ['/c', 4],
        ['/d', 5],
      ] as const) {
        const place = snapshot.index(key, Buffer.from(key));
        assert.equal(place?.revision, revision);
        assert.equal(snapshot.log(place)?.value.toString(), String(revision).repeat(8));
      }
      assert.equal(snapshot.index('/e', Buffer.from('/e')), undefined);
      assert.equal(snapshot.log({ revision: 5, sub: 1 }), undefined);
      assert.equal(snapshot.log({ revision: 6, sub: 0 }), undefined);
    };
    read(journaled, check);
    const before = journaled.snapshot();
    try {
      await journaled.append([change(6, '/a')]);
      await journaled.append([change(7, '/0')]);
      check(before);
      open();
      await flushed(harness, 7);
      check(before);
    } finally {
      before.done();
    }
    assert.equal(read(journaled, state), '/0@7 /a@6 /b@3 /c@4 /d@5');
    assert.deepEqual(read(journaled, history), upTo(7));
  });

  it('gives the tables each change once, in order, the last of each key to the index', async (test) => {
    const harness = await setUp(test, 4);
    for (let revision = 1; revision <= 42; revision++)
      await harness.journaled.append([change(revision, `/${revision % 3}`)]);
    await harness.journaled.close();
    let next = 1;
    for (const commit of harness.commits) {
      assert.equal(commit.base, next - 1);
      for (const { place } of commit.logRange(0, 100)) assert.equal(place.revision, next++);
      assert.ok([...commit.latest()].length <= 3);
    }
    assert.equal(next, 43);
  });

  it('sends on a few after a while', async (test) => {
    const harness = await setUp(test);
    await harness.journaled.append([change(1, '/a')]);
    assert.equal(harness.commits.length, 0);
    await flushed(harness, 1);
  });

  it('loses nothing in a crash, whatever the tables have by then', async (test) => {
    for (let held = 0; held <= 8; held++) {
      for (const later of [0, 1, 2, 5]) {
        const harness = await setUp(test, 2);
        const { journaled } = harness;
        for (const revision of upTo(held)) await journaled.append([change(revision, `/${revision % 3}`)]);
        await flushed(harness, held - 1);
        hold(harness);
        const last = held + later;
        for (let revision = held + 1; revision <= last; revision++) await journaled.append([change(revision, '/a')]);
        const again = await harness.crashed();
        assert.equal(again.revision, last);
        assert.deepEqual(read(again, history), upTo(last));
        await again.close();
        harness.gate.die();
        await journaled.close();
      }
    }
  });

  it('waits for the tables when they are too far behind', async (test) => {
    const harness = await setUp(test);
    const open = hold(harness);
    const size = 1024 * 1024;
    let appended = 0;
    const writing = (async () => {
      for (let revision = 1; revision <= 20; revision++) {
        await harness.journaled.append([change(revision, '/a', size)]);
        appended = revision;
      }
    })();
    // One is on its way, and as many as the limit allows follow.
    const most = 1 + MAX_RECENT_BYTES / size;
    await until(() => appended === most);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(appended, most);
    open();
    await writing;
  });

  it('compacts only what the tables have', async (test) => {
    const harness = await setUp(test);
    await harness.journaled.append([change(1, '/a')]);
    await harness.journaled.append([change(2, '/a')]);
    await harness.journaled.upkeep([{ set: 'compacted', revision: 2 }]);
    assert.deepEqual(read(harness.tables, history), [1, 2]);
    await harness.journaled.upkeep([{ remove: 'log', place: { revision: 1, sub: 0 } }]);
    assert.deepEqual(read(harness.journaled, history), [2]);
    assert.equal(
      read(harness.journaled, (snapshot) => snapshot.state('compacted')),
      2,
    );
  });

  it('writes nothing more when the tables fail, and keeps what was acknowledged', async (test) => {
    const harness = await setUp(test, 2);
    const failure = Object.assign(new Error('MDB_PANIC'), { code: -30795 });
    harness.gate.wait = () => Promise.reject(failure);
    await harness.journaled.append([change(1, '/a')]);
    await harness.journaled.append([change(2, '/b')]);
    await until(() => harness.commits.length === 1);
    await assert.rejects(harness.journaled.append([change(3, '/c')]), failure);
    await assert.rejects(harness.journaled.upkeep([{ set: 'compacted', revision: 1 }]), failure);
    assert.equal(read(harness.journaled, state), '/a@1 /b@2');
    harness.gate.wait = () => Promise.resolve();
    const again = await harness.crashed();
    assert.equal(read(again, state), '/a@1 /b@2');
    await again.close();
  });
});
