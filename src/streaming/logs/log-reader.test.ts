import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { LogOptions } from './log-options.ts';
import { type LogSource, readLog } from './log-reader.ts';

const plain: LogOptions = { follow: false, timestamps: false };
const over = Promise.resolve();
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-log-'));
  path = join(folder, '0.log');
});
afterEach(() => rm(folder, { recursive: true }));

function line(n: number, text: string, tag = 'F', stream = 'stdout'): string {
  return `2026-11-24T08:00:${String(n % 60).padStart(2, '0')}.${String(n).padStart(9, '0')}Z ${stream} ${tag} ${text}\n`;
}

function lines(from: number, to: number): string {
  let text = '';
  for (let n = from; n < to; n++) text += line(n, `line ${n}`);
  return text;
}

async function read(options: Partial<LogOptions>, source: Partial<LogSource> = {}): Promise<string> {
  let text = '';
  const whole = { path, ended: over, ...source };
  for await (const piece of readLog(whole, { ...plain, ...options }, AbortSignal.timeout(10_000))) {
    text += piece.toString();
  }
  return text;
}

function numbers(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('');
}

test('gives the text of each line, and joins the parts of long ones', async () => {
  await writeFile(
    path,
    line(1, 'one') +
      line(2, 'to-', 'P') +
      line(3, 'ge', 'P') +
      line(4, 'ther') +
      line(5, '', 'F') +
      line(6, 'x ', 'F', 'stderr'),
  );
  assert.equal(await read({}), 'one\nto-gether\n\nx \n');
});

test('shows one time for a line that was cut into parts', async () => {
  await writeFile(path, line(1, 'to-', 'P') + line(2, 'gether') + line(3, 'two'));
  assert.equal(
    await read({ timestamps: true }),
    '2026-11-24T08:00:01.000000001Z to-gether\n2026-11-24T08:00:03.000000003Z two\n',
  );
});

test('reads times with an offset and fewer digits, and tags behind the first', async () => {
  await writeFile(path, '2026-11-24T09:00:01.5+01:00 stdout F:x hello\n2026-11-24T09:00:02.5+01:00 stdout F late\n');
  assert.equal(await read({}), 'hello\nlate\n');
  assert.equal(await read({ since: Date.parse('2026-11-24T08:00:02Z') }), 'late\n');
});

test('leaves out what is no line of the format', async () => {
  await writeFile(
    path,
    `rubbish\n${line(1, 'one')}2026 stdout X y\n\n \n2026-11-24T08:00:00Z stdout F\n${line(2, 'two')}`,
  );
  assert.equal(await read({}), 'one\n\ntwo\n');
});

test('chooses a stream', async () => {
  await writeFile(path, line(1, 'out') + line(2, 'err', 'F', 'stderr'));
  assert.equal(await read({ stream: 'stdout' }), 'out\n');
  assert.equal(await read({ stream: 'stderr' }), 'err\n');
});

test('begins at a time', async () => {
  await writeFile(path, lines(0, 60));
  assert.equal(await read({ since: Date.parse('2026-11-24T08:00:57Z') }), numbers(57, 60));
});

test('cuts at limitBytes, also within a line', async () => {
  await writeFile(path, lines(0, 10));
  assert.equal(await read({ limitBytes: 9 }), 'line 0\nli');
  assert.equal(await read({ limitBytes: 7 }), 'line 0\n');
  assert.equal(await read({ limitBytes: 1_000 }), numbers(0, 10));
});

for (const [tail, expected] of [
  [0, ''],
  [1, numbers(99_999, 100_000)],
  [2, numbers(99_998, 100_000)],
  [50_000, numbers(50_000, 100_000)],
  [100_000, numbers(0, 100_000)],
  [100_001, numbers(0, 100_000)],
] as const) {
  test(`the last ${tail} of 100,000 lines`, async () => {
    await writeFile(path, lines(0, 100_000));
    assert.equal(await read({ tailLines: tail }), expected);
  });
}

test('a tail counts lines, not their parts, and counts an unfinished one', async () => {
  await writeFile(path, line(1, 'one') + line(2, 'a', 'P') + line(3, 'b', 'P') + line(4, 'c'));
  assert.equal(await read({ tailLines: 1 }), 'abc\n');
  assert.equal(await read({ tailLines: 2 }), 'one\nabc\n');
  await appendFile(path, line(5, 'unfinished', 'P'));
  assert.equal(await read({ tailLines: 1 }), 'unfinished');
  assert.equal(await read({ tailLines: 2 }), 'abc\nunfinished');
});

test('gives what a writer that died left without a line end', async () => {
  await writeFile(path, line(1, 'one') + line(2, 'half').slice(0, -3));
  assert.equal(await read({}), 'one\nha\n');
});

test('a log that is not there is empty', async () => {
  assert.equal(await read({}), '');
  assert.equal(await read({ tailLines: 3 }), '');
});

test('reads what was rotated away, oldest first, and tails across', async () => {
  await writeFile(path, lines(0, 3));
  await rename(path, `${path}.20261124-080000`);
  await writeFile(path, lines(3, 6));
  await rename(path, `${path}.20261124-080100`);
  await writeFile(path, lines(6, 8));
  assert.equal(await read({}), numbers(0, 8));
  assert.equal(await read({ tailLines: 4 }), numbers(4, 8));
  assert.equal(await read({ tailLines: 2 }), numbers(6, 8));
});

test('follows until the container ended, and through rotation loses and repeats nothing', async () => {
  const ended = Promise.withResolvers<void>();
  await writeFile(path, lines(0, 10));
  const text = read({ follow: true }, { ended: ended.promise });
  let written = 10;
  for (let rotation = 0; rotation < 8; rotation++) {
    for (let part = 0; part < 5; part++) {
      const all = lines(written, written + 100);
      written += 100;
      // Cut anywhere, so that readers see half lines.
      await appendFile(path, all.slice(0, 1_234));
      await appendFile(path, all.slice(1_234));
    }
    await rename(path, `${path}.${rotation}`);
    await writeFile(path, '');
    if (rotation % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await appendFile(path, lines(written, written + 1));
  ended.resolve();
  assert.ok((await text) === numbers(0, written + 1));
});

test('a follower sees a line at once, and stops when it is told to', async () => {
  await writeFile(path, lines(0, 1));
  const stop = new AbortController();
  const log = readLog({ path, ended: new Promise(() => undefined) }, { ...plain, follow: true }, stop.signal);
  assert.equal((await log.next()).value?.toString(), 'line 0\n');
  const next = log.next();
  const before = performance.now();
  await appendFile(path, line(1, 'line 1'));
  assert.equal((await next).value?.toString(), 'line 1\n');
  assert.ok(performance.now() - before < 1_000);
  const end = log.next();
  stop.abort();
  assert.deepEqual(await end, { value: undefined, done: true });
});

test('a follower may come before the log', async () => {
  const log = readLog(
    { path, ended: new Promise(() => undefined) },
    { ...plain, follow: true },
    AbortSignal.timeout(5_000),
  );
  const first = log.next();
  await writeFile(path, lines(0, 1));
  assert.equal((await first).value?.toString(), 'line 0\n');
  await log.return(undefined);
});

test('refuses a line that never ends', async () => {
  await writeFile(path, `2026-11-24T08:00:00.000000000Z stdout F ${'x'.repeat(4 * 1024 * 1024)}`);
  await assert.rejects(read({}), { code: 'InternalError' });
});
