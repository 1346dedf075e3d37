import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Event, Lease, Node, Pod, Taint } from '../api/generated/types.ts';
import { LEASES, NODES, PODS, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { resource } from '../client/rest-client.ts';
import { until } from '../client/testing/test-client.ts';
import { rfc3339Micro } from '../lib/clock.ts';
import { isCode } from '../lib/errors.ts';
import type { ControllerDependencies } from './controller.ts';
import { NodeLifecycleController } from './node-lifecycle.ts';
import { replaceTaints, wantedTaints } from './node-taints.ts';
import { PodGarbageCollector } from './pod-garbage-collector.ts';
import { TaintEvictionController } from './taint-eviction.ts';
import { TestCluster } from './testing/test-cluster.ts';
import { tolerated } from './tolerations.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
const MINUTE = 60_000;
let cluster: TestCluster;

/** Renewals of leases that the controller has seen. */
const renewals = new Set<string>();

/** Kubernetes' times, looked at more often. */
class QuickLifecycle extends NodeLifecycleController {
  constructor(dependencies: ControllerDependencies) {
    super(dependencies, { monitorMs: 20, graceMs: 50_000, startupGraceMs: 60_000, evictionIntervalMs: 10_000 });
    const note = ({ metadata, spec }: Lease): void => void renewals.add(`${metadata.name} ${spec?.renewTime}`);
    const leases = dependencies.informers.for<Lease>(LEASES, { namespace: 'kube-node-lease' });
    leases.handle({ added: note, updated: note });
  }
}

class QuickPodGc extends PodGarbageCollector {
  constructor(dependencies: ControllerDependencies) {
    super(dependencies, { intervalMs: 20, quarantineMs: 40_000, endedPods: 3 });
  }
}

beforeEach(async () => {
  cluster = await TestCluster.start();
  await cluster.admin.create(SERVICE_ACCOUNTS, { metadata: { name: 'default', namespace: 'default' } });
});

afterEach(async () => {
  const forbidden = cluster.forbidden();
  await cluster.close();
  assert.deepEqual(forbidden, []);
});

async function register(name: string, ready: 'True' | 'False' | 'never' = 'True'): Promise<void> {
  await cluster.admin.create(NODES, { metadata: { name } });
  if (ready !== 'never') await report(name, ready);
}

/** What a kubelet writes of its node. */
function report(name: string, ready: string, more: Record<string, string> = {}): Promise<Node> {
  const now = new Date(cluster.clock.now()).toISOString().replace(/\.\d+Z/, 'Z');
  const conditions = Object.entries({
    MemoryPressure: 'False',
    DiskPressure: 'False',
    PIDPressure: 'False',
    Ready: ready,
    ...more,
  }).map(([type, status]) => ({
    type,
    status,
    reason: 'Kubelet',
    message: 'm',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }));
  return cluster.admin.patch(NODES, { namespace: '', name, subresource: 'status' }, 'strategic', {
    status: { conditions },
  });
}

/** Resolves when the controller knows of it. */
async function renewLease(name: string): Promise<void> {
  const where = { namespace: 'kube-node-lease', name };
  const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: rfc3339Micro(cluster.clock.now()) };
  try {
    await cluster.admin.patch(LEASES, where, 'merge', { spec });
  } catch (error) {
    if (!isCode(error, 'NotFound')) throw error;
    await cluster.admin.create(LEASES, { metadata: where, spec } as Lease);
  }
  await until('the renewal to be seen', () => renewals.has(`${name} ${spec.renewTime}`));
}

async function taintsOf(name: string): Promise<string[]> {
  const node = await cluster.admin.get(NODES, '', name);
  return (node.spec?.taints ?? []).map((t) => `${t.key.replace('node.kubernetes.io/', '')}:${t.effect}`).sort();
}

function tainted(name: string, ...expected: string[]): Promise<true> {
  return until(
    `${name} tainted ${expected}`,
    async () => JSON.stringify(await taintsOf(name)) === JSON.stringify(expected),
  );
}

function addPod(
  name: string,
  nodeName: string | undefined,
  more: Partial<NonNullable<Pod['spec']>> = {},
): Promise<Pod> {
  const spec = { containers: [{ name: 'main', image: 'x' }], ...(nodeName === undefined ? {} : { nodeName }), ...more };
  return cluster.admin.create(PODS, { metadata: { name, namespace: 'default' }, spec });
}

async function findPod(name: string): Promise<Pod | undefined> {
  try {
    return await cluster.admin.get(PODS, 'default', name);
  } catch (error) {
    if (isCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function eventsOf(reason: string): Promise<readonly Event[]> {
  const { items } = await cluster.admin.list(EVENTS);
  return items.filter((e) => e.reason === reason);
}

test('a node that becomes ready loses the taint that every new node has', async () => {
  await cluster.runControllers(QuickLifecycle);
  await register('n1', 'never');
  assert.deepEqual(await taintsOf('n1'), ['not-ready:NoSchedule']);
  await delay(100);
  assert.deepEqual(await taintsOf('n1'), ['not-ready:NoSchedule']);
  await report('n1', 'True');
  await tainted('n1');
  await until('the event', async () => (await eventsOf('RegisteredNode')).length === 1);
  const [event] = await eventsOf('RegisteredNode');
  assert.equal(event?.message, 'Node n1 event: Registered Node n1 in Controller');
  assert.equal(event?.source?.component, 'node-controller');
});

test('a lease that stops: unknown and tainted, its pods not ready; it comes back and all is well', async () => {
  await cluster.runControllers(QuickLifecycle);
  await Promise.all([register('lost'), register('alive')]);
  await Promise.all([renewLease('lost'), renewLease('alive')]);
  await Promise.all([tainted('lost'), tainted('alive')]);
  await addPod('p', 'lost');
  const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  await cluster.admin.patch(PODS, { namespace: 'default', name: 'p', subresource: 'status' }, 'merge', {
    status: ready,
  });
  cluster.clock.advance(45_000);
  await renewLease('alive');
  await delay(100);
  assert.deepEqual(await taintsOf('lost'), []);
  cluster.clock.advance(6_000);
  await tainted('lost', 'unreachable:NoExecute', 'unreachable:NoSchedule');
  const lost = await cluster.admin.get(NODES, '', 'lost');
  for (const type of ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']) {
    const found = lost.status?.conditions?.find((c) => c.type === type);
    assert.deepEqual(
      [found?.status, found?.reason, found?.message],
      ['Unknown', 'NodeStatusUnknown', 'Kubelet stopped posting node status.'],
    );
  }
  assert.ok((lost.spec?.taints ?? []).every((t) => t.timeAdded !== undefined));
  await until(
    'the pod',
    async () => (await findPod('p'))?.status?.conditions?.find((c) => c.type === 'Ready')?.status === 'False',
  );
  await until('the events', async () => (await eventsOf('NodeNotReady')).length === 2);
  assert.deepEqual(
    (await eventsOf('NodeNotReady')).map((e) => `${e.involvedObject.kind} ${e.type} ${e.message}`).toSorted(),
    ['Node Normal Node lost status is now: NodeNotReady', 'Pod Warning Node is not ready'],
  );
  assert.deepEqual(await taintsOf('alive'), []);
  await renewLease('lost');
  await report('lost', 'True');
  await tainted('lost');
});

test('a heartbeat in the status is a sign of life too; a node that never reports is unknown after a minute', async () => {
  await cluster.runControllers(QuickLifecycle);
  await register('old-style');
  await register('mute', 'never');
  await tainted('old-style');
  await until('both to be known', async () => (await eventsOf('RegisteredNode')).length === 2);
  for (let i = 0; i < 3; i++) {
    cluster.clock.advance(30_000);
    await report('old-style', 'True');
    await delay(40);
  }
  assert.deepEqual(await taintsOf('old-style'), []);
  await tainted('mute', 'unreachable:NoExecute', 'unreachable:NoSchedule');
  const ready = (await cluster.admin.get(NODES, '', 'mute')).status?.conditions?.find((c) => c.type === 'Ready');
  assert.deepEqual(
    [ready?.status, ready?.reason, ready?.message],
    ['Unknown', 'NodeStatusNeverUpdated', 'Kubelet never posted node status.'],
  );
});

test('when not one node answers, no pod is made to leave', async () => {
  await cluster.runControllers(QuickLifecycle, TaintEvictionController);
  await Promise.all([register('n1'), register('n2')]);
  await Promise.all([tainted('n1'), tainted('n2')]);
  await addPod('p', 'n1', { tolerations: [] });
  cluster.clock.advance(MINUTE);
  await tainted('n1', 'unreachable:NoSchedule');
  await tainted('n2', 'unreachable:NoSchedule');
  await delay(100);
  assert.deepEqual(await taintsOf('n1'), ['unreachable:NoSchedule']);
  assert.equal((await findPod('p'))?.metadata.deletionTimestamp, undefined);
});

test('several nodes that are lost at once are emptied one after the other', async () => {
  await cluster.runControllers(QuickLifecycle);
  for (const name of ['a', 'b', 'c']) await register(name);
  await tainted('c');
  cluster.clock.advance(45_000);
  await report('c', 'True');
  cluster.clock.advance(10_000);
  const evicting = async (): Promise<number> =>
    (await Promise.all(['a', 'b'].map(taintsOf))).filter((t) => t.includes('unreachable:NoExecute')).length;
  await until('the first', async () => (await evicting()) === 1);
  await delay(100);
  assert.equal(await evicting(), 1);
  cluster.clock.advance(10_000);
  await report('c', 'True');
  await until('the second', async () => (await evicting()) === 2);
});

test('each zone is emptied by itself, and one of which most is lost is not', async () => {
  await cluster.runControllers(QuickLifecycle);
  const zones = { a1: 'a', b1: 'b', b2: 'b', b3: 'b', b4: 'b', c1: 'c', c2: 'c' };
  for (const [name, zone] of Object.entries(zones)) {
    await register(name);
    const labels = { 'topology.kubernetes.io/zone': zone };
    await cluster.admin.patch(NODES, { namespace: '', name }, 'merge', { metadata: { labels } });
  }
  await tainted('c2');
  cluster.clock.advance(45_000);
  for (const alive of ['b4', 'c2']) await report(alive, 'True');
  cluster.clock.advance(10_000);
  const left = (name: string): Promise<true> => tainted(name, 'unreachable:NoExecute', 'unreachable:NoSchedule');
  await Promise.all([left('a1'), left('c1')]);
  const lost = async (): Promise<string[][]> => Promise.all(['b1', 'b2', 'b3'].map(taintsOf));
  await until('all to be lost', async () =>
    (await lost()).every((taints) => taints.includes('unreachable:NoSchedule')),
  );
  for (let i = 0; i < 3; i++) {
    cluster.clock.advance(10_000);
    for (const alive of ['b4', 'c2']) await report(alive, 'True');
  }
  await delay(100);
  // Before it was known that most of the zone is lost, one may have gone.
  assert.ok((await lost()).filter((taints) => taints.includes('unreachable:NoExecute')).length <= 1);
});

test('a taint that makes pods leave stays, also while the controller does not see yet that it is there', async () => {
  await cluster.runControllers(QuickLifecycle);
  for (const name of ['a', 'b', 'c']) await register(name);
  await tainted('c');
  const isEvicted = (node: Node): boolean => (node.spec?.taints ?? []).some((t) => t.effect === 'NoExecute');
  const hold = cluster.watches.hold(NODES, isEvicted);
  cluster.clock.advance(45_000);
  await report('c', 'True');
  cluster.clock.advance(10_000);
  await hold.begun;
  const evicted = async (): Promise<(string | undefined)[]> =>
    (await cluster.admin.list(NODES)).items.filter(isEvicted).map((n) => n.metadata.name);
  const first = await evicted();
  assert.equal(first.length, 1);
  const looks = (): number =>
    cluster.api.auditLines.filter(
      (line) => line.includes('"get"') && line.includes(`"/api/v1/nodes/${first[0]}"`) && line.includes('system:kube-'),
    ).length;
  const before = looks();
  await until('five more looks', () => looks() >= before + 5);
  assert.deepEqual(await evicted(), first);
  hold.release();
  cluster.clock.advance(10_000);
  await report('c', 'True');
  await until('the second', async () => (await evicted()).length === 2);
});

test('conditions and cordon become taints, and what somebody else tainted stays', async () => {
  await cluster.runControllers(QuickLifecycle);
  await register('n1');
  await tainted('n1');
  const own: Taint = { key: 'example.com/gpu', value: 'yes', effect: 'NoSchedule' };
  await cluster.admin.patch(NODES, { namespace: '', name: 'n1' }, 'merge', {
    spec: { unschedulable: true, taints: [own] },
  });
  await tainted('n1', 'example.com/gpu:NoSchedule', 'unschedulable:NoSchedule');
  await report('n1', 'True', { DiskPressure: 'True', NetworkUnavailable: 'True' });
  await tainted(
    'n1',
    'disk-pressure:NoSchedule',
    'example.com/gpu:NoSchedule',
    'network-unavailable:NoSchedule',
    'unschedulable:NoSchedule',
  );
  await cluster.admin.patch(NODES, { namespace: '', name: 'n1' }, 'merge', { spec: { unschedulable: null } });
  await report('n1', 'True');
  await report('n1', 'True', { DiskPressure: 'False', NetworkUnavailable: 'False' });
  await tainted('n1', 'example.com/gpu:NoSchedule');
});

test('a node gets the old names of its labels, and they follow the new ones', async () => {
  await cluster.runControllers(QuickLifecycle);
  const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', own: 'x' };
  await cluster.admin.create(NODES, { metadata: { name: 'n1', labels } });
  const labelled = (arch: string): Promise<true> =>
    until(`labels with ${arch}`, async () => {
      const found = (await cluster.admin.get(NODES, '', 'n1')).metadata.labels ?? {};
      return (
        found['beta.kubernetes.io/os'] === 'linux' && found['beta.kubernetes.io/arch'] === arch && found['own'] === 'x'
      );
    });
  await labelled('amd64');
  await cluster.admin.patch(NODES, { namespace: '', name: 'n1' }, 'merge', {
    metadata: { labels: { 'kubernetes.io/arch': 'arm64' } },
  });
  await labelled('arm64');
});

test('taints: which are wanted, and which are whose', () => {
  const node: Node = { metadata: { name: 'n' }, spec: {} };
  const unknown = [{ type: 'Ready', status: 'Unknown' as const }];
  const keys = (taints: readonly Taint[]): string[] => taints.map((t) => `${t.key}:${t.effect}`);
  assert.deepEqual(keys(wantedTaints(node, [], true)), ['node.kubernetes.io/not-ready:NoSchedule']);
  assert.deepEqual(keys(wantedTaints(node, unknown, true)), [
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute',
  ]);
  assert.deepEqual(keys(wantedTaints(node, unknown, false)), ['node.kubernetes.io/unreachable:NoSchedule']);
  const mine: Taint = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoExecute' };
  const service: Taint = { key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute', value: 'nodeshutdown' };
  const stale: Taint = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' };
  assert.deepEqual(replaceTaints({ ...node, spec: { taints: [mine, stale, service] } }, [], 0), [mine, service]);
  assert.equal(replaceTaints({ ...node, spec: { taints: [mine] } }, [], 0), undefined);
});

test('NoExecute: who does not tolerate it goes at once, who does for a while goes then, who does stays', async () => {
  await cluster.runControllers(TaintEvictionController);
  await register('n1');
  const taint: Taint = { key: 'example.com/broken', effect: 'NoExecute' };
  const until300 = {
    key: 'example.com/broken',
    operator: 'Exists' as const,
    effect: 'NoExecute' as const,
    tolerationSeconds: 300,
  };
  await addPod('at-once', 'n1');
  await addPod('later', 'n1', { tolerations: [until300] });
  await addPod('relieved', 'n1', { tolerations: [until300] });
  await addPod('never', 'n1', { tolerations: [{ operator: 'Exists' }] });
  await addPod('elsewhere', undefined);
  await cluster.admin.patch(NODES, { namespace: '', name: 'n1' }, 'merge', { spec: { taints: [taint] } });
  const leaving = async (name: string): Promise<boolean> =>
    (await findPod(name))?.metadata.deletionTimestamp !== undefined;
  await until('the first', () => leaving('at-once'));
  const condition = (await findPod('at-once'))?.status?.conditions?.find((c) => c.type === 'DisruptionTarget');
  assert.deepEqual([condition?.status, condition?.reason], ['True', 'DeletionByTaintManager']);
  const events = await until('the event', async () => {
    const found = await eventsOf('TaintManagerEviction');
    return found.length > 0 && found;
  });
  assert.deepEqual(
    events.map((e) => [e.message, e.source?.component]),
    [['Marking for deletion Pod default/at-once', 'taint-eviction-controller']],
  );
  await delay(50);
  for (const name of ['later', 'relieved', 'never', 'elsewhere']) assert.equal(await leaving(name), false, name);
  // The queue waits in real time; a change of the pod makes it look at the clock again.
  const tolerations = [until300, { key: 'x', operator: 'Exists' as const }];
  cluster.clock.advance(301_000);
  await cluster.admin.patch(PODS, { namespace: 'default', name: 'later' }, 'merge', { spec: { tolerations } });
  await until('the second', () => leaving('later'));
  assert.equal(await leaving('relieved'), false);
  await cluster.admin.patch(NODES, { namespace: '', name: 'n1' }, 'merge', { spec: { taints: null } });
  await until('the relief', async () =>
    (await eventsOf('TaintManagerEviction')).some((e) => e.message === 'Cancelling deletion of Pod default/relieved'),
  );
  assert.equal(await leaving('never'), false);
});

test('tolerations: every taint counts, the shortest time decides', () => {
  const pod = (tolerations: NonNullable<Pod['spec']>['tolerations']): Pod => ({
    metadata: {},
    spec: { containers: [], tolerations },
  });
  const [a, b]: Taint[] = [
    { key: 'a', value: '1', effect: 'NoExecute' },
    { key: 'b', effect: 'NoExecute' },
  ];
  assert.equal(tolerated(pod([]), [a!]), 0);
  assert.equal(tolerated(pod([{ key: 'a', value: '2' }]), [a!]), 0);
  assert.equal(tolerated(pod([{ key: 'a', value: '1' }]), [a!]), Number.POSITIVE_INFINITY);
  assert.equal(tolerated(pod([{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }]), [a!]), 0);
  const both = [
    { key: 'a', operator: 'Exists' as const, tolerationSeconds: 60 },
    { key: 'b', operator: 'Exists' as const, tolerationSeconds: 30 },
  ];
  assert.equal(tolerated(pod(both), [a!, b!]), 30_000);
  assert.equal(tolerated(pod(both), [a!]), 60_000);
  assert.equal(tolerated(pod([{ operator: 'Exists', tolerationSeconds: -5 }]), [b!]), 0);
  assert.equal(tolerated(pod([{ operator: 'Exists' }]), [a!, b!]), Number.POSITIVE_INFINITY);
});

test('pods of a node that is gone are failed and removed, after a time; those of a node that came back are not', async () => {
  await cluster.runControllers(QuickPodGc);
  await Promise.all([register('gone'), register('back')]);
  await addPod('on-gone', 'gone');
  await addPod('on-back', 'back');
  await addPod('never-there', 'unknown-node');
  await cluster.admin.delete(NODES, '', 'gone');
  await cluster.admin.delete(NODES, '', 'back');
  await delay(80);
  assert.notEqual(await findPod('on-gone'), undefined);
  await register('back');
  await delay(80);
  const failed: string[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    for await (const { object } of cluster.admin.watch(PODS, { namespace: 'default' }, stop.signal)) {
      const disrupted = object.status?.conditions?.find((c) => c.type === 'DisruptionTarget');
      if (object.status?.phase === 'Failed')
        failed.push(`${object.metadata.name} ${disrupted?.reason} ${disrupted?.message}`);
    }
  })().catch(() => undefined);
  await until('the pods to go', async () => {
    // The time counts from when the collector noticed that the node is missing.
    cluster.clock.advance(41_000);
    const found = await Promise.all(['on-gone', 'never-there'].map(findPod));
    return found.every((p) => p === undefined);
  });
  assert.notEqual(await findPod('on-back'), undefined);
  stop.abort();
  await watching;
  assert.ok(failed.includes('on-gone DeletionByPodGC PodGC: node no longer exists'), String(failed));
});

test('out of service: deleted pods of a node that does not answer go at once; of one that is ready they do not', async () => {
  await cluster.runControllers(QuickPodGc);
  await Promise.all([register('dead', 'False'), register('alive'), register('unclear', 'False')]);
  const outOfService = { spec: { taints: [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }] } };
  for (const name of ['dead', 'alive']) {
    await cluster.admin.patch(NODES, { namespace: '', name }, 'merge', outOfService);
  }
  for (const node of ['dead', 'alive', 'unclear']) {
    await addPod(`on-${node}`, node);
    await cluster.admin.delete(PODS, 'default', `on-${node}`);
  }
  await addPod('stays', 'dead');
  await until('the pod to go', async () => (await findPod('on-dead')) === undefined);
  await delay(60);
  assert.notEqual(await findPod('on-alive'), undefined);
  assert.notEqual(await findPod('on-unclear'), undefined);
  assert.equal((await findPod('stays'))?.status?.phase, 'Pending');
});

test('pods deleted before they had a node go, and of ended ones the oldest beyond the limit', async () => {
  await cluster.runControllers(QuickPodGc);
  await register('n1');
  for (let i = 0; i < 5; i++) {
    await addPod(`ended-${i}`, 'n1');
    // Evicted ones go before older ones.
    const status = { phase: i % 2 === 0 ? 'Succeeded' : 'Failed', ...(i === 3 ? { reason: 'Evicted' } : {}) };
    await cluster.admin.patch(PODS, { namespace: 'default', name: `ended-${i}`, subresource: 'status' }, 'merge', {
      status,
    });
  }
  await until('three', async () => (await cluster.admin.list(PODS, { namespace: 'default' })).items.length === 3);
  await delay(60);
  const left = (await cluster.admin.list(PODS, { namespace: 'default' })).items.map((p) => p.metadata.name);
  assert.deepEqual(left, ['ended-1', 'ended-2', 'ended-4']);
});
