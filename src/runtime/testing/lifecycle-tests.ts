import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCode } from '../../lib/errors.ts';
import { containerConfig, exitOf, logLines, type RuntimeFixture, shell, TestPod } from './pods.ts';

const NEVER = new AbortController().signal;

export function lifecycleTests(fixture: () => RuntimeFixture): void {
  describe('lifecycle', () => {
    it('takes a container from created to running to exited, with its output in the log', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const [sandbox] = (await runtime.listPodSandboxes()).filter(({ id }) => id === pod.id);
      assert.equal(sandbox?.state, 'ready');
      assert.deepEqual(sandbox?.config, pod.config);
      const id = await pod.create({ command: ['sh', '-c', 'echo out; echo err >&2; printf unfinished; exit 7'] });
      assert.equal((await runtime.containerStatus(id)).state, 'created');
      await runtime.startContainer(id);
      const status = await exitOf(runtime, id);
      assert.equal(status.state, 'exited');
      assert.equal(status.exitCode, 7);
      assert.equal(status.reason, 'Error');
      assert.ok(
        status.startedAt !== undefined && status.finishedAt !== undefined && status.finishedAt >= status.startedAt,
      );
      assert.equal(status.logPath, `${pod.config.logDirectory}/main/0.log`);
      const log = await readFile(status.logPath, 'utf8');
      assert.match(log, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stdout F out$/m);
      // containerd leaves a line open that the container did.
      const lines = logLines(log).map((line) => line.replace('stdout P unfinished', 'stdout F unfinished'));
      assert.deepEqual(lines.sort(), ['stderr F err', 'stdout F out', 'stdout F unfinished']);
      await pod.remove();
      await assert.rejects(runtime.containerStatus(id), (error) => isCode(error, 'NotFound'));
    });

    it('says Completed when the exit code is 0', async () => {
      const pod = await TestPod.run(fixture());
      const { status } = await pod.script('true');
      assert.equal(status.exitCode, 0);
      assert.equal(status.reason, 'Completed');
      await pod.remove();
    });

    it('tells of each change by events', async () => {
      const { runtime } = fixture();
      const over = new AbortController();
      const seen: string[] = [];
      const watching = (async () => {
        for await (const event of runtime.events(over.signal)) seen.push(`${event.podUid} ${event.containerId ?? ''}`);
      })();
      const pod = await TestPod.run(fixture());
      const { id } = await pod.script('sleep 0.2');
      await delay(50);
      over.abort();
      await watching;
      assert.ok(seen.filter((entry) => entry === `${pod.config.podUid} ${id}`).length >= 2, 'its start and its end');
      await pod.remove();
    });

    it('sends SIGTERM first, and SIGKILL after the grace period', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const polite = await pod.start({
        name: 'polite',
        command: ['sh', '-c', 'trap "exit 3" TERM; while :; do sleep 0.1; done'],
      });
      const deaf = await pod.start({
        name: 'deaf',
        command: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'],
      });
      const custom = await pod.start({
        name: 'custom',
        // A runtime behind CRI may be too old for it, and refuses.
        ...(fixture().sees === 'host' ? { stopSignal: 'SIGUSR1' } : {}),
        command: [
          'sh',
          '-c',
          `trap "exit 4" ${fixture().sees === 'host' ? 'USR1' : 'TERM'}; while :; do sleep 0.1; done`,
        ],
      });
      await delay(200);
      const began = performance.now();
      await Promise.all([
        runtime.stopContainer(polite, 10),
        runtime.stopContainer(deaf, 1),
        runtime.stopContainer(custom, 10),
      ]);
      const took = performance.now() - began;
      assert.ok(took >= 900 && took < 6_000, `${took} ms`);
      assert.equal((await runtime.containerStatus(polite)).exitCode, 3);
      assert.equal((await runtime.containerStatus(deaf)).exitCode, 137);
      assert.equal((await runtime.containerStatus(custom)).exitCode, 4);
      await pod.remove();
    });

    it('kills what a container left in the background with it', async () => {
      const pod = await TestPod.run(fixture());
      const { status } = await pod.script('(setsid sleep 1000 &) ; (sleep 999 &) ; exit 0');
      assert.equal(status.exitCode, 0);
      const began = performance.now();
      await pod.remove();
      assert.ok(performance.now() - began < 5_000);
    });

    it('makes stop and remove of what is gone succeed, and everything else NotFound', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      await runtime.stopContainer(id, 0);
      await runtime.stopContainer(id, 0);
      await runtime.removeContainer(id);
      await runtime.removeContainer(id);
      await runtime.stopPodSandbox(pod.id);
      await runtime.stopPodSandbox(pod.id);
      const [stopped] = (await runtime.listPodSandboxes()).filter((sandbox) => sandbox.id === pod.id);
      assert.equal(stopped?.state, 'not-ready');
      await pod.remove();
      await pod.remove();
      await runtime.stopContainer('none', 1);
      for (const attempt of [
        () => runtime.startContainer('none'),
        () => runtime.containerStatus('none'),
        () => runtime.createContainer(pod.id, containerConfig(), NEVER),
        () => runtime.exec('none', { command: ['true'], stdin: false, stdout: true, stderr: true, tty: false }, NEVER),
        () => runtime.attach('none', { stdin: false, stdout: true, stderr: true, tty: false }, NEVER),
        () => runtime.portForward('none', 80, NEVER),
      ])
        await assert.rejects(attempt(), (error) => isCode(error, 'NotFound'));
      assert.deepEqual(
        (await runtime.listContainers()).filter((container) => container.sandboxId === pod.id),
        [],
      );
    });

    it('refuses to start a container twice', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      await assert.rejects(runtime.startContainer(id), (error) => isCode(error, 'Invalid'));
      await pod.remove();
    });

    it('gives the command, arguments, environment, working directory and host name as they are', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture(), {
        hostname: 'a-host-name',
        hostAliases: [{ ip: '192.0.2.7', hostnames: ['one.example', 'two.example'] }],
        dns: { servers: ['192.0.2.53'], searches: ['svc.example'], options: ['ndots:5'] },
      });
      const values = ['it\'s "quoted" $HOME `id` \\', 'two\nlines', '', ' spaces ', 'ünïcode 🚢', '*'];
      const id = await pod.start({
        command: ['sh', '-c', 'printf "[%s]" "$@"; echo; exec sleep 1000', 'zero'],
        args: values,
        env: [
          ...values.map((value, index) => ({ name: `V${index}`, value })),
          { name: 'IFS', value: 'x' },
          { name: 'with.dot', value: 'odd' },
          { name: 'PATH', value: '/usr/bin:/bin' },
        ],
        workingDir: '/usr/share',
      });
      const printed = await execute0(runtime, id, values.length);
      assert.deepEqual(printed, values);
      const plain = await pod.start({
        name: 'plain',
        env: [
          { name: 'IFS', value: 'x' },
          { name: 'with.dot', value: 'odd' },
          { name: 'PATH', value: '/usr/bin:/bin' },
        ],
      });
      const environment = await shell(runtime, plain, 'tr "\\0" "\\n" </proc/1/environ | sort');
      for (const expected of ['HOSTNAME=a-host-name', 'IFS=x', 'with.dot=odd', 'PATH=/usr/bin:/bin'])
        assert.ok(environment.stdout.split('\n').includes(expected), expected);
      assert.doesNotMatch(environment.stdout, /CAUSEWAY|LC_ALL|SHLVL/);
      assert.equal(
        (await shell(runtime, id, 'pwd; hostname; cat /etc/hostname')).stdout,
        '/usr/share\na-host-name\na-host-name\n',
      );
      const hosts = (await shell(runtime, id, 'cat /etc/hosts')).stdout;
      assert.match(hosts, /^127\.0\.0\.1\s+localhost/m);
      assert.match(hosts, /^192\.0\.2\.7\tone\.example\ttwo\.example$/m);
      assert.equal(
        (await shell(runtime, id, 'sort /etc/resolv.conf')).stdout,
        'nameserver 192.0.2.53\noptions ndots:5\nsearch svc.example\n',
      );
      await delay(50);
      const log = await readFile((await runtime.containerStatus(id)).logPath, 'utf8');
      assert.match(log, /stdout F \[it's "quoted" \$HOME `id` \\\]\[two\n/);
      await pod.remove();
    });

    it('names what is wrong with a command that cannot be started', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      for (const [command, message] of [
        [['no-such-program'], /exec: "no-such-program": executable file not found in \$PATH/],
        [['/no/such/program'], /exec: "\/no\/such\/program": stat \/no\/such\/program: no such file or directory/],
        [['/etc/hostname'], /exec: "\/etc\/hostname": permission denied/],
        [['/etc'], /exec: "\/etc": (is a directory|permission denied)/],
      ] as const) {
        const id = await pod.create({ command });
        await assert.rejects(runtime.startContainer(id), { message });
        const status = await runtime.containerStatus(id);
        assert.equal(status.state, 'exited');
        assert.equal(status.exitCode, 128);
        assert.equal(status.reason, 'StartError');
        assert.match(status.message ?? '', message);
        await runtime.removeContainer(id);
      }
      if (fixture().sees === 'image') return pod.remove();
      await assert.rejects(
        pod.create({ command: [] }),
        (error) => isCode(error, 'Invalid') && /no command/.test(error.message),
      );
      await pod.remove();
    });

    it('lets the containers of a pod see each other only when they share the PID namespace', async () => {
      const { runtime } = fixture();
      for (const shareProcessNamespace of [false, true]) {
        const pod = await TestPod.run(fixture(), { shareProcessNamespace });
        await pod.start({ name: 'first', command: ['sleep', '1234'] });
        const second = await pod.start({ name: 'second' });
        const { stdout } = await shell(runtime, second, 'cat /proc/[0-9]*/cmdline | tr "\\0" " "');
        assert.equal(stdout.includes('sleep 1234'), shareProcessNamespace);
        assert.equal(
          (await shell(runtime, second, 'cat /proc/1/cmdline')).stdout.includes('1000'),
          !shareProcessNamespace,
        );
        await runtime.stopContainer(second, 0);
        assert.equal((await runtime.containerStatus(second)).exitCode, 137);
        await pod.remove();
      }
    });
  });
}

async function execute0(runtime: RuntimeFixture['runtime'], id: string, count: number): Promise<string[]> {
  const values: string[] = [];
  for (let index = 0; index < count; index++) values.push((await shell(runtime, id, `printf %s "$V${index}"`)).stdout);
  return values;
}
