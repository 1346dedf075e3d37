import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ContainerStatus, Pod } from '../../src/api/generated/types.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shell, shellPod, WAIT } from '../support/pods.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
});
after(() => cluster?.stop());

const getPod = (name: string): Promise<Pod> => cluster.json<Pod>(['get', 'pod', name]);

function untilPod(name: string, what: string, check: (pod: Pod) => boolean, timeoutMs = 20_000): Promise<Pod> {
  return cluster.until(
    `pod ${name}: ${what}`,
    async () => {
      const pod = await getPod(name);
      return check(pod) && pod;
    },
    timeoutMs,
  );
}

const status = (pod: Pod, name = 'main'): ContainerStatus | undefined =>
  [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find((s) => s.name === name);

const condition = (pod: Pod, type: string) => pod.status?.conditions?.find((c) => c.type === type);

/** Reasons and messages of a pod's events, oldest first. */
async function events(pod: string): Promise<string[]> {
  const list = await cluster.json<{ items: { reason: string; message: string; lastTimestamp?: string }[] }>([
    'get',
    'events',
    '--field-selector',
    `involvedObject.name=${pod}`,
  ]);
  return list.items.map((e) => `${e.reason}: ${e.message}`);
}

describe('a pod', { concurrency: 6 }, () => {
  it('ends by what its containers end with', async () => {
    await cluster.create(
      shellPod('good', 'exit 0', { spec: { restartPolicy: 'Never' } }),
      shellPod('bad', 'exit 7', { spec: { restartPolicy: 'Never' } }),
      shellPod('retried', 'test -e /data/once || { touch /data/once; exit 1; }', {
        spec: { restartPolicy: 'OnFailure', volumes: [{ name: 'data', emptyDir: {} }] },
        container: { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      }),
    );
    const good = await untilPod('good', 'to succeed', (p) => p.status?.phase === 'Succeeded');
    assert.deepEqual(
      [status(good)?.state?.terminated?.exitCode, status(good)?.state?.terminated?.reason, status(good)?.restartCount],
      [0, 'Completed', 0],
    );
    assert.equal(condition(good, 'Ready')?.status, 'False');
    assert.equal(condition(good, 'Ready')?.reason, 'PodCompleted');
    const bad = await untilPod('bad', 'to fail', (p) => p.status?.phase === 'Failed');
    assert.deepEqual([status(bad)?.state?.terminated?.exitCode, status(bad)?.state?.terminated?.reason], [7, 'Error']);
    assert.equal(condition(bad, 'Ready')?.reason, 'PodFailed');
    assert.match(
      await cluster.ok(['get', 'pods', 'good', 'bad', '--no-headers']),
      /^good +0\/1 +Completed +0 .*\nbad +0\/1 +Error +0 /,
    );
    const retried = await untilPod('retried', 'to succeed', (p) => p.status?.phase === 'Succeeded');
    assert.deepEqual([status(retried)?.restartCount, status(retried)?.state?.terminated?.exitCode], [1, 0]);
  });

  it('backs off when it crashes', async () => {
    await cluster.create(shellPod('crash', 'echo no; exit 3'));
    const pod = await untilPod('crash', 'to back off', (p) => status(p)?.state?.waiting?.reason === 'CrashLoopBackOff');
    assert.match(
      status(pod)?.state?.waiting?.message ?? '',
      new RegExp(`^back-off 10s restarting failed container=main pod=crash_default\\(${pod.metadata.uid}\\)$`),
    );
    assert.equal(status(pod)?.lastState?.terminated?.exitCode, 3);
    assert.equal(pod.status?.phase, 'Running');
    assert.equal(condition(pod, 'ContainersReady')?.message, 'containers with unready status: [main]');
    assert.match(
      await cluster.ok(['get', 'pod', 'crash', '--no-headers']),
      /^crash +0\/1 +CrashLoopBackOff +1 \(\d+s ago\) /,
    );
    await cluster.until('the event', async () =>
      (await events('crash')).some((e) =>
        e.startsWith(`BackOff: Back-off restarting failed container main in pod crash_default(${pod.metadata.uid})`),
      ),
    );
    const started = status(pod)?.lastState?.terminated?.finishedAt ?? '';
    const again = await untilPod('crash', 'to run a third time', (p) => (status(p)?.restartCount ?? 0) >= 2);
    const { state, lastState } = status(again) ?? {};
    const third = (state?.running ?? state?.terminated ?? lastState?.terminated)?.startedAt ?? '';
    const waited = (Date.parse(third) - Date.parse(started)) / 1000;
    assert.ok(waited >= 9 && waited <= 20, `waited ${waited} s: ${JSON.stringify([pod.status, again.status])}`);
    await cluster.ok(['delete', 'pod', 'crash', '--now']);
  });

  it('runs its init containers in order, and starts only after them', async () => {
    const mount = { volumeMounts: [{ name: 'w', mountPath: '/w' }] };
    await cluster.create(
      shellPod('init', '', {
        spec: {
          volumes: [{ name: 'w', emptyDir: {} }],
          initContainers: [
            shell('sleep 0.5; echo 1 >> /w/order', { name: 'i1', ...mount }),
            shell('echo 2 >> /w/order', { name: 'i2', ...mount }),
          ],
          containers: [shell(`echo main >> /w/order; cat /w/order; ${WAIT}`, mount)],
        },
      }),
      shellPod('initfails', 'true', {
        spec: { restartPolicy: 'Never', initContainers: [shell('exit 9', { name: 'i1' })] },
      }),
      shellPod('initcrash', 'true', { spec: { initContainers: [shell('exit 9', { name: 'i1' })] } }),
    );
    const pod = await untilPod('init', 'to be ready', (p) => condition(p, 'Ready')?.status === 'True');
    assert.equal(await cluster.ok(['logs', 'init', '-c', 'main']), '1\n2\nmain\n');
    assert.deepEqual(
      pod.status?.initContainerStatuses?.map((s) => [s.name, s.ready, s.state?.terminated?.reason]),
      [
        ['i1', true, 'Completed'],
        ['i2', true, 'Completed'],
      ],
    );
    assert.equal(condition(pod, 'Initialized')?.status, 'True');
    const failed = await untilPod('initfails', 'to fail', (p) => p.status?.phase === 'Failed');
    assert.equal(status(failed, 'i1')?.state?.terminated?.exitCode, 9);
    assert.equal(status(failed)?.state?.waiting?.reason, 'PodInitializing');
    assert.match(await cluster.ok(['get', 'pod', 'initfails', '--no-headers']), / Init:Error /);
    const crashing = await untilPod(
      'initcrash',
      'to back off',
      (p) => status(p, 'i1')?.state?.waiting?.reason === 'CrashLoopBackOff',
    );
    assert.equal(crashing.status?.phase, 'Pending');
    assert.equal(condition(crashing, 'Initialized')?.message, 'containers with incomplete status: [i1]');
    await cluster.until('Init:CrashLoopBackOff to be shown', async () =>
      (await cluster.ok(['get', 'pod', 'initcrash', '--no-headers'])).includes(' Init:CrashLoopBackOff '),
    );
    await cluster.ok(['delete', 'pod', 'init', 'initcrash', '--now']);
  });

  it('has sidecars beside it, that end after it', async () => {
    const mount = { volumeMounts: [{ name: 'w', mountPath: '/w' }] };
    await cluster.create(
      shellPod('sidecar', '', {
        spec: {
          restartPolicy: 'Never',
          volumes: [{ name: 'w', emptyDir: {} }],
          initContainers: [
            {
              ...shell('', { name: 'helper', restartPolicy: 'Always', ...mount }),
              command: [
                'sh',
                '-c',
                'trap "echo helper ends; exit 0" TERM; sleep 0.3; touch /w/up; echo helper up; while :; do sleep 600 & wait $!; done',
              ],
              startupProbe: { exec: { command: ['test', '-e', '/w/up'] }, periodSeconds: 1, timeoutSeconds: 10 },
            },
          ],
          containers: [shell('test -e /w/up && echo helper was there; sleep 0.5; exit 0', mount)],
        },
      }),
    );
    const pod = await untilPod('sidecar', 'to succeed', (p) => p.status?.phase === 'Succeeded');
    assert.equal(await cluster.ok(['logs', 'sidecar', '-c', 'main']), 'helper was there\n');
    assert.equal(await cluster.ok(['logs', 'sidecar', '-c', 'helper']), 'helper up\nhelper ends\n');
    assert.ok(status(pod, 'helper')?.state?.terminated, JSON.stringify(status(pod, 'helper')));
  });

  it('is killed at the end of its grace period, and says how it ended', async () => {
    await cluster.create(
      shellPod('graceful', `trap 'echo asked; sleep 0.5; echo bye; exit 0' TERM; echo up; ${WAIT}`, {
        spec: { terminationGracePeriodSeconds: 30 },
      }),
      shellPod('stubborn', `trap '' TERM; echo up; ${WAIT}`, { spec: { terminationGracePeriodSeconds: 2 } }),
    );
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/graceful', 'pod/stubborn']);
    const graceful = cluster.background(['logs', '-f', 'graceful']);
    const watch = cluster.background([
      'get',
      'pod',
      'stubborn',
      '-w',
      '-o',
      'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}{" "}',
    ]);
    await graceful.until(/up/);
    const started = Date.now();
    await cluster.ok(['delete', 'pod', 'graceful']);
    assert.ok(Date.now() - started < 25_000, 'before its grace period is over');
    await graceful.ended;
    assert.equal(graceful.stdout, 'up\nasked\nbye\n');
    await cluster.ok(['delete', 'pod', 'stubborn']);
    await watch.until(/137/);
    await watch.stop();
    await cluster.until('the event', async () =>
      (await events('stubborn')).some((e) => e === 'Killing: Stopping container main'),
    );
  });

  it('runs its hooks', async () => {
    const mount = { volumeMounts: [{ name: 'w', mountPath: '/w' }] };
    await cluster.create(
      shellPod('hooks', `trap 'cat /w/hooks; exit 0' TERM; ${WAIT}`, {
        spec: { terminationGracePeriodSeconds: 10, volumes: [{ name: 'w', emptyDir: {} }] },
        container: {
          ...mount,
          lifecycle: {
            postStart: { exec: { command: ['sh', '-c', 'echo post >> /w/hooks'] } },
            preStop: { exec: { command: ['sh', '-c', 'sleep 0.3; echo pre >> /w/hooks'] } },
          },
        },
      }),
      shellPod('badhook', WAIT, { container: { lifecycle: { postStart: { exec: { command: ['false'] } } } } }),
      shellPod('sleephook', WAIT, { container: { lifecycle: { preStop: { sleep: { seconds: 1 } } } } }),
    );
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/hooks', 'pod/sleephook']);
    const following = cluster.background(['logs', '-f', 'hooks']);
    const started = Date.now();
    await Promise.all([cluster.ok(['delete', 'pod', 'hooks']), cluster.ok(['delete', 'pod', 'sleephook'])]);
    assert.ok(Date.now() - started >= 1000, 'the sleep was waited for');
    await following.ended;
    assert.equal(following.stdout, 'post\npre\n');
    await cluster.until('FailedPostStartHook', async () =>
      (await events('badhook')).some((e) => e.startsWith('FailedPostStartHook: PostStartHook failed')),
    );
    await untilPod('badhook', 'to be restarted', (p) => (status(p)?.restartCount ?? 0) >= 1);
    await cluster.ok(['delete', 'pod', 'badhook', '--now']);
  });

  it('leaves a termination message', async () => {
    const never = { restartPolicy: 'Never' } as const;
    await cluster.create(
      shellPod('message', 'echo the end > /dev/termination-log; exit 1', { spec: never }),
      shellPod('elsewhere', 'echo else > /tmp/m; exit 1', {
        spec: never,
        container: { terminationMessagePath: '/tmp/m' },
      }),
      shellPod('fallback', 'echo first; echo last words; exit 1', {
        spec: never,
        container: { terminationMessagePolicy: 'FallbackToLogsOnError' },
      }),
      shellPod('fine', 'echo words; exit 0', {
        spec: never,
        container: { terminationMessagePolicy: 'FallbackToLogsOnError' },
      }),
    );
    const message = async (name: string): Promise<string | undefined> =>
      status(await untilPod(name, 'to end', (p) => ['Failed', 'Succeeded'].includes(p.status?.phase ?? '')))?.state
        ?.terminated?.message;
    assert.equal(await message('message'), 'the end\n');
    assert.equal(await message('elsewhere'), 'else\n');
    assert.equal(await message('fallback'), 'first\nlast words\n');
    assert.equal(await message('fine'), undefined);
  });

  it('is ended when its time is over', async () => {
    await cluster.create(shellPod('deadline', WAIT, { spec: { restartPolicy: 'Never', activeDeadlineSeconds: 1 } }));
    const pod = await untilPod('deadline', 'to fail', (p) => p.status?.phase === 'Failed');
    assert.equal(pod.status?.reason, 'DeadlineExceeded');
    assert.equal(pod.status?.message, 'Pod was active on the node longer than the specified deadline');
  });

  it('says what it lacks to start', async () => {
    await cluster.create(
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'commandless' },
        spec: { containers: [{ name: 'main', image: 'busybox' }] },
      },
      shellPod('keyless', 'true', {
        container: { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'absent', key: 'k' } } }] },
      }),
      shellPod('volumeless', 'true', { spec: { volumes: [{ name: 'v', configMap: { name: 'absent' } }] } }),
      shellPod('noprogram', '', { spec: { restartPolicy: 'Never' }, container: { command: ['/no/such/program'] } }),
    );
    const waits = async (name: string): Promise<string> => {
      const pod = await untilPod(
        name,
        'to wait',
        (p) => !['ContainerCreating', undefined].includes(status(p)?.state?.waiting?.reason),
      );
      return `${status(pod)?.state?.waiting?.reason}: ${status(pod)?.state?.waiting?.message}`;
    };
    assert.match(await waits('commandless'), /^CreateContainerError: .*command/);
    assert.equal(await waits('keyless'), 'CreateContainerConfigError: secret "absent" not found');
    await cluster.until('FailedMount', async () =>
      (await events('volumeless')).some(
        (e) => e === 'FailedMount: MountVolume.SetUp failed for volume "v" : configmap "absent" not found',
      ),
    );
    assert.equal(status(await getPod('volumeless'))?.state?.waiting?.reason, 'ContainerCreating');
    const failed = await untilPod(
      'noprogram',
      'to fail',
      (p) => p.status?.phase === 'Failed' || status(p)?.state?.waiting?.reason === 'RunContainerError',
    );
    const terminated = status(failed)?.state?.terminated ?? status(failed)?.lastState?.terminated;
    assert.ok(terminated === undefined || [127, 128].includes(terminated.exitCode), JSON.stringify(status(failed)));
    // What was missing comes: the pod goes on by itself.
    await cluster.ok(['create', 'cm', 'absent', '--from-literal=a=b']);
    await untilPod(
      'volumeless',
      'to run',
      (p) =>
        (p.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0 ||
        status(p)?.state?.terminated !== undefined ||
        status(p)?.state?.running !== undefined,
      40_000,
    );
    await cluster.ok(['delete', 'pod', 'commandless', 'keyless', 'volumeless', '--now']);
  });

  it('is refused what the node cannot honour, by name', async () => {
    const refuse = (pod: object): Promise<string> =>
      cluster.refused(['create', '-f', '-'], { stdin: JSON.stringify(pod) });
    assert.match(
      await refuse(
        shellPod('apparmor', 'true', {
          container: { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'x' } } },
        }),
      ),
      /pods "apparmor" is forbidden: .*appArmorProfile/,
    );
    assert.match(
      await refuse(
        shellPod('memory', 'true', {
          spec: { volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }] },
        }),
      ),
      /cannot honour spec\.volumes\[0\]\.emptyDir\.medium$/,
    );
    assert.match(
      await refuse(shellPod('pvc', 'true', { spec: { volumes: [{ name: 'v', nfs: { server: 'a', path: '/b' } }] } })),
      /pods "pvc" is forbidden: the node runtime cannot honour spec\.volumes\[0\]\.nfs$/,
    );
  });

  it('is changed in place where that is allowed', async () => {
    await cluster.create(shellPod('image', WAIT));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/image']);
    assert.equal(await cluster.ok(['set', 'image', 'pod/image', 'main=other']), 'pod/image image updated\n');
    const pod = await untilPod(
      'image',
      'to run the new image',
      (p) => status(p)?.restartCount === 1 && status(p)?.state?.running !== undefined,
    );
    assert.equal(status(pod)?.image, 'other');
    await cluster.until('the event', async () =>
      (await events('image')).some((e) => e === 'Killing: Container main definition changed, will be restarted'),
    );
    await cluster.ok(['delete', 'pod', 'image', '--now']);
  });

  it('shows conditions in the order of its life', async () => {
    await cluster.create(
      shellPod('gated', WAIT, { spec: { readinessGates: [{ conditionType: 'example.test/open' }] } }),
    );
    const pod = await untilPod('gated', 'to run', (p) => condition(p, 'ContainersReady')?.status === 'True');
    assert.equal(condition(pod, 'Ready')?.status, 'False');
    assert.equal(condition(pod, 'Ready')?.reason, 'ReadinessGatesNotReady');
    assert.equal(
      condition(pod, 'Ready')?.message,
      'corresponding condition of pod readiness gate "example.test/open" does not exist.',
    );
    await cluster.ok([
      'patch',
      'pod',
      'gated',
      '--subresource=status',
      '-p',
      '{"status":{"conditions":[{"type":"example.test/open","status":"True"}]}}',
    ]);
    await untilPod('gated', 'to be ready', (p) => condition(p, 'Ready')?.status === 'True');
    assert.deepEqual(
      (await getPod('gated')).status?.conditions?.map((c) => c.type).sort(),
      [
        'ContainersReady',
        'Initialized',
        'PodReadyToStartContainers',
        'PodScheduled',
        'Ready',
        'example.test/open',
      ].sort(),
    );
    assert.equal(pod.status?.qosClass, 'BestEffort');
    await cluster.ok(['delete', 'pod', 'gated', '--now']);
  });
});

describe('probes', { concurrency: 6 }, () => {
  /** Without root pods share the host's network: each has a port of its own. */
  const http = (port: number): string[] => [
    process.execPath,
    '-e',
    `require('node:http').createServer((q, r) => { r.statusCode = require('node:fs').existsSync('/tmp/ok') ? 200 : 503; r.end(); }).listen(${port}); process.on('SIGTERM', () => process.exit(0));`,
  ];

  it('exec: readiness opens and closes the pod', async () => {
    await cluster.create(
      shellPod('ready', WAIT, {
        container: {
          readinessProbe: {
            exec: { command: ['test', '-e', '/tmp/ok'] },
            periodSeconds: 1,
            timeoutSeconds: 10,
            failureThreshold: 1,
          },
        },
      }),
    );
    await untilPod('ready', 'to run', (p) => status(p)?.state?.running !== undefined);
    await cluster.until('the event', async () =>
      (await events('ready')).some((e) => e.startsWith('Unhealthy: Readiness probe failed:')),
    );
    assert.equal(condition(await getPod('ready'), 'Ready')?.reason, 'ContainersNotReady');
    await cluster.ok(['exec', 'ready', '--', 'touch', '/tmp/ok']);
    await untilPod('ready', 'to be ready', (p) => condition(p, 'Ready')?.status === 'True');
    await cluster.ok(['exec', 'ready', '--', 'rm', '/tmp/ok']);
    const pod = await untilPod('ready', 'to be unready', (p) => condition(p, 'Ready')?.status === 'False');
    assert.equal(status(pod)?.restartCount, 0);
    await cluster.ok(['delete', 'pod', 'ready', '--now']);
  });

  it('exec: liveness restarts the container', async () => {
    await cluster.create(
      shellPod('alive', `touch /tmp/ok; ${WAIT}`, {
        container: {
          livenessProbe: {
            exec: { command: ['sh', '-c', 'test -e /tmp/ok || { echo it is dead; false; }'] },
            periodSeconds: 1,
            timeoutSeconds: 10,
            failureThreshold: 2,
          },
        },
      }),
    );
    await untilPod('alive', 'to run', (p) => status(p)?.state?.running !== undefined);
    await cluster.ok(['exec', 'alive', '--', 'rm', '/tmp/ok']);
    await untilPod('alive', 'to be restarted', (p) => status(p)?.restartCount === 1);
    await cluster.until('the events', async () => {
      const all = await events('alive');
      return (
        all.some((e) => e.startsWith('Unhealthy: Liveness probe failed: it is dead')) &&
        all.includes('Killing: Container main failed liveness probe, will be restarted')
      );
    });
    await cluster.ok(['delete', 'pod', 'alive', '--now']);
  });

  it('http and tcp: reach the pod at its own address', async () => {
    await cluster.create(
      shellPod('http', '', {
        container: {
          command: http(18080),
          ports: [{ name: 'web', containerPort: 18080 }],
          readinessProbe: {
            httpGet: { port: 'web', path: '/healthz', httpHeaders: [{ name: 'X-A', value: 'b' }] },
            periodSeconds: 1,
            timeoutSeconds: 10,
          },
        },
      }),
      shellPod('tcp', '', {
        container: {
          command: http(18081),
          readinessProbe: { tcpSocket: { port: 18081 }, periodSeconds: 1, timeoutSeconds: 10 },
        },
      }),
      shellPod('tcpdead', '', {
        container: {
          command: http(18082),
          readinessProbe: { tcpSocket: { port: 18083 }, periodSeconds: 1, timeoutSeconds: 10 },
        },
      }),
    );
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/tcp', '--timeout=20s']);
    await cluster.until('the event', async () =>
      (await events('http')).includes('Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503'),
    );
    assert.equal(condition(await getPod('http'), 'Ready')?.status, 'False');
    await cluster.ok(['exec', 'http', '--', 'touch', '/tmp/ok']);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/http', '--timeout=20s']);
    await cluster.until('the event', async () =>
      (await events('tcpdead')).some((e) =>
        /^Unhealthy: Readiness probe failed: dial tcp [\d.]+:18083: connect: connection refused$/.test(e),
      ),
    );
    await cluster.ok(['delete', 'pod', 'http', 'tcp', 'tcpdead', '--now']);
  });

  it('startup: holds the others back, and gives up', async () => {
    await cluster.create(
      shellPod('slow', `sleep 1.5; touch /tmp/ok; ${WAIT}`, {
        container: {
          startupProbe: {
            exec: { command: ['test', '-e', '/tmp/ok'] },
            periodSeconds: 1,
            timeoutSeconds: 10,
            failureThreshold: 10,
          },
          livenessProbe: {
            exec: { command: ['test', '-e', '/tmp/ok'] },
            periodSeconds: 1,
            timeoutSeconds: 10,
            failureThreshold: 1,
          },
        },
      }),
      shellPod('never', WAIT, {
        spec: { terminationGracePeriodSeconds: 1 },
        container: {
          startupProbe: { exec: { command: ['false'] }, periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 1 },
        },
      }),
    );
    const early = await untilPod('slow', 'to run', (p) => status(p)?.state?.running !== undefined);
    assert.equal(status(early)?.started, false);
    const pod = await untilPod('slow', 'to be ready', (p) => condition(p, 'Ready')?.status === 'True');
    assert.deepEqual([status(pod)?.started, status(pod)?.restartCount], [true, 0]);
    await untilPod('never', 'to be restarted', (p) => (status(p)?.restartCount ?? 0) >= 1);
    await cluster.until('the event', async () =>
      (await events('never')).includes('Killing: Container main failed startup probe, will be restarted'),
    );
    await cluster.ok(['delete', 'pod', 'slow', 'never', '--now']);
  });
});
