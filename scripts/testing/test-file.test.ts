import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type FileResult, runTestFile } from './test-file.ts';

const root = mkdtempSync(join(tmpdir(), 'causeway-runner-'));
after(() => rmSync(root, { recursive: true, force: true }));

const HEADER = "import { before, suite, test } from 'node:test';\n";
let count = 0;

function runSource(source: string, timeoutMs = 20_000): Promise<FileResult> {
  const name = `f${count++}`;
  const file = join(root, `${name}.test.ts`);
  writeFileSync(file, HEADER + source);
  return runTestFile(file, join(root, name), timeoutMs, new AbortController().signal);
}

/** The names of what failed, the file's own as `FILE`, each with the first line of why. */
function failuresOf({ file, failures }: FileResult): string[] {
  return failures.map(({ name, why }) => `${name === file ? 'FILE' : name}: ${why.split('\n')[0]}`);
}

test('what passes, fails and is skipped is counted, and a parent is not blamed for its child', async () => {
  const result = await runSource(`
    test('a', () => {});
    test('b', () => { throw new Error('why b failed'); });
    test('c', { skip: 'no network' }, () => {});
    test('d', (t) => t.test('inner', () => { throw new Error('why inner failed'); }));
  `);
  assert.equal(result.passed, 1);
  assert.deepEqual(result.skipped, ['c: no network']);
  assert.deepEqual(failuresOf(result), ['b: Error: why b failed', 'inner: Error: why inner failed']);
});

test('a file whose tests are all skipped does not fail', async () => {
  const result = await runSource(`
    import { describe } from 'node:test';
    describe('all of it', { skip: 'needs root' }, () => test('a', () => {}));
  `);
  assert.deepEqual(failuresOf(result), []);
  assert.equal(result.passed, 0);
  assert.ok(result.skipped.includes('all of it: needs root'));
});

test('a file fails that crashes, ends early, is killed, has no test, or does not end, and it is said where', async () => {
  const late = "test('a', () => new Promise((done) => setTimeout(done, 200)));";
  const never = 'new Promise(() => setInterval(() => {}, 1000))';
  const [crash, early, killed, none, syntax, open, hangs, hook, rootHook, deaf] = await Promise.all([
    runSource(`setTimeout(() => { throw new Error('boom'); }, 20); ${late}`),
    runSource("test('a', () => setTimeout(() => process.exit(0), 100)); test('b', () => new Promise(() => {}));"),
    runSource(
      `test('a', () => {}); test('b', () => { setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100); return ${never}; });`,
    ),
    runSource(''),
    runSource("import 'a-module-that-is-not-there';"),
    runSource("test('a', () => {}); setInterval(() => {}, 1000);", 3_000),
    runSource(`test('a', () => {}); test('b', (t) => t.test('inner', () => ${never}));`, 2_000),
    runSource(`suite('s', () => { before(() => ${never}); test('a', () => {}); });`, 2_000),
    runSource(`before(() => ${never}); test('a', () => {});`, 2_000),
    runSource("test('a', async () => { await new Promise((done) => setTimeout(done, 100)); for (;;); });", 2_000),
  ]);
  assert.deepEqual(failuresOf(crash), ['FILE: exit code 1']);
  assert.match(crash.output, /boom/);
  assert.deepEqual(failuresOf(early), ['FILE: the process ended before its tests did, in the middle of: b']);
  assert.deepEqual(failuresOf(killed), ['FILE: killed by SIGKILL, in the middle of: b']);
  assert.deepEqual(failuresOf(none), ['FILE: the process ended before its tests did']);
  assert.deepEqual(failuresOf(syntax), ['FILE: exit code 1, before its first test']);
  assert.match(syntax.output, /a-module-that-is-not-there/);
  assert.deepEqual(failuresOf(open), ['FILE: did not end by itself, after its last test']);
  assert.match(open.output, /this keeps the process: .*Timeout/);
  assert.equal(open.passed, 1);
  assert.deepEqual(failuresOf(hangs), ['FILE: did not end within 2 s, in the middle of: b > inner']);
  assert.deepEqual(failuresOf(hook), ['FILE: did not end within 2 s, in the middle of: s']);
  assert.deepEqual(failuresOf(rootHook), ['FILE: did not end within 2 s, in the middle of: a']);
  assert.deepEqual(failuresOf(deaf), ['FILE: did not end within 2 s, in the middle of: a']);
});

test('what a file that takes too long has started is told to end, and may', async () => {
  const result = await runSource(
    `
    import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    test('a', async () => {
      spawn('sh', ['-c', "trap 'sleep 0.5; echo well >said; exit 0' TERM; while :; do sleep 0.1; done"], { stdio: 'ignore', cwd: process.env.HOME });
      await new Promise(() => setInterval(() => {}, 1000));
    });
  `,
    2_000,
  );
  assert.deepEqual(failuresOf(result), ['FILE: did not end within 2 s, in the middle of: a']);
});

test('a process that is left behind is a failure and is ended, even without the environment', async () => {
  const result = await runSource(`
    import { spawn } from 'node:child_process';
    import { tmpdir } from 'node:os';
    test('a', () => {
      const child = spawn('/bin/sleep', ['612.25'], { detached: true, stdio: 'ignore', env: {}, cwd: tmpdir() });
      child.unref();
    });
  `);
  assert.equal(result.passed, 1);
  const why = result.failures[0]?.why ?? '';
  const [, pid] = /^left processes behind:\n(\d+) \/bin\/sleep 612\.25$/.exec(why) ?? assert.fail(why);
  for (let i = 0; i < 100 && existsSync(`/proc/${pid}/fd/0`); i++) await new Promise((done) => setTimeout(done, 20));
  assert.equal(existsSync(`/proc/${pid}/exe`) && existsSync(`/proc/${pid}/fd/0`), false);
});

test('a file that is left in the temporary folder is a failure, and everything is removed', async () => {
  const result = await runSource(`
    import { writeFileSync } from 'node:fs';
    import { tmpdir, homedir } from 'node:os';
    test('a', () => { writeFileSync(tmpdir() + '/forgotten', ''); writeFileSync(homedir() + '/cache', ''); });
  `);
  assert.deepEqual(failuresOf(result), ['FILE: left in the temporary folder: forgotten']);
  assert.equal(existsSync(join(root, `f${count - 1}`)), false);
});
