import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Deployment, EndpointSlice, Pod, ReplicaSet } from '../../src/api/generated/types.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shell, shellPod, WAIT } from '../support/pods.ts';

const GIVEN_UP = 'False ProgressDeadlineExceeded';
let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
});
after(() => cluster?.stop());

function deployment(name: string, replicas: number, more: Partial<Deployment['spec']> & { env?: string } = {}): object {
  const { env = 'first', ...spec } = more;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels: { app: name } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [shell(WAIT, { image: `image:${env}`, ports: [{ name: 'web', containerPort: 8080 }] })],
        },
      },
      ...spec,
    },
  };
}

const pods = async (app: string): Promise<Pod[]> =>
  (await cluster.json<{ items: Pod[] }>(['get', 'pods', '-l', `app=${app}`])).items;
const sets = async (app: string): Promise<ReplicaSet[]> =>
  (await cluster.json<{ items: ReplicaSet[] }>(['get', 'rs', '-l', `app=${app}`])).items;
/** Those that stay: a rollout is over when the old pods are being deleted, not when they are gone. */
const livePods = async (app: string): Promise<Pod[]> =>
  (await pods(app)).filter((p) => p.metadata.deletionTimestamp === undefined);
const images = async (app: string): Promise<string[]> => [
  ...new Set((await livePods(app)).map((p) => p.spec?.containers[0]?.image ?? '')),
];
const rolledOut = (name: string): Promise<string> =>
  cluster.ok(['rollout', 'status', `deploy/${name}`, '--timeout=30s'], { timeoutMs: 40_000 });

describe('deployments', { concurrency: 3 }, () => {
  it('scale, and heal', async () => {
    await cluster.create(deployment('scaled', 1));
    assert.equal(
      await rolledOut('scaled').then((t) => t.trim().split('\n').at(-1)),
      'deployment "scaled" successfully rolled out',
    );
    assert.equal(await cluster.ok(['scale', 'deploy', 'scaled', '--replicas=3']), 'deployment.apps/scaled scaled\n');
    await rolledOut('scaled');
    assert.match(await cluster.ok(['get', 'deploy', 'scaled', '--no-headers']), /^scaled +3\/3 +3 +3 /);
    assert.match(
      await cluster.refused(['scale', 'deploy', 'scaled', '--current-replicas=2', '--replicas=1']),
      /Expected replicas to be 2, was 3/,
    );
    const [victim] = await pods('scaled');
    await cluster.ok(['delete', 'pod', victim?.metadata.name ?? '', '--wait=false']);
    await cluster.until('a new pod', async () => {
      const live = await livePods('scaled');
      return live.length === 3 && live.every((p) => p.metadata.uid !== victim?.metadata.uid);
    });
    const [set] = await sets('scaled');
    assert.equal(
      await cluster.ok(['scale', 'rs', set?.metadata.name ?? '', '--replicas=5']),
      `replicaset.apps/${set?.metadata.name} scaled\n`,
    );
    await cluster.until('the deployment to win', async () => (await sets('scaled'))[0]?.spec?.replicas === 3);
    await cluster.ok(['scale', 'deploy', 'scaled', '--replicas=0']);
    await cluster.until('no pods', async () => (await pods('scaled')).length === 0);
    await cluster.until('the counts', async () =>
      /^scaled +0\/0 +0 +0 /.test(await cluster.ok(['get', 'deploy', 'scaled', '--no-headers'])),
    );
    assert.equal(
      await cluster
        .ok(['autoscale', 'deploy', 'scaled', '--min=1', '--max=3', '--cpu-percent=50'])
        .then((t) => t.split(' ')[0]),
      'horizontalpodautoscaler.autoscaling/scaled',
    );
    assert.match(await cluster.ok(['get', 'hpa', 'scaled', '--no-headers']), /^scaled +Deployment\/scaled /);
    await cluster.ok(['delete', 'deploy,hpa', 'scaled']);
  });

  it('roll out, keep history, go back, restart, pause and resume', async () => {
    await cluster.create(deployment('rolled', 2));
    await rolledOut('rolled');
    assert.equal(
      await cluster.ok(['set', 'image', 'deploy/rolled', 'main=image:second']),
      'deployment.apps/rolled image updated\n',
    );
    await cluster.ok(['annotate', 'deploy', 'rolled', 'kubernetes.io/change-cause=to the second']);
    const text = await rolledOut('rolled');
    assert.match(
      text,
      /^(Waiting for deployment (spec update to be observed|"rolled" rollout to finish: .*)\.\.\.\n)*deployment "rolled" successfully rolled out\n$/,
    );
    assert.deepEqual(await images('rolled'), ['image:second']);
    // An annotation alone makes no rollout to wait for: its copy may come later than the end of the one before.
    const history = 'deployment.apps/rolled \nREVISION  CHANGE-CAUSE\n1         <none>\n2         to the second\n\n';
    await cluster.until(
      'the cause',
      async () => (await cluster.ok(['rollout', 'history', 'deploy/rolled'])) === history,
    );
    assert.match(
      await cluster.ok(['rollout', 'history', 'deploy/rolled', '--revision=1']),
      /with revision #1\nPod Template:\n[\s\S]*Image:\s+image:first/,
    );
    assert.equal(await cluster.ok(['rollout', 'undo', 'deploy/rolled']), 'deployment.apps/rolled rolled back\n');
    await rolledOut('rolled');
    assert.deepEqual(await images('rolled'), ['image:first']);
    assert.deepEqual((await cluster.ok(['rollout', 'history', 'deploy/rolled'])).match(/^\d+/gm), ['2', '3']);
    assert.equal((await sets('rolled')).length, 2, 'an old set is used again');

    const before = new Set((await pods('rolled')).map((p) => p.metadata.uid));
    assert.equal(await cluster.ok(['rollout', 'restart', 'deploy/rolled']), 'deployment.apps/rolled restarted\n');
    await rolledOut('rolled');
    assert.ok((await livePods('rolled')).every((p) => !before.has(p.metadata.uid)));

    await cluster.ok(['rollout', 'pause', 'deploy/rolled']);
    await cluster.ok(['set', 'env', 'deploy/rolled', 'A=B']);
    await cluster.until('the generation to be seen', async () => {
      const d = await cluster.json<Deployment>(['get', 'deploy', 'rolled']);
      return d.status?.observedGeneration === d.metadata.generation;
    });
    assert.equal((await cluster.json<Deployment>(['get', 'deploy', 'rolled'])).status?.updatedReplicas ?? 0, 0);
    assert.match(await cluster.refused(['rollout', 'pause', 'deploy/rolled']), /is already paused/);
    await cluster.ok(['rollout', 'resume', 'deploy/rolled']);
    await rolledOut('rolled');
    assert.deepEqual(
      (await livePods('rolled')).map((p) => p.spec?.containers[0]?.env?.[0]?.value),
      ['B', 'B'],
    );
    await cluster.ok(['delete', 'deploy', 'rolled']);
  });

  it('keep to maxUnavailable and maxSurge, and say when they do not get on', async () => {
    await cluster.create(
      deployment('careful', 3, {
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      } as never),
    );
    await rolledOut('careful');
    // The new pods never become ready: the old ones stay.
    await cluster.ok([
      'patch',
      'deploy',
      'careful',
      '-p',
      '{"spec":{"progressDeadlineSeconds":2,"template":{"spec":{"containers":[{"name":"main","readinessProbe":{"exec":{"command":["false"]},"periodSeconds":1,"timeoutSeconds":10}}]}}}}',
    ]);
    const failed = await cluster.kubectl(['rollout', 'status', 'deploy/careful', '--timeout=15s']);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /error: deployment "careful" exceeded its progress deadline/);
    // On a busy machine the deadline may pass before the new pod is made: that is progress once more, and the last.
    await cluster.until('the end of all progress', async () => {
      const { status } = await cluster.json<Deployment>(['get', 'deploy', 'careful']);
      const progressing = status?.conditions?.find((c) => c.type === 'Progressing');
      return status?.updatedReplicas === 1 && `${progressing?.status} ${progressing?.reason}` === GIVEN_UP;
    });
    assert.equal((await pods('careful')).length, 4, 'one above what was asked for');
    assert.equal((await cluster.json<Deployment>(['get', 'deploy', 'careful'])).status?.availableReplicas, 3);
    await cluster.ok(['patch', 'deploy', 'careful', '-p', '{"spec":{"progressDeadlineSeconds":60}}']);
    await cluster.ok(['rollout', 'undo', 'deploy/careful']);
    await rolledOut('careful');
    await cluster.until('the one above to go', async () => (await livePods('careful')).length === 3);
    await cluster.ok(['delete', 'deploy', 'careful']);
  });

  it('can be recreated instead', async () => {
    await cluster.create(deployment('recreated', 2, { strategy: { type: 'Recreate' } } as never));
    await rolledOut('recreated');
    const watch = cluster.background([
      'get',
      'deploy',
      'recreated',
      '-w',
      '-o',
      'jsonpath={.status.availableReplicas},',
    ]);
    await watch.until(/2,/);
    await cluster.ok(['set', 'image', 'deploy/recreated', 'main=image:second']);
    await rolledOut('recreated');
    await watch.until(/2,(.*,)?,(.*,)?2,/);
    await watch.stop();
    await cluster.ok(['delete', 'deploy', 'recreated']);
  });

  it('take all that is theirs along when they go', async () => {
    await cluster.create(deployment('owner', 2));
    await rolledOut('owner');
    const [pod] = await pods('owner');
    const [set] = await sets('owner');
    assert.deepEqual(
      pod?.metadata.ownerReferences?.map((o) => [o.kind, o.name, o.controller, o.blockOwnerDeletion]),
      [['ReplicaSet', set?.metadata.name, true, true]],
    );
    assert.equal(set?.metadata.ownerReferences?.[0]?.kind, 'Deployment');
    assert.equal(pod?.metadata.labels?.['pod-template-hash'], set?.metadata.labels?.['pod-template-hash']);
    await cluster.ok(['delete', 'deploy', 'owner']);
    await cluster.until(
      'the sets and pods to go',
      async () => (await sets('owner')).length + (await pods('owner')).length === 0,
    );
  });
});

describe('services', { concurrency: 3 }, () => {
  const slices = async (service: string): Promise<EndpointSlice[]> =>
    (
      await cluster.json<{ items: EndpointSlice[] }>([
        'get',
        'endpointslices',
        '-l',
        `kubernetes.io/service-name=${service}`,
      ])
    ).items;
  const addresses = async (service: string, ready = true): Promise<string[]> =>
    (await slices(service))
      .flatMap((s) => s.endpoints ?? [])
      .filter((e) => (e.conditions?.ready ?? true) === ready)
      .flatMap((e) => e.addresses)
      .sort();

  it('have endpoints that follow the pods', async () => {
    await cluster.create(deployment('served', 2));
    assert.equal(
      await cluster.ok(['expose', 'deploy', 'served', '--port=80', '--target-port=web']),
      'service/served exposed\n',
    );
    await rolledOut('served');
    const ips = (await pods('served')).map((p) => p.status?.podIP ?? '').sort();
    await cluster.until('two endpoints', async () => JSON.stringify(await addresses('served')) === JSON.stringify(ips));
    assert.deepEqual(
      (await slices('served'))[0]?.ports?.map((p) => [p.port, p.protocol]),
      [[8080, 'TCP']],
    );
    assert.match(await cluster.ok(['get', 'endpoints', 'served', '--no-headers']), /^served +[\d.]+:8080,[\d.]+:8080 /);
    assert.match(await cluster.ok(['describe', 'svc', 'served']), /\nEndpoints: +[\d.]+:8080,[\d.]+:8080\n/);
    await cluster.ok(['scale', 'deploy', 'served', '--replicas=1']);
    await cluster.until('one endpoint', async () => (await addresses('served')).length === 1);
    await cluster.ok(['delete', 'deploy', 'served', '--cascade=foreground']);
    await cluster.until('none', async () => (await addresses('served')).length === 0);
    await cluster.ok(['delete', 'svc', 'served']);
    await cluster.until('no slices', async () => (await slices('served')).length === 0);
    assert.match(await cluster.refused(['get', 'endpoints', 'served']), /endpoints "served" not found/);
  });

  it('leave out what is not ready', async () => {
    await cluster.create(
      shellPod('unready', WAIT, {
        labels: { app: 'unready' },
        container: {
          readinessProbe: { exec: { command: ['test', '-e', '/tmp/ok'] }, periodSeconds: 1, timeoutSeconds: 10 },
        },
      }),
    );
    await cluster.ok(['expose', 'pod', 'unready', '--port=80', '--name=gate']);
    await cluster.until('an endpoint that is not ready', async () => (await addresses('gate', false)).length === 1);
    assert.deepEqual(await addresses('gate'), []);
    await cluster.ok(['exec', 'unready', '--', 'touch', '/tmp/ok']);
    await cluster.until('it to be ready', async () => (await addresses('gate')).length === 1);
    await cluster.ok(['delete', 'pod', 'unready', '--now', '--wait=false']);
    await cluster.ok(['delete', 'svc', 'gate']);
  });
});

describe('namespaces', () => {
  it('are emptied when they are deleted', async () => {
    await cluster.ok(['create', 'ns', 'doomed']);
    const base = deployment('in', 1) as { metadata: Record<string, unknown> };
    await cluster.create(
      { ...base, metadata: { ...base.metadata, namespace: 'doomed' } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'doomed' } },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'held', namespace: 'doomed', finalizers: ['example.test/hold'] },
      },
    );
    await cluster.ok(['rollout', 'status', 'deploy/in', '-n', 'doomed', '--timeout=20s']);
    await cluster.ok(['delete', 'ns', 'doomed', '--wait=false']);
    assert.match(await cluster.ok(['get', 'ns', 'doomed', '--no-headers']), /^doomed +Terminating /);
    const refusal = await cluster.refused(['create', 'cm', 'late', '-n', 'doomed']);
    assert.match(
      refusal,
      /configmaps "late" is forbidden: unable to create new content in namespace doomed because it is being terminated/,
    );
    await cluster.until(
      'all but what is held to go',
      async () => (await cluster.ok(['get', 'all,cm,secret,sa', '-n', 'doomed', '-o', 'name'])) === 'configmap/held\n',
    );
    await cluster.until('the condition', async () =>
      (
        await cluster.ok([
          'get',
          'ns',
          'doomed',
          '-o',
          'jsonpath={.status.conditions[?(@.type=="NamespaceFinalizersRemaining")].message}',
        ])
      ).includes('example.test/hold in 1 resource instances'),
    );
    await cluster.ok(['patch', 'cm', 'held', '-n', 'doomed', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
    await cluster.ok(['wait', '--for=delete', 'ns/doomed', '--timeout=20s']);
    assert.equal(
      await cluster.refused(['get', 'ns', 'doomed']),
      'Error from server (NotFound): namespaces "doomed" not found',
    );
    assert.match(
      await cluster.refused(['delete', 'ns', 'default']),
      /namespaces "default" is forbidden: this namespace may not be deleted/,
    );
  });
});
