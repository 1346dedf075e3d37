import type { Node, Pod, PodSpec } from '../../api/generated/types.ts';
import { ClusterState } from '../cluster-state.ts';
import type { Situation } from '../framework.ts';

export function node(name: string, more: Partial<Node> = {}): Node {
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, zone: name.slice(0, 1) }, ...more.metadata },
    spec: more.spec ?? {},
    status: more.status ?? { allocatable: { cpu: '2', memory: '1Gi', pods: '110' } },
  };
}

export function pod(name: string, spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}): Pod {
  return {
    metadata: { name, namespace: 'default', uid: name, labels },
    spec: { containers: [{ name: 'c', image: 'x' }], ...spec },
  };
}

export function situation(
  nodes: readonly Node[],
  others: readonly Pod[],
  namespaces: Record<string, Record<string, string>> = {},
): Situation {
  const state = new ClusterState();
  for (const n of nodes) state.setNode(n);
  for (const o of others) state.setPod(o);
  return { nodes: state.nodes(), namespaceLabels: (name) => namespaces[name] ?? {} };
}
