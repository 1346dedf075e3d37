import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCode } from '../../lib/errors.ts';
import { exitOf, logLines, type RuntimeFixture, TestPod } from './pods.ts';

const NEVER = new AbortController().signal;
const ALL = { stdin: true, stdout: true, stderr: true, tty: false };

/** The end of a log, with what was rotated away. */
async function wholeLog(path: string): Promise<string> {
  const names = (await readdir(dirname(path))).filter((name) => name.startsWith(`${basename(path)}.`)).sort();
  const texts = [...names.map((name) => join(dirname(path), name)), path].map((file) => readFile(file, 'utf8'));
  return (await Promise.all(texts)).join('');
}

export function attachTests(fixture: () => RuntimeFixture): void {
  describe('attach', () => {
    it('reaches the standard streams of the container, and several clients at once', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start({
        stdin: true,
        command: [
          'sh',
          '-c',
          'while read line; do echo "out $line"; echo "err $line" >&2; [ "$line" = end ] && exit 6; done',
        ],
      });
      const first = await runtime.attach(id, ALL, NEVER);
      const second = await runtime.attach(id, { ...ALL, stdin: false }, NEVER);
      assert.ok(first.stdout && first.stderr && second.stdout && second.stderr);
      assert.equal(second.stdin, undefined);
      const outputs = [first.stdout, first.stderr, second.stdout, second.stderr].map((stream) => text(stream));
      // Behind CRI a client may be told that it is attached before it is.
      if (fixture().sees === 'image') await delay(500);
      first.stdin?.write('one\n');
      await delay(100);
      first.stdin?.write('end\n');
      assert.deepEqual(await Promise.all(outputs), [
        'out one\nout end\n',
        'err one\nerr end\n',
        'out one\nout end\n',
        'err one\nerr end\n',
      ]);
      assert.equal((await first.exited).exitCode, 6);
      assert.equal((await exitOf(runtime, id)).exitCode, 6);
      await pod.remove();
    });

    it('leaves the container running, and its input open, when a client goes', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start({
        stdin: true,
        command: ['sh', '-c', 'while read line; do echo "got $line"; done; echo eof'],
      });
      const first = await runtime.attach(id, ALL, NEVER);
      first.stdin?.end('one\n');
      await delay(100);
      first.close();
      assert.equal((await runtime.containerStatus(id)).state, 'running');
      const second = await runtime.attach(id, ALL, NEVER);
      let seen = '';
      second.stdout?.on('data', (chunk: Buffer) => {
        seen += chunk.toString('utf8');
      });
      second.stdin?.write('two\n');
      await delay(200);
      assert.equal(seen, 'got two\n');
      second.close();
      await runtime.stopContainer(id, 0);
      const log = await readFile((await runtime.containerStatus(id)).logPath, 'utf8');
      assert.deepEqual(logLines(log), ['stdout F got one', 'stdout F got two']);
      await pod.remove();
    });

    it('ends the input with the first client when stdinOnce', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start({ stdin: true, stdinOnce: true, command: ['sh', '-c', 'cat; echo eof; exit 2'] });
      await delay(100);
      assert.equal((await runtime.containerStatus(id)).state, 'running');
      const client = await runtime.attach(id, ALL, NEVER);
      assert.ok(client.stdout);
      const output = text(client.stdout);
      client.stdin?.end('data\n');
      assert.equal(await output, 'data\neof\n');
      assert.equal((await client.exited).exitCode, 2);
      await pod.remove();
    });

    it('reaches a terminal, with resize', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start({
        stdin: true,
        tty: true,
        command: [
          'sh',
          '-c',
          'tty; echo "$TERM"; while read line; do [ "$line" = size ] && stty size; [ "$line" = end ] && exit 3; done',
        ],
      });
      const client = await runtime.attach(id, { ...ALL, tty: true }, NEVER);
      assert.equal(client.stderr, undefined);
      let seen = '';
      client.stdout?.on('data', (chunk: Buffer) => {
        seen += chunk.toString('utf8');
      });
      client.resize(111, 33);
      for (let round = 0; !/33 111\r\n/.test(seen) && round < 100; round++) {
        client.stdin?.write('size\n');
        await delay(100);
      }
      client.stdin?.write('end\n');
      assert.equal((await client.exited).exitCode, 3);
      assert.match(seen, /33 111\r\n/);
      const log = await readFile((await runtime.containerStatus(id)).logPath, 'utf8');
      assert.match(log, /stdout F \/dev\/pts\/\d+\r?\n/);
      assert.match(log, /stdout F xterm\r?\n/);
      await pod.remove();
    });

    it('gives a terminal without an input too', async () => {
      const pod = await TestPod.run(fixture());
      const { status } = await pod.script('tty; test -t 1 && echo yes; exit 4', { tty: true });
      assert.equal(status.exitCode, 4);
      assert.match(await readFile(status.logPath, 'utf8'), /stdout F \/dev\/pts\/\d+\r?\n.*stdout F yes\r?\n/s);
      await pod.remove();
    });

    it('does not let a client that stops reading stop the log for ever', { timeout: 60_000 }, async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start({
        command: ['sh', '-c', 'sleep 0.3; head -c 16000000 /dev/zero | tr "\\0" a | fold -w 1000; echo; echo end'],
      });
      const stuck = await runtime.attach(id, { ...ALL, stdin: false }, NEVER);
      const failed = new Promise<Error>((resolve) => {
        stuck.stdout?.once('error', resolve);
      });
      const status = await exitOf(runtime, id, 40_000);
      assert.match((await failed).message, /reads too slowly/);
      assert.equal(status.exitCode, 0);
      // containerd shows the end of a container before it has written all that it said.
      for (let round = 0; fixture().sees === 'image' && round < 100; round++) {
        if (/ stdout F end\n$/.test(await wholeLog(status.logPath))) break;
        await delay(50);
      }
      assert.match(await wholeLog(status.logPath), / stdout F end\n$/);
      await pod.remove();
    });

    it('is NotFound for a container that does not run', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const { id } = await pod.script('true');
      await assert.rejects(runtime.attach(id, ALL, NEVER), (error) => isCode(error, 'NotFound'));
      await pod.remove();
    });
  });
}
