import type { KubeObject } from '../api/object.ts';
import type { ResourceType } from '../api/resource-path.ts';
import { type RestClient, resource, type TypedResource } from '../client/rest-client.ts';

interface AggregatedDiscovery {
  items: {
    metadata: { name?: string };
    versions?: {
      version: string;
      freshness?: string;
      resources?: { resource: string; responseKind: { kind: string }; scope: string; verbs: string[] }[];
    }[];
  }[];
}

export interface DiscoveredResource {
  readonly type: TypedResource<KubeObject>;
  readonly verbs: readonly string[];
}

/** Every resource of the first version of each group that has it, as discovery tells. */
export async function discoverResources(client: RestClient, signal: AbortSignal): Promise<DiscoveredResource[]> {
  const answers = await Promise.all(
    ['/api', '/apis'].map((root) => client.json<AggregatedDiscovery>('GET', root, undefined, signal, AGGREGATED)),
  );
  const found = new Map<string, DiscoveredResource>();
  for (const group of answers.flatMap((answer) => answer.items)) {
    for (const { version, resources = [] } of group.versions ?? []) {
      for (const r of resources) {
        const id = `${r.resource}.${group.metadata.name ?? ''}`;
        if (found.has(id)) continue;
        const namespaced = r.scope === 'Namespaced';
        const type = resource(group.metadata.name ?? '', version, r.resource, r.responseKind.kind, namespaced);
        found.set(id, { type, verbs: r.verbs });
      }
    }
  }
  return [...found.values()];
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** `pods.`, `deployments.apps`. */
export function resourceName(type: ResourceType): string {
  return `${type.plural}.${type.group}`;
}
