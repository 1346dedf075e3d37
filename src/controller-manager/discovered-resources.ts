import type { KubeObject } from '../api/object.ts';
import type { ResourceType } from '../api/resource-path.ts';
import { type RestClient, resource, type TypedResource } from '../client/rest-client.ts';

interface AggregatedDiscovery {
  items: {
    metadata: { name?: string };
    versions?: {
      version: string;
      resources?: { resource: string; responseKind: { kind: string }; scope: string; verbs: string[] }[];
    }[];
  }[];
}

/** Every resource of the preferred version of each group that has all of these verbs, as discovery tells. */
export async function discoverResources(
  client: RestClient,
  verbs: readonly string[],
  signal: AbortSignal,
): Promise<TypedResource<KubeObject>[]> {
  const found: TypedResource<KubeObject>[] = [];
  for (const root of ['/api', '/apis']) {
    const answer = await client.json<AggregatedDiscovery>('GET', root, undefined, signal, AGGREGATED);
    for (const group of answer.items) {
      const preferred = group.versions?.[0];
      for (const r of preferred?.resources ?? []) {
        if (!verbs.every((v) => r.verbs.includes(v))) continue;
        const namespaced = r.scope === 'Namespaced';
        found.push(
          resource(group.metadata.name ?? '', preferred?.version ?? '', r.resource, r.responseKind.kind, namespaced),
        );
      }
    }
  }
  return found;
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

export function resourceId(type: ResourceType): string {
  return `${type.plural}.${type.version}.${type.group}`;
}
