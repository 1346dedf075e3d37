import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Event, Node, Pod, PodSpec } from '../api/generated/types.ts';
import { NODES, PODS, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { resource } from '../client/rest-client.ts';
import { until } from '../client/testing/test-client.ts';
import { addNode, testNode } from '../controller-manager/testing/fake-kubelet.ts';
import { TestCluster } from '../controller-manager/testing/test-cluster.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.start();
  await cluster.admin.create(SERVICE_ACCOUNTS, { metadata: { name: 'default', namespace: 'default' } });
  await cluster.runScheduler();
});

afterEach(async () => {
  const forbidden = cluster.forbidden();
  await cluster.close();
  assert.deepEqual(forbidden, []);
});

function add(name: string, spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}): Promise<Pod> {
  return cluster.admin.create(PODS, {
    metadata: { name, namespace: 'default', labels },
    spec: { containers: [{ name: 'main', image: 'x' }], ...spec },
  });
}

function cpu(amount: string): Partial<PodSpec> {
  return { containers: [{ name: 'main', image: 'x', resources: { requests: { cpu: amount } } }] };
}

function smallNode(name: string, cores: string, more: Partial<Node> = {}): Promise<Node> {
  return addNode(
    cluster.admin,
    testNode(name, { ...more, status: { allocatable: { cpu: cores, memory: '8Gi', pods: '110' } } }),
  );
}

async function placeOf(name: string): Promise<string | undefined> {
  return (await cluster.admin.get(PODS, 'default', name)).spec?.nodeName;
}

function placed(name: string): Promise<string> {
  return until(`a node for ${name}`, () => placeOf(name));
}

async function scheduledCondition(name: string) {
  const pod = await cluster.admin.get(PODS, 'default', name);
  return pod.status?.conditions?.find((c) => c.type === 'PodScheduled');
}

function unschedulable(name: string, message: string) {
  return until(`${name}: ${message}`, async () => {
    const condition = await scheduledCondition(name);
    return condition?.status === 'False' && condition.message === message && condition;
  });
}

async function eventsOf(name: string): Promise<readonly Event[]> {
  const { items } = await cluster.admin.list(EVENTS, { namespace: 'default' });
  return items.filter((e) => e.involvedObject.name === name);
}

test('a pod is bound, with the condition and the event that kubectl shows', async () => {
  await smallNode('n1', '4');
  await add('web');
  assert.equal(await placed('web'), 'n1');
  assert.equal((await scheduledCondition('web'))?.status, 'True');
  const [event] = await until('the event', async () => {
    const events = await eventsOf('web');
    return events.length > 0 && events;
  });
  assert.deepEqual(
    [event?.type, event?.reason, event?.message, event?.source?.component],
    ['Normal', 'Scheduled', 'Successfully assigned default/web to n1', 'default-scheduler'],
  );
});

test('a pod that fits nowhere says why, once; it is bound soon after a node appears', async () => {
  await add('web', cpu('2'));
  const none = await unschedulable('web', 'no nodes available to schedule pods');
  assert.equal(none.reason, 'Unschedulable');
  await smallNode('small', '1');
  await addNode(cluster.admin, testNode('cordoned', { spec: { unschedulable: true } }));
  await addNode(
    cluster.admin,
    testNode('tainted', { spec: { taints: [{ key: 'k', value: 'secret', effect: 'NoSchedule' }] } }),
  );
  const message =
    '0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.';
  const why = await unschedulable('web', message);
  assert.equal(why.lastTransitionTime, none.lastTransitionTime);
  await until('the event', async () =>
    (await eventsOf('web')).some(
      (e) => e.reason === 'FailedScheduling' && e.type === 'Warning' && e.message === message,
    ),
  );
  const before = cluster.api.auditLines.length;
  await delay(300);
  assert.equal(
    cluster.api.auditLines.slice(before).filter((l) => l.includes('kube-scheduler')).length,
    0,
    'it is quiet while nothing changes',
  );
  await cluster.admin.patch(NODES, { namespace: '', name: 'cordoned' }, 'merge', { spec: { unschedulable: null } });
  assert.equal(await placed('web'), 'cordoned');
});

test('two pods and one place: one gets it, the other gets the next one that becomes free', async () => {
  await smallNode('n1', '1');
  await Promise.all([add('a', cpu('800m')), add('b', cpu('800m'))]);
  const winner = await until('a winner', async () => {
    const [a, b] = await Promise.all([placeOf('a'), placeOf('b')]);
    return a !== undefined ? 'a' : b !== undefined ? 'b' : undefined;
  });
  const loser = winner === 'a' ? 'b' : 'a';
  await unschedulable(loser, '0/1 nodes are available: 1 Insufficient cpu.');
  await cluster.admin.delete(PODS, 'default', winner, { gracePeriodSeconds: 0 });
  assert.equal(await placed(loser), 'n1');
});

test('a pod that ends frees its place too', async () => {
  await smallNode('n1', '1');
  await add('a', cpu('1'));
  await placed('a');
  await add('b', cpu('1'));
  await unschedulable('b', '0/1 nodes are available: 1 Insufficient cpu.');
  await cluster.admin.patch(PODS, { namespace: 'default', name: 'a', subresource: 'status' }, 'merge', {
    status: { phase: 'Succeeded' },
  });
  assert.equal(await placed('b'), 'n1');
});

test('gates hold a pod back and say so; without them it is bound', async () => {
  await smallNode('n1', '4');
  await add('web', { schedulingGates: [{ name: 'example.com/wait' }] });
  await delay(100);
  assert.equal(await placeOf('web'), undefined);
  const condition = await scheduledCondition('web');
  assert.deepEqual([condition?.status, condition?.reason], ['False', 'SchedulingGated']);
  assert.deepEqual(await eventsOf('web'), []);
  await cluster.admin.patch(PODS, { namespace: 'default', name: 'web' }, 'merge', { spec: { schedulingGates: null } });
  assert.equal(await placed('web'), 'n1');
});

test('pods that name another scheduler, have a node or are being deleted are left alone', async () => {
  await smallNode('n1', '4');
  await add('other', { schedulerName: 'mine' });
  await add('fixed', { nodeName: 'nowhere' });
  const ending = { name: 'ending', namespace: 'default', finalizers: ['example.com/hold'] };
  await cluster.admin.create(PODS, {
    metadata: ending,
    spec: { containers: [{ name: 'main', image: 'x' }], schedulingGates: [{ name: 'g' }] },
  });
  await cluster.admin.delete(PODS, 'default', 'ending');
  await delay(150);
  assert.deepEqual(await Promise.all(['other', 'fixed', 'ending'].map(placeOf)), [undefined, 'nowhere', undefined]);
  assert.deepEqual(await eventsOf('other'), []);
});

test('higher priorities go first, whoever came first', async () => {
  const { admin } = cluster;
  const classes = resource('scheduling.k8s.io', 'v1', 'priorityclasses', 'PriorityClass', false);
  await admin.create(classes, { metadata: { name: 'urgent' }, value: 1000 } as never);
  await Promise.all(Array.from({ length: 5 }, (_, i) => add(`low-${i}`, cpu('1'))));
  await add('high', { ...cpu('1'), priorityClassName: 'urgent' });
  await unschedulable('high', 'no nodes available to schedule pods');
  // Its back-off of a second begins when the scheduler has heard that this was written.
  await delay(2_500);
  await smallNode('n1', '1');
  assert.equal(await placed('high'), 'n1');
});

test('pods that are deleted while they are being scheduled leave nothing behind', async () => {
  await smallNode('n1', '2');
  for (let i = 0; i < 30; i++) {
    const made = add(`p${i}`, cpu('2'));
    await made;
    await cluster.admin.delete(PODS, 'default', `p${i}`, { gracePeriodSeconds: 0 });
  }
  await add('last', cpu('2'));
  assert.equal(await placed('last'), 'n1');
});

test('a pod of the same name that comes while the old one is being bound is another pod', async () => {
  await smallNode('n1', '1');
  for (let i = 0; i < 10; i++) {
    const pod = await add('same', cpu('1'));
    await cluster.admin.delete(PODS, 'default', 'same', {
      gracePeriodSeconds: 0,
      preconditions: { uid: pod.metadata.uid ?? '' },
    });
  }
  await add('same', cpu('1'));
  assert.equal(await placed('same'), 'n1');
});

test('anti-affinity among pods that come at once: each gets a node of its own', async () => {
  for (const name of ['n1', 'n2', 'n3']) await smallNode(name, '8');
  const affinity = {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: 'db' } }, topologyKey: 'kubernetes.io/hostname' },
      ],
    },
  };
  await Promise.all(['a', 'b', 'c', 'd'].map((name) => add(name, { affinity }, { app: 'db' })));
  const nodes = await until('three places', async () => {
    const places = (await Promise.all(['a', 'b', 'c', 'd'].map(placeOf))).filter((p) => p !== undefined);
    return places.length === 3 && places;
  });
  assert.deepEqual(nodes.toSorted(), ['n1', 'n2', 'n3']);
  const { items } = await cluster.admin.list(PODS, { namespace: 'default' });
  const left = items.find((p) => p.spec?.nodeName === undefined)?.metadata.name ?? '';
  await unschedulable(left, "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.");
  await cluster.admin.delete(PODS, 'default', items.find((p) => p.spec?.nodeName === 'n2')?.metadata.name ?? '', {
    gracePeriodSeconds: 0,
  });
  assert.equal(await placed(left), 'n2');
});

test('a new scheduler knows what the last one bound', async () => {
  await smallNode('n1', '1');
  await add('a', cpu('1'));
  await placed('a');
  const second = await TestCluster.start();
  await second.close();
  await cluster.runScheduler();
  await add('b', cpu('1'));
  await unschedulable('b', '0/1 nodes are available: 1 Insufficient cpu.');
});

test('six hundred pods at once are spread evenly over twenty nodes, and soon', { timeout: 60_000 }, async () => {
  for (let i = 0; i < 20; i++) await smallNode(`n${i}`, '64');
  const names = Array.from({ length: 600 }, (_, i) => `p${i}`);
  const start = Date.now();
  await Promise.all(names.map((name) => add(name, cpu('100m'))));
  const made = Date.now() - start;
  await until(
    'all',
    async () =>
      (await cluster.admin.list(PODS, { namespace: 'default', fieldSelector: 'spec.nodeName=' })).items.length === 0,
    30_000,
  );
  const all = Date.now() - start;
  const { items } = await cluster.admin.list(PODS, { namespace: 'default' });
  const counts = new Map<string, number>();
  for (const p of items) counts.set(p.spec?.nodeName ?? '', (counts.get(p.spec?.nodeName ?? '') ?? 0) + 1);
  assert.ok(Math.max(...counts.values()) - Math.min(...counts.values()) <= 2, 'evenly spread');
  // Five writes a pod are in this time, and the machine is shared: a wide margin.
  assert.ok((600 * 1000) / all > 40, `made in ${made} ms, bound in ${all} ms`);
});
