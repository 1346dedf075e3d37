import type { Node, Pod } from '../api/generated/types.ts';
import { addResources, podRequests, type Resources } from './pod-requests.ts';

/** A node and the pods on it (bound, or assumed by this scheduler), as one scheduling decision sees them. */
export interface NodeInfo {
  readonly name: string;
  readonly node: Node;
  readonly pods: readonly Pod[];
  /** The sum of the pods' requests, and how many pods. */
  readonly requested: Resources;
}

/** A pod that has ended holds no resources. */
export function isTerminated(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

export function buildNodeInfos(nodes: readonly Node[], pods: readonly Pod[]): readonly NodeInfo[] {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const name = pod.spec?.nodeName;
    if (name === undefined || name === '' || isTerminated(pod)) continue;
    const list = byNode.get(name);
    if (list === undefined) byNode.set(name, [pod]);
    else list.push(pod);
  }
  return nodes.map((node) => {
    const name = node.metadata?.name ?? '';
    const onNode = byNode.get(name) ?? [];
    const requested = new Map<string, number>();
    for (const pod of onNode) addResources(requested, podRequests(pod));
    return { name, node, pods: onNode, requested };
  });
}
