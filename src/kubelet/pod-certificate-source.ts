import type {
  ClusterTrustBundle,
  Pod,
  PodCertificateProjection,
  PodCertificateRequest,
} from '../api/generated/types.ts';
import { CLUSTER_TRUST_BUNDLES, POD_CERTIFICATE_REQUESTS, SERVICE_ACCOUNTS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { orMissing } from './object-source.ts';

/** Of a generated name: it must stay a DNS name, and tell whose it is. */
const MAX_PREFIX = 200;

/** Where the kubelet has certificates of its pods and of authorities from. A missing object is undefined; other failures are thrown. */
export interface PodCertificateSource {
  /** Asks for a certificate of the pod, with a PKCS#10 request in base64; answers the name of the PodCertificateRequest. */
  ask(pod: Pod, projection: PodCertificateProjection, request: string, signal: AbortSignal): Promise<string>;
  request(namespace: string, name: string, signal: AbortSignal): Promise<PodCertificateRequest | undefined>;
  trustBundle(name: string, signal: AbortSignal): Promise<ClusterTrustBundle | undefined>;
  /** Of a signer. */
  trustBundles(signerName: string, signal: AbortSignal): Promise<readonly ClusterTrustBundle[]>;
}

/** Asks over the API with the node's own identity. */
export function apiPodCertificateSource(client: RestClient, nodeUid: () => string): PodCertificateSource {
  return {
    ask: async (pod, projection, request, signal) => {
      const { namespace = '', name: podName = '', uid: podUID = '' } = pod.metadata;
      const { nodeName = '', serviceAccountName = 'default' } = pod.spec ?? {};
      const account = await client.get(SERVICE_ACCOUNTS, namespace, serviceAccountName, signal);
      const { signerName, maxExpirationSeconds, userAnnotations } = projection;
      const asked = await client.create(
        POD_CERTIFICATE_REQUESTS,
        {
          metadata: { namespace, generateName: `${podName.slice(0, MAX_PREFIX)}-` },
          spec: {
            signerName,
            podName,
            podUID,
            serviceAccountName,
            serviceAccountUID: account.metadata.uid ?? '',
            nodeName,
            nodeUID: nodeUid(),
            stubPKCS10Request: request,
            ...(maxExpirationSeconds === undefined ? {} : { maxExpirationSeconds }),
            ...(userAnnotations === undefined ? {} : { unverifiedUserAnnotations: userAnnotations }),
          },
        },
        signal,
      );
      return asked.metadata.name ?? '';
    },
    request: (namespace, name, signal) => orMissing(client.get(POD_CERTIFICATE_REQUESTS, namespace, name, signal)),
    trustBundle: (name, signal) => orMissing(client.get(CLUSTER_TRUST_BUNDLES, '', name, signal)),
    trustBundles: async (signerName, signal) =>
      (await client.list(CLUSTER_TRUST_BUNDLES, { fieldSelector: `spec.signerName=${signerName}` }, signal)).items,
  };
}
