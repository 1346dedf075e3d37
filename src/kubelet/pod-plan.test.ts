import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodSpec } from '../api/generated/types.ts';
import type { ContainerConfig, ContainerStatus, PodSandbox } from '../runtime/runtime.ts';
import { type PlanInputs, planPod } from './pod-plan.ts';
import { RestartBackoff } from './restart-backoff.ts';

function pod(spec: Partial<PodSpec>): Pod {
  return {
    metadata: { name: 'p', namespace: 'default', uid: 'u' },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  };
}

const sandbox = { id: 's1', config: {}, state: 'ready', createdAt: 0, ips: ['10.0.0.2'] } as unknown as PodSandbox;

function run(
  name: string,
  state: ContainerStatus['state'],
  more: Partial<ContainerStatus> = {},
  attempt = 0,
): ContainerStatus {
  const config = { name, attempt, annotations: { 'io.kubernetes.container.hash': 'i' } } as unknown as ContainerConfig;
  return { id: `${name}-${attempt}`, sandboxId: 's1', config, state, createdAt: 0, logPath: '', imageRef: '', ...more };
}

function plan(p: Pod, runs: readonly ContainerStatus[], more: Partial<PlanInputs> = {}): ReturnType<typeof planPod> {
  const byName = new Map<string, ContainerStatus[]>();
  for (const r of runs) byName.set(r.config.name, [...(byName.get(r.config.name) ?? []), r]);
  return planPod(p, {
    sandbox,
    runs: byName,
    health: new Map(),
    backoff: new RestartBackoff(),
    now: 1_000_000,
    ...more,
  });
}

const started = (p: ReturnType<typeof planPod>): string[] => p.start.map((s) => `${s.container.name}#${s.attempt}`);

test('init containers run one after the other, and the main ones only after the last', () => {
  const p = pod({
    initContainers: [
      { name: 'a', image: 'i' },
      { name: 'b', image: 'i' },
    ],
  });
  assert.deepEqual(started(plan(p, [])), ['a#0']);
  assert.deepEqual(started(plan(p, [run('a', 'running')])), []);
  assert.deepEqual(started(plan(p, [run('a', 'exited', { exitCode: 0 })])), ['b#0']);
  const done = [run('a', 'exited', { exitCode: 0 }), run('b', 'exited', { exitCode: 0 })];
  assert.deepEqual(started(plan(p, done)), ['c#0']);
});

test('a failed init container is tried again unless the policy says Never', () => {
  const failed = [run('a', 'exited', { exitCode: 1, finishedAt: 0 })];
  assert.deepEqual(started(plan(pod({ initContainers: [{ name: 'a', image: 'i' }] }), failed)), ['a#1']);
  const never = pod({ initContainers: [{ name: 'a', image: 'i' }], restartPolicy: 'Never' });
  assert.deepEqual(started(plan(never, failed)), []);
});

test('a sidecar starts first, and the rest waits until it has started', () => {
  const p = pod({ initContainers: [{ name: 's', image: 'i', restartPolicy: 'Always' }] });
  assert.deepEqual(started(plan(p, [])), ['s#0']);
  assert.deepEqual(started(plan(p, [run('s', 'running')])), []);
  const health = new Map([['s', { started: true, ready: true, unhealthy: undefined }]]);
  assert.deepEqual(started(plan(p, [run('s', 'running')], { health })), ['c#0']);
});

test('restart policies', () => {
  const exited = (exitCode: number): ContainerStatus[] => [run('c', 'exited', { exitCode, finishedAt: 0 })];
  assert.deepEqual(started(plan(pod({ restartPolicy: 'Always' }), exited(0))), ['c#1']);
  assert.deepEqual(started(plan(pod({ restartPolicy: 'OnFailure' }), exited(0))), []);
  assert.deepEqual(started(plan(pod({ restartPolicy: 'OnFailure' }), exited(3))), ['c#1']);
  assert.deepEqual(started(plan(pod({ restartPolicy: 'Never' }), exited(3))), []);
});

test('a container that crashes again waits, longer each time, and says so', () => {
  const backoff = new RestartBackoff();
  const container = { name: 'c', image: 'i' };
  backoff.restarting(container, 989_000, 990_000);
  const result = plan(pod({}), [run('c', 'exited', { exitCode: 1, finishedAt: 995_000 }, 1)], { backoff });
  assert.deepEqual(started(result), []);
  assert.deepEqual(result.waiting.get('c'), {
    reason: 'CrashLoopBackOff',
    message: 'back-off 10s restarting failed container=c pod=p_default(u)',
  });
  assert.equal(result.again, 5_000);
  backoff.restarting(container, 995_000, 1_000_000);
  assert.equal(backoff.delay(container), 20_000);
});

test("a back-off is forgotten after a long run, by when that ended, and is the image's own", () => {
  const backoff = new RestartBackoff();
  const [container, now] = [{ name: 'c', image: 'i' }, 10_000_000];
  for (let times = 0; times < 8; times++) backoff.restarting(container, now, now);
  assert.equal(backoff.delay(container), 300_000);
  assert.equal(backoff.remaining(container, now + 600_000, now + 600_000), 300_000);
  assert.equal(backoff.remaining(container, now + 600_001, now + 600_001), 0);
  assert.equal(backoff.remaining({ name: 'c', image: 'other' }, now, now), 0);
  // What was waited does not count as a run.
  backoff.restarting(container, now + 400_000, now + 700_000);
  assert.equal(backoff.delay(container), 300_000);
  backoff.restarting(container, now + 1_300_001, now + 1_300_001);
  assert.equal(backoff.delay(container), 10_000);
});

test('a container waits also in a sandbox that was made anew', () => {
  const backoff = new RestartBackoff();
  backoff.restarting({ name: 'c', image: 'i' }, 989_000, 990_000);
  const before = run('c', 'exited', { exitCode: 1, finishedAt: 995_000, sandboxId: 's0' }, 1);
  const result = plan(pod({}), [before], { backoff });
  assert.deepEqual([started(result), result.again, result.waiting.get('c')?.reason], [[], 5_000, 'CrashLoopBackOff']);
  assert.deepEqual(started(plan(pod({}), [before], { backoff, now: 1_005_000 })), ['c#2']);
});

test('a dead sandbox is made anew while something has still to run, and its init containers run again', () => {
  const dead = { ...sandbox, state: 'not-ready' } as PodSandbox;
  assert.equal(plan(pod({}), [run('c', 'running')], { sandbox: dead }).sandbox, 'create');
  const over = [run('c', 'exited', { exitCode: 0 })];
  assert.equal(plan(pod({ restartPolicy: 'Never' }), over, { sandbox: dead }).sandbox, 'keep');
  const p = pod({ initContainers: [{ name: 'a', image: 'i' }] });
  const before = [run('a', 'exited', { exitCode: 0, sandboxId: 's0' })];
  assert.deepEqual(started(plan(p, before)), ['a#1']);
});

test('an unhealthy container and one whose image changed are killed', () => {
  const health = new Map([
    ['c', { started: true, ready: false, unhealthy: { kind: 'liveness' as const, message: 'x', graceSeconds: 3 } }],
  ]);
  const kills = plan(pod({}), [run('c', 'running')], { health }).kill;
  assert.deepEqual(
    kills.map((k) => [k.message, k.graceSeconds]),
    [['Container c failed liveness probe, will be restarted', 3]],
  );
  const changed = pod({ containers: [{ name: 'c', image: 'other' }] });
  assert.equal(plan(changed, [run('c', 'running')]).kill.length, 1);
});
