import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type KubectlVersion, startCluster, type TestCluster } from '../support/cluster.ts';
import { shell, shellPod, WAIT } from '../support/pods.ts';

/** 1.35 speaks WebSocket, 1.20 SPDY/3.1: each must behave alike. */
const VERSIONS: readonly KubectlVersion[] = ['1.35', '1.20'];
const BIG = 100_000_000;

let cluster: TestCluster;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-files-'));
  cluster = await startCluster();
  await cluster.create(
    shellPod('box', WAIT),
    shellPod('two', '', {
      spec: {
        containers: [
          shell(WAIT, { name: 'first' }),
          shell(WAIT, { name: 'second', env: [{ name: 'WHO', value: '2nd' }] }),
        ],
      },
    }),
  );
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/box', 'pod/two', '--timeout=20s']);
});
after(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

for (const version of VERSIONS) {
  describe(`kubectl ${version} exec`, () => {
    it('keeps stdout, stderr and the exit code apart', async () => {
      const result = await cluster.kubectl(['exec', 'box', '--', 'sh', '-c', 'echo out; echo err >&2; exit 42'], {
        version,
      });
      assert.deepEqual(result, { code: 42, stdout: 'out\n', stderr: 'err\ncommand terminated with exit code 42\n' });
      assert.deepEqual(await cluster.kubectl(['exec', 'box', '--', 'true'], { version }), {
        code: 0,
        stdout: '',
        stderr: '',
      });
      const killed = await cluster.kubectl(['exec', 'box', '--', 'sh', '-c', 'kill -9 $$'], { version });
      assert.equal(killed.code, 137, killed.stderr);
    });

    it('passes arguments as they are, and what stdin has until its end', async () => {
      assert.equal(
        await cluster.ok(['exec', 'box', '--', 'printf', '[%s]', 'a b', '', '$HOME', '"', '\u00e9'], { version }),
        '[a b][][$HOME]["][\u00e9]',
      );
      assert.equal(
        await cluster.ok(['exec', '-i', 'box', '--', 'wc', '-c'], { version, stdin: 'x'.repeat(70_001) }),
        '70001\n',
      );
      assert.equal(await cluster.ok(['exec', '-i', 'box', '--', 'cat'], { version, stdin: '' }), '');
      assert.equal(
        await cluster.ok(['exec', '-i', 'box', '--', 'head', '-c', '3'], { version, stdin: 'abc'.repeat(100_000) }),
        'abc',
      );
    });

    it('goes into the container that is named', async () => {
      assert.equal(
        await cluster.ok(['exec', 'two', '-c', 'second', '--', 'sh', '-c', 'echo $WHO'], { version }),
        '2nd\n',
      );
      const byDefault = await cluster.kubectl(['exec', 'two', '--', 'sh', '-c', 'echo [$WHO]'], { version });
      assert.equal(byDefault.stdout, '[]\n');
      assert.match(byDefault.stderr, /Default(ed|ing) container/);
    });

    it('says what it cannot run', async () => {
      const missing = await cluster.kubectl(['exec', 'box', '--', 'no-such-program'], { version });
      assert.equal(missing.code, 127, missing.stderr);
      assert.match(missing.stderr, /no-such-program/);
      assert.match(await cluster.refused(['exec', 'nobody', '--', 'true'], { version }), /pods "nobody" not found/);
      assert.match(
        await cluster.refused(['exec', 'two', '-c', 'third', '--', 'true'], { version }),
        /container third is not valid for pod two|container not found/,
      );
    });

    it(`carries ${BIG / 1e6} MB in and back whole`, { timeout: 60_000 }, async () => {
      const bytes = randomBytes(BIG);
      const file = join(folder, `big-${version}`);
      await writeFile(file, bytes);
      const sum = sha256(bytes);
      assert.equal(
        await cluster.ok(['exec', '-i', 'box', '--', 'sha256sum'], { version, stdin: bytes, timeoutMs: 60_000 }),
        `${sum}  -\n`,
      );
      const back = cluster.spawn(['exec', '-i', 'box', '--', 'cat'], version);
      const hash = createHash('sha256');
      let length = 0;
      back.stdout?.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        length += chunk.length;
      });
      back.stdin?.end(bytes);
      const code = await new Promise((resolve) => back.once('close', resolve));
      assert.deepEqual({ code, length, sum: hash.digest('hex') }, { code: 0, length: BIG, sum });
    });

    it('gives a terminal, its size and changes of it', async () => {
      const terminal = cluster.terminal(['exec', '-it', 'box', '--', 'sh'], { version, columns: 101, rows: 33 });
      try {
        await terminal.until(/[#$] $/);
        terminal.write('test -t 0 && test -t 1 && test -t 2 && echo is-$((1+1))-tty; stty size\r');
        await terminal.until(/is-2-tty\r\n33 101\r\n/);
        terminal.resize(77, 22);
        terminal.write('while [ "$(stty size)" != \'22 77\' ]; do sleep 0.05; done; echo now-$(stty size)\r');
        await terminal.until(/now-22 77\r\n/);
        terminal.write('sleep 100\r');
        await new Promise((resolve) => setTimeout(resolve, 300));
        terminal.write('\x03');
        terminal.write('echo interrupted-$?\r');
        await terminal.until(/interrupted-130\r\n/);
        terminal.write('exit 5\r');
        assert.equal(await terminal.exited, 5);
        assert.match(terminal.text, /command terminated with exit code 5/);
      } finally {
        terminal.kill();
      }
    });

    it('ends the command when the client goes away', async () => {
      const running = cluster.background(
        ['exec', 'box', '--', 'sh', '-c', `echo began; exec sleep 54${version === '1.35' ? 1 : 2}`],
        version,
      );
      await running.until(/began/);
      await running.stop('SIGKILL');
      await cluster.until('the command to end', async () => {
        const list = await cluster.ok(['exec', 'box', '--', 'sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "']);
        return !list.includes(`sleep 54${version === '1.35' ? 1 : 2}`);
      });
    });
  });

  describe(`kubectl ${version} attach`, () => {
    it('shows what the container prints from now on', async () => {
      const name = `printer-${version.replace('.', '-')}`;
      await cluster.create(shellPod(name, 'i=0; while sleep 0.1; do i=$((i+1)); echo out $i; echo err $i >&2; done'));
      await cluster.ok(['wait', '--for=condition=Ready', `pod/${name}`]);
      const attached = cluster.background(['attach', name], version);
      await attached.until(/out \d+\n[\s\S]*out \d+\n/);
      await cluster.until('stderr', async () => /err \d+\n/.test(attached.stderr));
      await attached.stop('SIGKILL');
      assert.equal(await cluster.ok(['get', 'pod', name, '-o', 'jsonpath={.status.phase}']), 'Running');
      await cluster.ok(['delete', 'pod', name, '--now', '--wait=false']);
    });

    it('hands over stdin, to the end with stdinOnce', async () => {
      const name = `reader-${version.replace('.', '-')}`;
      await cluster.create(
        shellPod(name, 'echo ready; while read line; do echo "<$line>"; done; echo end of input; exit 9', {
          container: { stdin: true, stdinOnce: true },
          spec: { restartPolicy: 'Never' },
        }),
      );
      await cluster.ok(['wait', '--for=condition=Ready', `pod/${name}`]);
      const attached = cluster.background(['attach', '-i', name], version);
      attached.write('one\ntwo\n');
      await attached.until(/<one>\n<two>\n/);
      attached.child.stdin?.end();
      await attached.until(/end of input\n/);
      await attached.ended;
      await cluster.ok(['wait', '--for=jsonpath={.status.phase}=Failed', `pod/${name}`, '--timeout=10s']);
      assert.equal(await cluster.ok(['logs', name]), 'ready\n<one>\n<two>\nend of input\n');
      assert.equal(
        await cluster.ok([
          'get',
          'pod',
          name,
          '-o',
          'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}',
        ]),
        '9',
      );
    });

    it('shares a terminal, and comes back to it', async () => {
      const name = `console-${version.replace('.', '-')}`;
      await cluster.create({
        ...shellPod(name, ''),
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: 'main', image: 'none', command: ['sh'], stdin: true, tty: true }],
        },
      });
      await cluster.ok(['wait', '--for=condition=Ready', `pod/${name}`]);
      const first = cluster.terminal(['attach', '-it', name], { version, columns: 90, rows: 30 });
      first.write('X=kept; while [ "$(stty size)" != \'30 90\' ]; do sleep 0.05; done; echo now-$(stty size)\r');
      await first.until(/now-30 90\r\n/);
      first.kill();
      await first.exited;
      const second = cluster.terminal(['attach', '-it', name], { version });
      second.write('echo still-$X\r');
      await second.until(/still-kept\r\n/);
      second.kill();
      assert.equal(
        await cluster.ok(['get', 'pod', name, '-o', 'jsonpath={.status.containerStatuses[0].restartCount}']),
        '0',
      );
      await cluster.ok(['delete', 'pod', name, '--wait=false']);
    });
  });

  describe(`kubectl ${version} cp`, () => {
    it('copies files and folders both ways', async () => {
      const bytes = randomBytes(3_000_000);
      const from = join(folder, `from-${version}`);
      await mkdir(join(from, 'deep', 'er'), { recursive: true });
      await writeFile(join(from, 'one.bin'), bytes);
      await writeFile(join(from, 'deep', 'er', 'a file with spaces'), 'text');
      await symlink('one.bin', join(from, 'link'));
      await cluster.ok(['cp', join(from, 'one.bin'), `box:/tmp/copied-${version}.bin`], { version });
      assert.equal(
        (await cluster.ok(['exec', 'box', '--', 'sha256sum', `/tmp/copied-${version}.bin`])).split(' ')[0],
        sha256(bytes),
      );
      await cluster.ok(['cp', from, `default/box:/tmp/folder-${version}`], { version });
      assert.equal(
        await cluster.ok(['exec', 'box', '--', 'cat', `/tmp/folder-${version}/deep/er/a file with spaces`]),
        'text',
      );
      const back = join(folder, `back-${version}`);
      await cluster.ok(['cp', `box:/tmp/folder-${version}`, back], { version });
      assert.equal(sha256(await readFile(join(back, 'one.bin'))), sha256(bytes));
      assert.equal(await readFile(join(back, 'deep', 'er', 'a file with spaces'), 'utf8'), 'text');
      // What kubectl says about it is a race of its own: tar's empty archive may end it before tar's complaint and code come.
      await cluster.kubectl(['cp', `box:/tmp/nothing-${version}`, join(folder, `nothing-${version}`)], { version });
      await assert.rejects(access(join(folder, `nothing-${version}`)));
    });
  });
}

describe('kubectl run -it', () => {
  it('runs a shell of its own and takes the pod away', async () => {
    const terminal = cluster.terminal([
      'run',
      'own',
      '--rm',
      '-it',
      '--restart=Never',
      '--image=none',
      '--command',
      '--',
      'sh',
    ]);
    try {
      await terminal.until(/try pressing enter/);
      terminal.write('echo sum-$((2+3))\r');
      await terminal.until(/sum-5\r\n/);
      terminal.write('exit\r');
      await terminal.exited;
      assert.match(terminal.text, /pod "own" deleted/);
    } finally {
      terminal.kill();
    }
  });
});
