import type { ServingRequest } from '../../../src/pki/issued-certificate.ts';
import { type KubeletServingRequest, kubeletServingRequest } from '../../../src/pki/kubelet-identity.ts';
import { shellPod, WAIT } from '../../support/pods.ts';
import type { ApiAnswer } from './api-client.ts';
import type { Target } from './target.ts';

/** A Node without a kubelet, and a pod on it: whoever has its address is asked, and no honest kubelet puts the address right meanwhile. */
export interface GhostNode {
  readonly name: string;
  readonly uid: string;
  readonly pod: string;
  /** What an honest certificate of it would say, but for the change. */
  serving(change?: Partial<KubeletServingRequest>): ServingRequest;
  /** Where the apiserver looks for its kubelet. */
  pointAt(port: number): Promise<void>;
}

export async function createGhostNode(target: Target): Promise<GhostNode> {
  const { admin } = target;
  const name = 'ghost';
  const pod = 'haunted';
  const checked = (answer: ApiAnswer): ApiAnswer => {
    if (answer.status < 300) return answer;
    throw new Error(`${answer.status} ${answer.text}`);
  };
  const patch = async (path: string, body: object): Promise<void> => {
    const headers = { 'content-type': 'application/merge-patch+json' };
    checked(await admin.send(path, { method: 'PATCH', headers, body }));
  };
  const node = checked(await admin.send('/api/v1/nodes', { body: { metadata: { name } } }));
  const { uid } = node.json.metadata as { uid: string };
  const spec = { nodeName: name, tolerations: [{ operator: 'Exists' as const }] };
  checked(await admin.send('/api/v1/namespaces/default/pods', { body: shellPod(pod, WAIT, { spec }) }));
  await patch(`/api/v1/namespaces/default/pods/${pod}/status`, { status: { phase: 'Running' } });
  return {
    name,
    uid,
    pod,
    serving: (change = {}) =>
      kubeletServingRequest({ nodeName: name, nodeUid: uid, dnsNames: [name], ipAddresses: ['127.0.0.1'], ...change }),
    pointAt: (port) =>
      patch(`/api/v1/nodes/${name}/status`, {
        status: {
          addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
          daemonEndpoints: { kubeletEndpoint: { Port: port } },
        },
      }),
  };
}
