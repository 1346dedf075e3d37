import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodSpec } from '../api/generated/types.ts';
import type { ContainerConfig, ContainerStatus } from '../runtime/runtime.ts';
import { computePodStatus, type PodObservation } from './pod-status.ts';

function pod(spec: Partial<PodSpec> = {}, status: Pod['status'] = {}): Pod {
  return {
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
    status,
  };
}

function run(
  name: string,
  state: ContainerStatus['state'],
  more: Partial<ContainerStatus> = {},
  attempt = 0,
): ContainerStatus {
  const config = { name, attempt } as unknown as ContainerConfig;
  return {
    id: `${name}${attempt}`,
    sandboxId: 's',
    config,
    state,
    createdAt: 1000,
    startedAt: 1000,
    logPath: '',
    imageRef: 'r',
    ...more,
  };
}

function seen(runs: readonly ContainerStatus[], more: Partial<PodObservation> = {}): PodObservation {
  const byName = new Map<string, ContainerStatus[]>();
  for (const r of runs) byName.set(r.config.name, [...(byName.get(r.config.name) ?? []), r]);
  const healthy = { started: true, ready: true };
  return {
    runtimeName: 'process',
    podIPs: ['10.0.0.2'],
    hostIPs: ['192.0.2.1'],
    sandboxReady: true,
    runs: byName,
    waiting: new Map(),
    health: new Map(runs.filter((r) => r.state === 'running').map((r) => [r.config.name, healthy])),
    terminationMessages: new Map(),
    terminating: false,
    now: 5000,
    ...more,
  };
}

const condition = (status: NonNullable<Pod['status']>, type: string): string | undefined =>
  status.conditions?.find((c) => c.type === type)?.status;

test('a running and ready pod', () => {
  const status = computePodStatus(pod(), seen([run('c', 'running')]));
  assert.equal(status.phase, 'Running');
  assert.equal(condition(status, 'Ready'), 'True');
  assert.equal(condition(status, 'Initialized'), 'True');
  assert.deepEqual(status.containerStatuses?.[0]?.state, { running: { startedAt: '1970-01-01T00:00:01Z' } });
  assert.equal(status.containerStatuses?.[0]?.containerID, 'process://c0');
  assert.equal(status.podIP, '10.0.0.2');
  assert.equal(status.qosClass, 'BestEffort');
});

test('a pod that waits for its init container is Pending and says what is incomplete', () => {
  const p = pod({ initContainers: [{ name: 'a', image: 'i' }] });
  const status = computePodStatus(p, seen([run('a', 'running')]));
  assert.equal(status.phase, 'Pending');
  const initialized = status.conditions?.find((c) => c.type === 'Initialized');
  assert.deepEqual(
    [initialized?.status, initialized?.reason, initialized?.message],
    ['False', 'ContainersNotInitialized', 'containers with incomplete status: [a]'],
  );
  assert.deepEqual(status.containerStatuses?.[0]?.state, { waiting: { reason: 'PodInitializing' } });
});

test('ended pods: Succeeded, Failed, and never back', () => {
  const over = (exitCode: number): PodObservation => seen([run('c', 'exited', { exitCode, finishedAt: 4000 })]);
  assert.equal(computePodStatus(pod({ restartPolicy: 'Never' }), over(0)).phase, 'Succeeded');
  assert.equal(computePodStatus(pod({ restartPolicy: 'Never' }), over(2)).phase, 'Failed');
  assert.equal(computePodStatus(pod({ restartPolicy: 'OnFailure' }), over(2)).phase, 'Running');
  assert.equal(computePodStatus(pod({ restartPolicy: 'Always' }), over(0)).phase, 'Running');
  assert.equal(computePodStatus(pod({}, { phase: 'Succeeded' }), seen([run('c', 'running')])).phase, 'Succeeded');
  const failed = computePodStatus(pod({ restartPolicy: 'Never' }), over(2)).containerStatuses?.[0]?.state?.terminated;
  assert.deepEqual([failed?.exitCode, failed?.reason], [2, 'Error']);
});

test('CrashLoopBackOff shows the wait, and what the last run ended with', () => {
  const waiting = new Map([['c', { reason: 'CrashLoopBackOff', message: 'back-off' }]]);
  const runs = [
    run('c', 'exited', { exitCode: 1, finishedAt: 4000 }, 1),
    run('c', 'exited', { exitCode: 1, finishedAt: 2000 }),
  ];
  const status = computePodStatus(pod(), seen(runs, { waiting, terminationMessages: new Map([['c1', 'boom']]) }));
  const c = status.containerStatuses?.[0];
  assert.equal(c?.state?.waiting?.reason, 'CrashLoopBackOff');
  assert.equal(c?.lastState?.terminated?.message, 'boom');
  assert.equal(c?.restartCount, 1);
  assert.equal(condition(status, 'Ready'), 'False');
});

test('a readiness gate that nobody set keeps the pod from being ready, its containers are', () => {
  const gated = pod({ readinessGates: [{ conditionType: 'example.com/gate' }] });
  const status = computePodStatus(gated, seen([run('c', 'running')]));
  assert.equal(condition(status, 'ContainersReady'), 'True');
  assert.equal(condition(status, 'Ready'), 'False');
});

test('what does not change keeps its transition time', () => {
  const first = computePodStatus(pod(), seen([run('c', 'running')]));
  const later = computePodStatus(pod({}, first), seen([run('c', 'running')], { now: 99_000 }));
  assert.deepEqual(later, first);
});

test('quality of service', () => {
  const c = (requests: Record<string, string>, limits: Record<string, string>) =>
    computePodStatus(pod({ containers: [{ name: 'c', resources: { requests, limits } }] }), seen([])).qosClass;
  assert.equal(c({ cpu: '1', memory: '1Gi' }, { cpu: '1000m', memory: '1Gi' }), 'Guaranteed');
  assert.equal(c({ cpu: '1' }, {}), 'Burstable');
});
