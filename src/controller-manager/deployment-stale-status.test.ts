import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ReplicaSet, ReplicaSetStatus } from '../api/generated/types.ts';
import { Informer } from '../client/informer.ts';
import { DEPLOYMENTS, NAMESPACES, REPLICA_SETS } from '../client/resources.ts';
import { until } from '../client/testing/test-client.ts';
import { silentLog } from '../lib/log.ts';
import { DeploymentController } from './deployment.ts';
import { byImage, deployment, imageOf, setImage, view } from './testing/deployments.ts';
import { TestCluster } from './testing/test-cluster.ts';

const ns = 'stale';
let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  await cluster.admin.create(NAMESPACES, { metadata: { name: ns } });
  // Nobody looks after the sets: the test says what they report, and when.
  await cluster.runControllers(DeploymentController);
});

after(() => cluster.close());

/** What the set of this image says of itself; resolves when the deployment controller has taken notice. */
async function reports(image: string, replicas: number, availableReplicas: number): Promise<void> {
  const rs = byImage((await view(cluster, ns)).sets, image);
  const observedGeneration = rs.metadata.generation ?? 0;
  const status: ReplicaSetStatus = {
    replicas,
    readyReplicas: availableReplicas,
    availableReplicas,
    observedGeneration,
  };
  await cluster.admin.update(REPLICA_SETS, { ...rs, status }, 'status');
  await until('notice', async () => {
    const { sets, deployment: live } = await view(cluster, ns);
    return (['replicas', 'availableReplicas'] as const).every(
      (of) => (live.status?.[of] ?? 0) === sets.reduce((n, s) => n + (s.status?.[of] ?? 0), 0),
    );
  });
}

async function sized(one: number, two: number): Promise<void> {
  const wanted = JSON.stringify({ one, two });
  await until(wanted, async () => {
    const { sets } = await view(cluster, ns);
    const sizes = Object.fromEntries(sets.map((rs) => [imageOf(rs), rs.spec?.replicas]));
    return JSON.stringify({ one: sizes['one'], two: sizes['two'] }) === wanted;
  });
}

test('an old set that is slow to shrink: it loses no pod twice, and the new one gets none too many', async (t) => {
  const changes: string[] = [];
  const sets = new Informer<ReplicaSet>(cluster.admin, REPLICA_SETS, { namespace: ns }, silentLog);
  const note = (rs: ReplicaSet): void => {
    const change = `${imageOf(rs)} ${rs.spec?.replicas}`;
    if (!changes.includes(change)) changes.push(change);
  };
  sets.handle({ added: note, updated: note });
  const stop = new AbortController();
  const following = sets.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await following;
  });
  await sets.synced();

  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 8 }));
  await until('the set', async () => (await view(cluster, ns)).sets.length === 1);
  await reports('one', 8, 8);
  await setImage(cluster, ns, 'two');
  await until('the next set', async () => (await view(cluster, ns)).sets.length === 2);
  await reports('two', 2, 0);
  await sized(6, 2);
  // It knows of its new size, but its pods are not gone yet.
  await reports('one', 8, 8);
  await reports('two', 2, 2);
  await sized(4, 2);
  await reports('one', 8, 8);
  await reports('one', 4, 4);
  await sized(4, 6);
  await until('the watch', () => changes.includes('two 6'));
  assert.deepEqual(changes, ['one 8', 'two 2', 'one 6', 'one 4', 'two 6']);
});
