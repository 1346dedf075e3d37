import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Deployment, Event, Pod, ReplicaSet } from '../api/generated/types.ts';
import { Informer } from '../client/informer.ts';
import { DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS } from '../client/resources.ts';
import { resource } from '../client/rest-client.ts';
import { until } from '../client/testing/test-client.ts';
import { silentLog } from '../lib/log.ts';
import { controllerOf } from './claim.ts';
import { isPodReady } from './pod-state.ts';
import { addNode, FakeKubelet, testNode } from './testing/fake-kubelet.ts';
import { TestCluster } from './testing/test-cluster.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
/** Namespaces where a test had something refused on purpose. */
const refusals: string[] = [];
let cluster: TestCluster;
let kubelet: FakeKubelet;

before(async () => {
  cluster = await TestCluster.start();
  await addNode(cluster.admin, testNode('n1'));
  kubelet = await FakeKubelet.start(cluster);
  await Promise.all([cluster.runControllers(), cluster.runScheduler()]);
});

after(async () => {
  const forbidden = cluster.forbidden();
  await cluster.close();
  assert.deepEqual(
    forbidden.filter((line) => !refusals.some((ns) => line.includes(`/namespaces/${ns}/pods`))),
    [],
  );
});

async function newNamespace(name: string): Promise<string> {
  await cluster.admin.create(NAMESPACES, { metadata: { name } });
  await until('the service account', async () => {
    const list = await cluster.admin.json<{ items: unknown[] }>('GET', `/api/v1/namespaces/${name}/serviceaccounts`);
    return list.items.length > 0;
  });
  return name;
}

function deployment(namespace: string, spec: Partial<NonNullable<Deployment['spec']>> = {}, image = 'one'): Deployment {
  return {
    metadata: { name: 'web', namespace },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image }] } },
      ...spec,
    },
  };
}

async function view(namespace: string) {
  const { admin } = cluster;
  const [live, sets, pods] = await Promise.all([
    admin.get(DEPLOYMENTS, namespace, 'web'),
    admin.list(REPLICA_SETS, { namespace }),
    admin.list(PODS, { namespace }),
  ]);
  return { deployment: live, sets: sets.items, pods: pods.items };
}

function condition(live: Deployment, type: string) {
  const found = live.status?.conditions?.find((c) => c.type === type);
  return found === undefined ? undefined : `${found.status} ${found.reason}`;
}

async function complete(namespace: string) {
  return until('the rollout', async () => {
    const now = await view(namespace);
    const { spec, status, metadata } = now.deployment;
    return (
      (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
      status?.updatedReplicas === spec?.replicas &&
      status?.replicas === spec?.replicas &&
      status?.availableReplicas === spec?.replicas &&
      now.pods.length === spec?.replicas &&
      now
    );
  });
}

function setImage(namespace: string, image: string): Promise<Deployment> {
  const patch = { spec: { template: { spec: { containers: [{ name: 'main', image }] } } } };
  return cluster.admin.patch(DEPLOYMENTS, { namespace, name: 'web' }, 'strategic', patch);
}

function imageOf(object: ReplicaSet | Pod): string | undefined {
  const spec = object.spec as {
    template?: { spec?: { containers: { image?: string }[] } };
    containers?: { image?: string }[];
  };
  return (spec.template?.spec ?? spec).containers?.[0]?.image;
}

function byImage(sets: readonly ReplicaSet[], image: string): ReplicaSet {
  const found = sets.find((rs) => imageOf(rs) === image);
  if (found === undefined) throw new Error(`no set with ${image}`);
  return found;
}

test('create: a set, its pods, and a status that says that it is complete', async () => {
  const ns = await newNamespace('create');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns));
  const { deployment: live, sets, pods } = await complete(ns);
  assert.equal(sets.length, 1);
  const [set] = sets as [ReplicaSet];
  assert.match(set.metadata.name ?? '', /^web-[bcdfghjklmnpqrstvwxz2456789]{10}$/);
  const hash = set.metadata.labels?.['pod-template-hash'];
  assert.equal(set.metadata.name, `web-${hash}`);
  assert.deepEqual(set.spec?.selector.matchLabels, { app: 'web', 'pod-template-hash': hash });
  assert.deepEqual(controllerOf(set), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name: 'web',
    uid: live.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  });
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/desired-replicas'], '3');
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/max-replicas'], '4');
  assert.equal(live.metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
  assert.ok(pods.every((p) => controllerOf(p)?.uid === set.metadata.uid));
  assert.ok(pods.every((p) => p.metadata.name?.startsWith(`${set.metadata.name}-`)));
  await until('the conditions', async () => {
    const now = (await view(ns)).deployment;
    return (
      condition(now, 'Available') === 'True MinimumReplicasAvailable' &&
      condition(now, 'Progressing') === 'True NewReplicaSetAvailable'
    );
  });
  const progressing = (await view(ns)).deployment.status?.conditions?.find((c) => c.type === 'Progressing');
  assert.equal(progressing?.message, `ReplicaSet "${set.metadata.name}" has successfully progressed.`);
});

/** What a rollout does to the pods while it goes on. */
async function observe(namespace: string) {
  const seen = { most: 0, fewestAvailable: Number.POSITIVE_INFINITY, both: false };
  const informer = new Informer<Pod>(cluster.admin, PODS, { namespace }, silentLog);
  const look = (): void => {
    const running = informer.list().filter((p) => p.metadata.deletionTimestamp === undefined);
    seen.most = Math.max(seen.most, running.length);
    seen.fewestAvailable = Math.min(seen.fewestAvailable, running.filter(isPodReady).length);
    seen.both ||= new Set(informer.list().map(imageOf)).size > 1;
  };
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await informer.synced();
  look();
  informer.handle({ added: look, updated: look, deleted: look });
  return {
    seen,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

test('rolling update: never too many pods, never too few that are available, and the old set stays for a rollback', async () => {
  const ns = await newNamespace('rolling');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 8 }));
  await complete(ns);
  const watching = await observe(ns);
  await setImage(ns, 'two');
  const { sets, pods, deployment: live } = await complete(ns);
  await watching.stop();
  assert.ok(watching.seen.most <= 10, `${watching.seen.most} pods`);
  assert.ok(watching.seen.fewestAvailable >= 6, `${watching.seen.fewestAvailable} available`);
  assert.ok(pods.every((p) => imageOf(p) === 'two'));
  assert.equal(byImage(sets, 'one').spec?.replicas, 0);
  assert.equal(byImage(sets, 'two').metadata.annotations?.['deployment.kubernetes.io/revision'], '2');
  assert.equal(live.metadata.annotations?.['deployment.kubernetes.io/revision'], '2');
  const events = await cluster.admin.list(EVENTS, { namespace: ns });
  const scaled = events.items.filter((e) => e.reason === 'ScalingReplicaSet');
  assert.ok(
    scaled.every((e) => e.source?.component === 'deployment-controller' && e.involvedObject.kind === 'Deployment'),
  );
  assert.ok(
    scaled.some((e) => e.message === `Scaled up replica set ${byImage(sets, 'one').metadata.name} from 0 to 8`),
  );
  assert.ok(
    scaled.some((e) => e.message === `Scaled up replica set ${byImage(sets, 'two').metadata.name} from 0 to 2`),
  );
});

test('new pods that never become ready: the old ones stay, the deadline passes, a rollback helps', async () => {
  const ns = await newNamespace('broken');
  kubelet.isReady = (pod) => imageOf(pod) !== 'broken';
  const started = deployment(ns, { replicas: 4, progressDeadlineSeconds: 2 });
  started.metadata.annotations = { 'kubernetes.io/change-cause': 'first' };
  await cluster.admin.create(DEPLOYMENTS, started);
  await complete(ns);
  await setImage(ns, 'broken');
  const stuck = await until('the deadline', async () => {
    const now = await view(ns);
    return condition(now.deployment, 'Progressing') === 'False ProgressDeadlineExceeded' && now;
  });
  const message = stuck.deployment.status?.conditions?.find((c) => c.type === 'Progressing')?.message;
  assert.equal(message, `ReplicaSet "${byImage(stuck.sets, 'broken').metadata.name}" has timed out progressing.`);
  assert.equal(stuck.deployment.status?.availableReplicas, 3);
  assert.equal(condition(stuck.deployment, 'Available'), 'True MinimumReplicasAvailable');
  assert.equal(stuck.pods.filter((p) => imageOf(p) === 'one').length, 3);
  assert.equal(stuck.pods.filter((p) => imageOf(p) === 'broken').length, 2);
  // What `kubectl rollout undo` does.
  await setImage(ns, 'one');
  const back = await complete(ns);
  const set = byImage(back.sets, 'one');
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '1');
  assert.equal(set.metadata.annotations?.['kubernetes.io/change-cause'], 'first');
  assert.equal(back.deployment.metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  assert.equal(back.sets.length, 2);
  await until(
    'the end',
    async () => condition((await view(ns)).deployment, 'Progressing') === 'True NewReplicaSetAvailable',
  );
});

test('paused: the template may change without a rollout, the size may not wait; resumed, it rolls out once', async () => {
  const ns = await newNamespace('paused');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns));
  await complete(ns);
  const where = { namespace: ns, name: 'web' };
  await cluster.admin.patch(DEPLOYMENTS, where, 'merge', { spec: { paused: true } });
  await setImage(ns, 'two');
  await setImage(ns, 'three');
  await cluster.admin.patch(DEPLOYMENTS, where, 'merge', { spec: { replicas: 5 } });
  const paused = await until('the new size', async () => {
    const now = await view(ns);
    return now.deployment.status?.availableReplicas === 5 && now;
  });
  assert.equal(paused.sets.length, 1);
  assert.equal(condition(paused.deployment, 'Progressing'), 'Unknown DeploymentPaused');
  assert.equal(paused.deployment.status?.updatedReplicas ?? 0, 0);
  await cluster.admin.patch(DEPLOYMENTS, where, 'merge', { spec: { paused: null } });
  const { sets, pods } = await complete(ns);
  assert.deepEqual(sets.map(imageOf).toSorted(), ['one', 'three']);
  assert.ok(pods.every((p) => imageOf(p) === 'three'));
  await until(
    'the end',
    async () => condition((await view(ns)).deployment, 'Progressing') === 'True NewReplicaSetAvailable',
  );
});

test('scaled in the middle of a rollout: both sets grow in proportion', async () => {
  const ns = await newNamespace('midway');
  kubelet.isReady = (pod) => imageOf(pod) !== 'slow';
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 10 }));
  await complete(ns);
  await setImage(ns, 'slow');
  await until('the middle', async () => {
    const { sets } = await view(ns);
    return (
      sets.length === 2 && byImage(sets, 'slow').status?.replicas === 5 && byImage(sets, 'one').status?.replicas === 8
    );
  });
  await cluster.admin.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, 'merge', { spec: { replicas: 20 } });
  const { sets } = await until('the new sizes', async () => {
    const now = await view(ns);
    return now.sets.reduce((n, rs) => n + (rs.status?.replicas ?? 0), 0) === 25 && now;
  });
  assert.deepEqual([byImage(sets, 'one').spec?.replicas, byImage(sets, 'slow').spec?.replicas], [15, 10]);
  assert.ok(sets.every((rs) => rs.metadata.annotations?.['deployment.kubernetes.io/desired-replicas'] === '20'));
  kubelet.isReady = () => true;
  kubelet.refresh();
  await complete(ns);
});

test('scaled to zero and back, and down: no other set appears', async () => {
  const ns = await newNamespace('scaled');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns));
  await complete(ns);
  for (const replicas of [0, 4, 1]) {
    await cluster.admin.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, 'merge', { spec: { replicas } });
    if (replicas > 0) await complete(ns);
    else await until('no pods', async () => (await view(ns)).pods.length === 0);
  }
  const { sets, deployment: live } = await view(ns);
  assert.equal(sets.length, 1);
  assert.equal(live.status?.replicas, 1);
  assert.equal(condition(live, 'Progressing'), 'True NewReplicaSetAvailable');
});

test('Recreate: no new pod before the last old one has stopped', async () => {
  const ns = await newNamespace('recreate');
  kubelet.isReady = () => true;
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { strategy: { type: 'Recreate' } }));
  await complete(ns);
  kubelet.hasStopped = () => false;
  const watching = await observe(ns);
  await setImage(ns, 'two');
  await until('all old pods to end', async () => {
    const { pods } = await view(ns);
    return pods.length === 3 && pods.every((p) => p.metadata.deletionTimestamp !== undefined);
  });
  await delay(150);
  const waiting = await view(ns);
  assert.equal(waiting.sets.length, 1, 'the new set waits');
  assert.equal(waiting.deployment.status?.terminatingReplicas, 3);
  assert.equal(condition(waiting.deployment, 'Available'), 'False MinimumReplicasUnavailable');
  kubelet.hasStopped = () => true;
  kubelet.refresh();
  await complete(ns);
  await watching.stop();
  assert.equal(watching.seen.both, false, 'old and new pods at the same time');
});

test('history: only as many old sets stay as wanted, the oldest go', async () => {
  const ns = await newNamespace('history');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 1, revisionHistoryLimit: 2 }, 'v1'));
  await complete(ns);
  for (const image of ['v2', 'v3', 'v4', 'v5']) {
    await setImage(ns, image);
    await complete(ns);
  }
  const { sets } = await until('the cleaning', async () => {
    const now = await view(ns);
    return now.sets.length === 3 && now;
  });
  assert.deepEqual(sets.map(imageOf).toSorted(), ['v3', 'v4', 'v5']);
});

test('a set name that is taken by another template is avoided, and the collision is counted', async () => {
  const ns = await newNamespace('collision');
  const wanted = deployment(ns);
  // What the apiserver makes of the template decides the name: let it be made once, then occupy that name.
  await cluster.admin.create(DEPLOYMENTS, wanted);
  const { sets } = await complete(ns);
  const name = sets[0]?.metadata.name ?? '';
  await cluster.admin.delete(DEPLOYMENTS, ns, 'web', { propagationPolicy: 'Foreground' });
  await until('nothing', async () => (await cluster.admin.list(DEPLOYMENTS, { namespace: ns })).items.length === 0);
  await cluster.admin.create(REPLICA_SETS, {
    metadata: { name, namespace: ns },
    spec: {
      replicas: 0,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'x', image: 'x' }] } },
    },
  });
  await cluster.admin.create(DEPLOYMENTS, wanted);
  const after = await complete(ns);
  assert.equal(after.deployment.status?.collisionCount, 1);
  assert.deepEqual(
    after.sets.map((rs) => rs.metadata.name === name),
    after.sets.map((rs) => rs.spec?.replicas === 0),
  );
  assert.equal(after.sets.length, 2);
});

test('orphaned sets are adopted again, a relabelled one is released, and one of another owner is left alone', async () => {
  const ns = await newNamespace('adoption');
  const { admin } = cluster;
  await admin.create(DEPLOYMENTS, deployment(ns));
  const first = await complete(ns);
  await admin.delete(DEPLOYMENTS, ns, 'web', { propagationPolicy: 'Orphan' });
  await until('no deployment', async () => (await admin.list(DEPLOYMENTS, { namespace: ns })).items.length === 0);
  const orphan = await admin.get(REPLICA_SETS, ns, first.sets[0]?.metadata.name ?? '');
  assert.equal(orphan.metadata.ownerReferences, undefined);
  assert.equal((await admin.list(PODS, { namespace: ns })).items.length, 3);
  await admin.create(DEPLOYMENTS, deployment(ns));
  const second = await complete(ns);
  assert.deepEqual(
    second.sets.map((rs) => rs.metadata.uid),
    [orphan.metadata.uid],
  );
  assert.deepEqual(second.pods.map((p) => p.metadata.uid).toSorted(), first.pods.map((p) => p.metadata.uid).toSorted());
  const where = { namespace: ns, name: orphan.metadata.name ?? '' };
  await admin.patch(REPLICA_SETS, where, 'merge', { metadata: { labels: { app: 'other' } } });
  const released = await until('the release', async () => {
    const rs = await admin.get(REPLICA_SETS, ns, where.name);
    return controllerOf(rs) === undefined && rs;
  });
  assert.equal(released.spec?.replicas, 3);
  await until('the collision', async () => ((await view(ns)).deployment.status?.collisionCount ?? 0) === 1);
});

test('a template that admission refuses: the condition says why, and it goes on when it is allowed', async () => {
  const ns = await newNamespace('refused');
  const { admin } = cluster;
  await admin.patch(NAMESPACES, { namespace: '', name: ns }, 'merge', {
    metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  });
  await admin.create(DEPLOYMENTS, deployment(ns));
  const refused = await until('the failure', async () => {
    const now = await view(ns);
    return condition(now.deployment, 'ReplicaFailure') === 'True FailedCreate' && now;
  });
  const message = refused.deployment.status?.conditions?.find((c) => c.type === 'ReplicaFailure')?.message ?? '';
  assert.match(message, /^pods "web-[a-z0-9]+-[a-z0-9]+" is forbidden: violates PodSecurity "restricted/);
  const events = await admin.list(EVENTS, { namespace: ns });
  const failed = events.items.filter((e) => e.reason === 'FailedCreate');
  assert.ok(failed.length > 0 && failed.every((e) => e.source?.component === 'replicaset-controller'));
  assert.match(failed[0]?.message ?? '', /^(\(combined from similar events\): )?Error creating: pods "web-/);
  await admin.patch(NAMESPACES, { namespace: '', name: ns }, 'merge', {
    metadata: { labels: { 'pod-security.kubernetes.io/enforce': null } },
  });
  const { deployment: live } = await complete(ns);
  assert.equal(condition(live, 'ReplicaFailure'), undefined);
  refusals.push(ns);
});

test('minReadySeconds: ready is not yet available', async () => {
  const ns = await newNamespace('minready');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 2, minReadySeconds: 2 }));
  const ready = await until('ready pods', async () => {
    const now = await view(ns);
    return now.deployment.status?.readyReplicas === 2 && now;
  });
  assert.equal(ready.deployment.status?.availableReplicas ?? 0, 0);
  assert.equal(condition(ready.deployment, 'Available'), 'False MinimumReplicasUnavailable');
  await complete(ns);
});

test('nothing is written when nothing changes', async () => {
  const ns = await newNamespace('quiet');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns));
  await complete(ns);
  await until(
    'the condition',
    async () => condition((await view(ns)).deployment, 'Progressing') === 'True NewReplicaSetAvailable',
  );
  await delay(200);
  const before = cluster.api.auditLines.length;
  await cluster.admin.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, 'merge', { metadata: { labels: { x: 'y' } } });
  await delay(300);
  const writes = cluster.api.auditLines
    .slice(before)
    .filter((line) => line.includes(`/namespaces/${ns}/`) && line.includes('system:kube-') && !line.includes('/events'))
    .map((line) => (JSON.parse(line) as { requestURI: string }).requestURI);
  assert.deepEqual([...new Set(writes)], []);
});
