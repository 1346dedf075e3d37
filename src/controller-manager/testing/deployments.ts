import type { Deployment, Pod, ReplicaSet } from '../../api/generated/types.ts';
import { DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS } from '../../client/resources.ts';
import { until } from '../../client/testing/test-client.ts';
import type { TestCluster } from './test-cluster.ts';

export async function newNamespace(cluster: TestCluster, name: string): Promise<string> {
  await cluster.admin.create(NAMESPACES, { metadata: { name } });
  await until('the service account', async () => {
    const list = await cluster.admin.json<{ items: unknown[] }>('GET', `/api/v1/namespaces/${name}/serviceaccounts`);
    return list.items.length > 0;
  });
  return name;
}

export function deployment(
  namespace: string,
  spec: Partial<NonNullable<Deployment['spec']>> = {},
  image = 'one',
): Deployment {
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

export async function view(cluster: TestCluster, namespace: string) {
  const { admin } = cluster;
  const [live, sets, pods] = await Promise.all([
    admin.get(DEPLOYMENTS, namespace, 'web'),
    admin.list(REPLICA_SETS, { namespace }),
    admin.list(PODS, { namespace }),
  ]);
  return { deployment: live, sets: sets.items, pods: pods.items };
}

export function condition(live: Deployment, type: string) {
  const found = live.status?.conditions?.find((c) => c.type === type);
  return found === undefined ? undefined : `${found.status} ${found.reason}`;
}

export async function complete(cluster: TestCluster, namespace: string) {
  return until('the rollout', async () => {
    const now = await view(cluster, namespace);
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

export function setImage(cluster: TestCluster, namespace: string, image: string): Promise<Deployment> {
  const patch = { spec: { template: { spec: { containers: [{ name: 'main', image }] } } } };
  return cluster.admin.patch(DEPLOYMENTS, { namespace, name: 'web' }, 'strategic', patch);
}

export function imageOf(object: ReplicaSet | Pod): string | undefined {
  const spec = object.spec as {
    template?: { spec?: { containers: { image?: string }[] } };
    containers?: { image?: string }[];
  };
  return (spec.template?.spec ?? spec).containers?.[0]?.image;
}

export function byImage(sets: readonly ReplicaSet[], image: string): ReplicaSet {
  const found = sets.find((rs) => imageOf(rs) === image);
  if (found === undefined) throw new Error(`no set with ${image}`);
  return found;
}
