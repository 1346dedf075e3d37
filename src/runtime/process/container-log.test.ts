import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { ContainerLog } from './container-log.ts';
import { LOG_LINE_BYTES } from './limits.ts';

const AT = Date.parse('2026-11-24T08:00:00.123Z');

describe("a container's log", () => {
  const root = mkdtempSync(join(tmpdir(), 'causeway-log-'));
  let count = 0;
  let path: string;
  beforeEach(() => {
    path = join(root, String(count++), 'main', '0.log');
  });
  after(() => rmSync(root, { recursive: true }));
  const read = (): string => readFileSync(path, 'utf8');
  const failed = (error: unknown): never => {
    throw error;
  };

  it("has CRI's format, with a stamp that only grows", () => {
    const log = new ContainerLog(path, { now: () => AT }, failed);
    log.write('stdout', Buffer.from('one\ntwo\n'));
    log.write('stderr', Buffer.from('three\n'));
    assert.equal(
      read(),
      '2026-11-24T08:00:00.123000000Z stdout F one\n2026-11-24T08:00:00.123000000Z stdout F two\n2026-11-24T08:00:00.123000001Z stderr F three\n',
    );
    log.close();
  });

  it('waits for the end of a line, of each stream on its own', () => {
    const log = new ContainerLog(path, { now: () => AT }, failed);
    log.write('stdout', Buffer.from('be'));
    log.write('stderr', Buffer.from('other\n'));
    log.write('stdout', Buffer.from('gin'));
    log.write('stdout', Buffer.from('ning\n\nlast'));
    log.end('stdout');
    log.end('stderr');
    const lines = read()
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(31));
    assert.deepEqual(lines, ['stderr F other', 'stdout F beginning', 'stdout F ', 'stdout F last']);
    log.close();
  });

  it('keeps bytes as they are', () => {
    const log = new ContainerLog(path, { now: () => AT }, failed);
    const bytes = Buffer.from([0, 1, 13, 0x80, 0xff, 0xc3]);
    log.write('stdout', Buffer.concat([bytes, Buffer.from('\n')]));
    const written = readFileSync(path);
    assert.ok(written.subarray(written.length - 7, written.length - 1).equals(bytes));
    log.close();
  });

  it(`splits a line at ${LOG_LINE_BYTES} bytes, and not before`, () => {
    const log = new ContainerLog(path, { now: () => AT }, failed);
    log.write('stdout', Buffer.from(`${'a'.repeat(LOG_LINE_BYTES)}\n`));
    log.write('stdout', Buffer.from(`${'b'.repeat(LOG_LINE_BYTES + 1)}\n`));
    const parts = read()
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(38, 39), line.length - 40]);
    assert.deepEqual(parts, [
      ['F', LOG_LINE_BYTES],
      ['P', LOG_LINE_BYTES],
      ['F', 1],
    ]);
    log.close();
  });

  it('does not hold an endless line in memory', () => {
    const log = new ContainerLog(path, { now: () => AT }, failed);
    for (let i = 0; i < 40; i++) log.write('stdout', Buffer.alloc(10_000, 'x'));
    assert.ok(read().length > 400_000 - LOG_LINE_BYTES);
    log.close();
  });

  it('is rotated by size, keeps so many files, and loses no line', () => {
    const log = new ContainerLog(path, { now: () => AT }, failed, { maxBytes: 1_000, maxFiles: 3 });
    for (let i = 0; i < 100; i++) log.write('stdout', Buffer.from(`line ${i}\n`));
    const files = [...log.rotatedFiles(), path];
    assert.equal(files.length, 3);
    assert.match(files[0] ?? '', /0\.log\.20261124-080000(\.\d+)?$/);
    for (const file of files) assert.ok(readFileSync(file).length <= 1_000);
    const numbers = files.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/line (\d+)\n/g)].map((match) => Number(match[1])),
    );
    const first = numbers[0] ?? 0;
    assert.deepEqual(
      numbers,
      Array.from({ length: 100 - first }, (_, n) => first + n),
    );
    log.close();
  });

  it('keeps what it has of a line when this process goes, as a part of it', () => {
    const before = new ContainerLog(path, { now: () => AT }, failed);
    before.write('stdout', Buffer.from('one\ntw'));
    before.close();
    const later = new ContainerLog(path, { now: () => AT }, failed);
    later.write('stdout', Buffer.from('o\n'));
    later.close();
    const lines = read()
      .split('\n')
      .map((line) => line.slice(line.indexOf(' ') + 1));
    assert.deepEqual(lines, ['stdout F one', 'stdout P tw', 'stdout F o', '']);
  });

  it('goes on in the file that is there', () => {
    const before = new ContainerLog(path, { now: () => AT }, failed);
    before.write('stdout', Buffer.from('one\n'));
    before.close();
    const later = new ContainerLog(path, { now: () => AT }, failed);
    later.write('stdout', Buffer.from('two\n'));
    later.close();
    assert.equal(read().split('\n').length, 3);
  });

  it('loses lines where the disk is full, says so once, and goes on when there is room', () => {
    const failures: unknown[] = [];
    const log = new ContainerLog(path, { now: () => AT }, (error) => failures.push(error));
    mkdirSync(dirname(path), { recursive: true });
    for (let round = 1; round <= 2; round++) {
      symlinkSync('/dev/full', path);
      log.write('stdout', Buffer.from('lost\n'));
      log.write('stdout', Buffer.from('lost too\n'));
      assert.equal(failures.length, round);
      assert.equal((failures.at(-1) as NodeJS.ErrnoException).code, 'ENOSPC');
      rmSync(path);
      log.write('stdout', Buffer.from(`kept ${round}\n`));
      assert.match(read(), new RegExp(`^\\S+ stdout F kept ${round}\n$`));
      log.close();
      rmSync(path);
    }
  });

  it('has whole lines only, also when the last one fits in part', (t) => {
    // What a file may grow to, in blocks of 512 bytes, as a disk that is full stops it in the middle of a line.
    const program = `
      import { ContainerLog } from ${JSON.stringify(new URL('./container-log.ts', import.meta.url).href)};
      process.on('SIGXFSZ', () => undefined);
      const failures = [];
      const log = new ContainerLog(process.argv[1], { now: () => ${AT} }, (error) => failures.push(error.code));
      for (let i = 0; i < 20; i++) log.write('stdout', Buffer.from(String(i).padEnd(55, 'x') + '\\n'));
      log.write('stdout', Buffer.from('s\\n'));
      console.log(failures.join());
    `;
    const limited = ['-c', 'ulimit -f 2; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', program, path];
    const { stdout, stderr } = spawnSync('sh', limited, { encoding: 'utf8' });
    if (stdout === '' && /ulimit/.test(stderr)) return t.skip('no ulimit -f');
    assert.equal(stdout, 'EFBIG\n', stderr);
    const lines = read().split('\n');
    assert.equal(lines.pop(), '');
    assert.deepEqual(
      lines.map((line) => line.slice(40)),
      [...Array.from({ length: 10 }, (_, i) => String(i).padEnd(55, 'x')), 's'],
    );
  });
});
