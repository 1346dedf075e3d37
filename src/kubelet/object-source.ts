import type { ConfigMap, Secret, Service } from '../api/generated/types.ts';
import type { InformerFactory } from '../client/informer.ts';
import { CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, SERVICES } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { isCode } from '../lib/errors.ts';

/** What the kubelet reads for its pods. A missing object is undefined; other failures are thrown. */
export interface ObjectSource {
  configMap(namespace: string, name: string, signal: AbortSignal): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined>;
  services(): readonly Service[];
  /** A token bound to the pod: `serviceaccounts/token`. */
  token(request: TokenFor, signal: AbortSignal): Promise<{ readonly token: string; readonly expiresAt: number }>;
}

/** An address and port of the apiserver that pods can reach. */
export interface KubernetesEndpoint {
  readonly host: string;
  readonly port: number;
}

export interface TokenFor {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audience: string | undefined;
  readonly expirationSeconds: number;
  readonly pod: { readonly name: string; readonly uid: string };
}

/** Reads over the API with the node's own identity: it gets what its pods refer to, and nothing else. */
export function apiObjectSource(
  client: RestClient,
  informers: InformerFactory,
  kubernetesEndpoint: KubernetesEndpoint | undefined,
): ObjectSource {
  const services = informers.for<Service>(SERVICES);
  const seen = (service: Service): Service => {
    const { name, namespace } = service.metadata;
    if (kubernetesEndpoint === undefined || name !== 'kubernetes' || namespace !== 'default') return service;
    const { host, port } = kubernetesEndpoint;
    return {
      ...service,
      spec: { ...service.spec, clusterIP: host, ports: [{ name: 'https', port, protocol: 'TCP' }] },
    };
  };
  return {
    configMap: (namespace, name, signal) => orMissing(client.get(CONFIG_MAPS, namespace, name, signal)),
    secret: (namespace, name, signal) => orMissing(client.get(SECRETS, namespace, name, signal)),
    services: () => services.list().map(seen),
    token: async (wanted, signal) => {
      const answer = await client.createSubresource<{ status: { token: string; expirationTimestamp: string } }>(
        SERVICE_ACCOUNTS,
        { namespace: wanted.namespace, name: wanted.serviceAccount, subresource: 'token' },
        {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: {
            audiences: wanted.audience === undefined ? [] : [wanted.audience],
            expirationSeconds: wanted.expirationSeconds,
            boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: wanted.pod.name, uid: wanted.pod.uid },
          },
        },
        signal,
      );
      return { token: answer.status.token, expiresAt: Date.parse(answer.status.expirationTimestamp) };
    },
  };
}

/** The answer of a GET, or undefined where there is no such object. */
export async function orMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isCode(error, 'NotFound')) return undefined;
    throw error;
  }
}
