import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shell, shellPod, WAIT } from '../support/pods.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  await cluster.create(
    shellPod('counter', `for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; done; echo complaint >&2; ${WAIT}`),
    shellPod('ended', 'echo done', { spec: { restartPolicy: 'Never' } }),
    // It ends twice, then stays.
    shellPod(
      'crash',
      `echo run $(cat /proc/sys/kernel/random/uuid); mkdir /n/1 2>/dev/null || mkdir /n/2 2>/dev/null && exit 1; ${WAIT}`,
      {
        spec: { volumes: [{ name: 'n', emptyDir: {} }] },
        container: { volumeMounts: [{ name: 'n', mountPath: '/n' }] },
      },
    ),
    shellPod('steady', 'i=0; while sleep 0.2; do i=$((i+1)); echo tick $i; done', {
      labels: { group: 'steady' },
      spec: { terminationGracePeriodSeconds: 0 },
    }),
    shellPod('several', '', {
      labels: { group: 'several' },
      spec: {
        initContainers: [shell('echo prepared', { name: 'prepare' })],
        containers: [
          shell(`echo from one; ${WAIT}`, { name: 'one' }),
          shell(`echo from two; ${WAIT}`, { name: 'two' }),
        ],
      },
    }),
  );
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/counter', 'pod/steady', 'pod/several', '--timeout=20s']);
});
after(() => cluster?.stop());

const logs = (...args: string[]): Promise<string> => cluster.ok(['logs', ...args]);

describe('kubectl logs', { concurrency: 4 }, () => {
  it('prints all, the end, what is new, with times, and so many bytes', async () => {
    const all = await cluster.until('the last line', async () => {
      const text = await logs('counter');
      return text.includes('complaint') && text;
    });
    assert.equal(all, `${Array.from({ length: 10 }, (_, i) => `line ${i + 1}\n`).join('')}complaint\n`);
    assert.equal(await logs('counter', '--tail=3'), 'line 9\nline 10\ncomplaint\n');
    assert.equal(await logs('counter', '--tail=0'), '');
    assert.equal(await logs('counter', '--limit-bytes=9'), 'line 1\nli');
    assert.equal(await logs('counter', '--since=1h'), all);
    const timed = (await logs('counter', '--timestamps', '--tail=2')).trim().split('\n');
    for (const line of timed) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z (line 10|complaint)$/);
    const last = timed[1]?.split(' ')[0] ?? '';
    assert.equal(await logs('counter', `--since-time=${new Date(Date.parse(last) + 60_000).toISOString()}`), '');
    assert.equal(await logs('counter', `--since-time=${new Date(Date.parse(last) - 60_000).toISOString()}`), all);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.equal(await logs('counter', '--since=1s'), '');
  });

  it('prints those of a container that has ended, and of the run before', async () => {
    await cluster.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/ended', '--timeout=10s']);
    assert.equal(await logs('ended'), 'done\n');
    assert.equal(await logs('-f', 'ended'), 'done\n');
    assert.match(
      await cluster.refused(['logs', 'ended', '--previous']),
      /^Error from server \(BadRequest\): previous terminated container "main" in pod "ended" not found$/,
    );
    // While it waits, the last run is the one that is meant, and the previous one too.
    const second = await cluster.until('a back-off', async () => {
      const [last, previous] = await Promise.all([
        cluster.kubectl(['logs', 'crash']),
        cluster.kubectl(['logs', 'crash', '--previous']),
      ]);
      return last.code === 0 && last.stdout === previous.stdout && last.stdout;
    });
    assert.match(second, /^run [0-9a-f-]{36}\n$/);
    const third = await cluster.until('the third run', async () => {
      const text = await logs('crash');
      return text !== second && text;
    });
    assert.match(third, /^run [0-9a-f-]{36}\n$/);
    assert.equal(await logs('crash', '--previous'), second);
  });

  it('follows until the container ends', async () => {
    await cluster.create(
      shellPod('short', 'for i in 1 2 3 4 5; do echo n $i; sleep 0.1; done; printf "no newline"', {
        spec: { restartPolicy: 'Never' },
      }),
    );
    await cluster.until('the start', () => cluster.kubectl(['logs', 'short']).then((r) => r.code === 0));
    assert.match(await logs('-f', 'short'), /^n 1\nn 2\nn 3\nn 4\nn 5\nno newline\n?$/);
  });

  it('follows what goes on, also across a deletion of the pod', async () => {
    const following = cluster.background(['logs', '-f', 'steady', '--tail=1']);
    const first = Number((await following.until(/tick (\d+)\n/))[1]);
    await following.until(new RegExp(`tick ${first + 1}\n[\\s\\S]*tick ${first + 3}\n`));
    await cluster.ok(['delete', 'pod', 'steady']);
    assert.equal(await following.ended, 0, following.stderr);
    const numbers = [...following.stdout.matchAll(/tick (\d+)\n/g)].map((m) => Number(m[1]));
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => first + i),
      'each line once, in order',
    );
  });

  it('knows the containers of a pod', async () => {
    assert.equal(await logs('several', '-c', 'two'), 'from two\n');
    assert.equal(await logs('several', '-c', 'prepare'), 'prepared\n');
    const all = (await logs('several', '--all-containers')).trim().split('\n').sort();
    assert.deepEqual(all, ['from one', 'from two', 'prepared']);
    const prefixed = (await logs('-l', 'group=several', '--all-containers', '--prefix')).trim().split('\n').sort();
    assert.deepEqual(prefixed, [
      '[pod/several/one] from one',
      '[pod/several/prepare] prepared',
      '[pod/several/two] from two',
    ]);
    const defaulted = await cluster.kubectl(['logs', 'several']);
    assert.equal(defaulted.stdout, 'from one\n');
    assert.match(defaulted.stderr, /^Defaulted container "one" out of: one, two, prepare \(init\)\n$/);
    assert.equal(
      await cluster.refused(['logs', 'several', '-c', 'nobody']),
      'error: container nobody is not valid for pod several',
    );
    assert.match(
      await cluster.refused(['get', '--raw', '/api/v1/namespaces/default/pods/several/log']),
      /a container name must be specified for pod several, choose one of: \[one two\] or one of the init containers: \[prepare\]$/,
    );
    assert.match(
      await cluster.refused(['get', '--raw', '/api/v1/namespaces/default/pods/several/log?container=nobody']),
      /container nobody is not valid for pod several/,
    );
  });

  it('says why there is nothing yet', async () => {
    await cluster.create(
      shellPod('waiting', 'true', {
        container: { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'none', key: 'a' } } }] },
      }),
    );
    const refusal = await cluster.until('the refusal', async () => {
      const { stderr } = await cluster.kubectl(['logs', 'waiting']);
      return stderr.includes('CreateContainerConfigError') && stderr.trim();
    });
    assert.equal(
      refusal,
      'Error from server (BadRequest): container "main" in pod "waiting" is waiting to start: CreateContainerConfigError',
    );
    assert.match(
      await cluster.refused(['logs', 'nobody']),
      /^error: error from server \(NotFound\): pods "nobody" not found in namespace "default"$/,
    );
    await cluster.create(shellPod('nowhere', 'true', { spec: { nodeSelector: { no: 'such' } } }));
    const { code, stdout, stderr } = await cluster.kubectl(['logs', 'nowhere']);
    assert.deepEqual(
      { code, stdout, stderr },
      { code: 0, stdout: '', stderr: '' },
      'a pod without a node has an empty log',
    );
  });

  it('carries lines of any length and any bytes', async () => {
    await cluster.create(
      shellPod('long', 'head -c 100000 /dev/zero | tr "\\0" x; echo; printf "\\377\\376 \\0 end\\n"', {
        spec: { restartPolicy: 'Never' },
      }),
    );
    await cluster.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/long', '--timeout=10s']);
    const text = await logs('long');
    assert.equal(text.indexOf('\n'), 100_000);
    assert.equal(text.slice(100_001), `${Buffer.from([0xff, 0xfe]).toString()} \0 end\n`);
    assert.equal((await logs('long', '--tail=2')).length, text.length);
  });
});
