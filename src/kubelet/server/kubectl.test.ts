import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { PassThrough, type Readable, Writable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { Exec, KubeConfig, PortForward } from '@kubernetes/client-node';
import { spawn as spawnPty } from '@lydell/node-pty';
import { type LocalCluster, startLocalCluster } from './local-cluster-suite.ts';

const BIG = 100 * 1024 * 1024;
let cluster: LocalCluster;
let big: Buffer;
let bigHash: string;

before(async () => {
  cluster = await startLocalCluster();
  big = randomBytes(BIG);
  bigHash = createHash('sha256').update(big).digest('hex');
});
after(() => cluster.close());

interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

function start(program: string, args: readonly string[]) {
  return spawn(program, ['--kubeconfig', cluster.kubeconfig, ...args], { stdio: 'pipe' });
}

async function run(program: string, args: readonly string[], input?: Buffer): Promise<Result> {
  const child = start(program, args);
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: Buffer.concat(stdout), stderr };
}

async function text(
  program: string,
  args: readonly string[],
  input?: string,
): Promise<readonly [number | null, string, string]> {
  const { code, stdout, stderr } = await run(program, args, input === undefined ? undefined : Buffer.from(input));
  return [code, stdout.toString(), stderr];
}

/** Sends `bytes` to a port, half-closes, and gives what came back. */
async function echo(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.end(bytes);
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** Reads until `pattern` was seen, and goes on reading: a program whose output nobody takes dies of it. */
function firstMatch(stream: Readable, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let seen = '';
    stream.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      const match = pattern.exec(seen);
      if (match !== null) resolve(match);
    });
    stream.once('close', () => reject(new Error(`never saw ${pattern}: ${seen}`)));
  });
}

function inPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

for (const [program, execUpgrade, forwardUpgrade] of [
  ['kubectl', 'GET websocket', 'GET websocket'],
  ['kubectl-1.20', 'POST SPDY/3.1', 'POST SPDY/3.1'],
] as const) {
  describe(program, { skip: inPath(program) ? false : `${program} is not in PATH` }, () => {
    test('exec: output, errors and exit codes', async () => {
      cluster.upgrades.length = 0;
      assert.deepEqual(await text(program, ['exec', 'web', '--', 'echo', 'hello']), [0, 'hello\n', '']);
      assert.deepEqual(cluster.upgrades, [execUpgrade]);
      assert.deepEqual(await text(program, ['exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7']), [
        7,
        'out\n',
        'err\ncommand terminated with exit code 7\n',
      ]);
      const [code, , stderr] = await text(program, ['exec', 'web', '--', 'no-such-program']);
      assert.deepEqual(
        [code, stderr],
        [1, 'error: Internal error occurred: error executing command in container: spawn no-such-program ENOENT\n'],
      );
    });

    test('exec: stdin ends, and output comes after it', async () => {
      assert.deepEqual(await text(program, ['exec', '-i', 'web', '--', 'sh', '-c', 'cat; echo end'], 'data\n'), [
        0,
        'data\nend\n',
        '',
      ]);
    });

    test('exec: a command that does not read its stdin', async () => {
      const { code, stdout } = await run(
        program,
        ['exec', '-i', 'web', '--', 'head', '-c', '5'],
        big.subarray(0, 20 * 1024 * 1024),
      );
      assert.deepEqual([code, stdout.length], [0, 5]);
    });

    test('exec: 100 MB of stdin arrive whole, and 100 MB of stdout', async () => {
      const [code, stdout] = await run(program, ['exec', '-i', 'web', '--', 'sha256sum'], big).then((r) => [
        r.code,
        r.stdout.toString(),
      ]);
      assert.deepEqual([code, stdout], [0, `${bigHash}  -\n`]);
      const path = join(cluster.folder, 'big');
      await writeFile(path, big);
      const back = await run(program, ['exec', 'web', '--', 'cat', path]);
      assert.deepEqual([back.code, back.stderr, back.stdout.length], [0, '', BIG]);
      assert.equal(createHash('sha256').update(back.stdout).digest('hex'), bigHash);
    });

    test('exec: with a terminal, its size and its control characters', async () => {
      const terminal = spawnPty(
        program,
        [
          '--kubeconfig',
          cluster.kubeconfig,
          'exec',
          '-it',
          'web',
          '--',
          'sh',
          '-c',
          'sleep 0.3; stty size; read x; echo "[$x]"; cat',
        ],
        {
          cols: 97,
          rows: 31,
        },
      );
      let seen = '';
      const ended = new Promise<number>((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)));
      terminal.onData((data) => {
        if (!seen.includes('31 97') && `${seen}${data}`.includes('31 97')) terminal.write('typed\r');
        if (!seen.includes('[typed]') && `${seen}${data}`.includes('[typed]')) terminal.write('\x04');
        seen += data;
      });
      assert.equal(await ended, 0);
      assert.match(seen, /31 97\r\n/);
      assert.match(seen, /\[typed\]\r\n/);
    });

    test('attach', async () => {
      const [code, stdout] = await text(program, ['attach', '-i', 'web'], 'hello\n');
      assert.deepEqual([code, stdout], [0, 'hello\n']);
    });

    test('cp there and back', async () => {
      const source = join(cluster.folder, 'source');
      const there = join(cluster.folder, `there-${program}`);
      const back = join(cluster.folder, `back-${program}`);
      await mkdir(join(source, 'deep'), { recursive: true });
      await writeFile(join(source, 'deep', 'file'), big.subarray(0, 10 * 1024 * 1024));
      assert.equal((await run(program, ['cp', source, `web:${there}`])).code, 0);
      assert.equal((await run(program, ['cp', `web:${there}`, back])).code, 0);
      assert.ok((await readFile(join(back, 'deep', 'file'))).equals(big.subarray(0, 10 * 1024 * 1024)));
    });

    test('logs -f', async () => {
      await writeFile(cluster.logPath, '2026-11-24T08:00:00.000000000Z stdout F one\n');
      const child = start(program, ['logs', '-f', 'web']);
      await firstMatch(child.stdout, /^one\n$/);
      const again = start(program, ['logs', '-f', '--tail=1', 'web']);
      await firstMatch(again.stdout, /^one\n$/);
      const next = [child, again].map(({ stdout }) => firstMatch(stdout, /^two\n$/));
      await appendFile(cluster.logPath, '2026-11-24T08:00:00.000000000Z stdout F two\n');
      await Promise.all(next);
      child.kill();
      again.kill();
    });

    test('port-forward: 50 connections at once, and one of 100 MB', async () => {
      cluster.upgrades.length = 0;
      const child = start(program, ['port-forward', 'web', `:${cluster.echoPort}`]);
      const [, port] = await firstMatch(child.stdout, /127\.0\.0\.1:(\d+) ->/);
      assert.deepEqual(cluster.upgrades, [forwardUpgrade]);
      const part = (i: number): Buffer => big.subarray(i * 1_000_000, (i + 1) * 1_000_000);
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => echo(Number(port), part(i))));
      assert.ok(answers.every((answer, i) => answer.equals(part(i))));
      assert.ok((await echo(Number(port), big)).equals(big));
      child.kill();
      await once(child, 'close');
    });

    test('port-forward: a port that nobody listens on', async () => {
      const child = start(program, ['port-forward', 'web', ':1']);
      const [, port] = await firstMatch(child.stdout, /127\.0\.0\.1:(\d+) ->/);
      await echo(Number(port), Buffer.from('x')).catch(() => undefined);
      await firstMatch(
        child.stderr,
        /an error occurred forwarding \d+ -> 1: error forwarding port 1 to pod web, uid u-1: connect ECONNREFUSED 127\.0\.0\.1:1/,
      );
      child.kill();
    });
  });
}

describe('@kubernetes/client-node', () => {
  function config(): KubeConfig {
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(cluster.kubeconfig);
    return kubeConfig;
  }

  test('exec', async () => {
    const stdout = new PassThrough();
    const stdin = new PassThrough();
    stdin.end(big.subarray(0, 5_000_000));
    const hash = createHash('sha256');
    stdout.on('data', (chunk: Buffer) => hash.update(chunk));
    const status = await new Promise((resolve, reject) => {
      const command = ['sh', '-c', 'head -c 5000000; echo err >&2; exit 4'];
      new Exec(config()).exec('default', 'web', 'c', command, stdout, null, stdin, false, resolve).catch(reject);
    });
    assert.deepEqual((status as { details: object }).details, { causes: [{ reason: 'ExitCode', message: '4' }] });
    assert.equal(hash.digest('hex'), createHash('sha256').update(big.subarray(0, 5_000_000)).digest('hex'));
  });

  test('port-forward by channels', async () => {
    const input = new PassThrough();
    const chunks: Buffer[] = [];
    const arrived = Promise.withResolvers<void>();
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        chunks.push(chunk);
        if (Buffer.concat(chunks).length >= 5) arrived.resolve();
        done();
      },
    });
    const socket = await new PortForward(config(), true).portForward(
      'default',
      'web',
      [cluster.echoPort],
      output,
      null,
      input,
    );
    input.write('hello');
    await arrived.promise;
    assert.equal(Buffer.concat(chunks).toString(), 'hello');
    (socket as { close(): void }).close();
  });
});
