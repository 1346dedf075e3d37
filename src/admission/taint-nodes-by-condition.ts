import type { Node } from '../api/generated/types.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { groupResource } from './refuse.ts';

/** A new node gets no pods until the node controller has seen that it is ready and takes the taint away. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  resources: ['nodes'],
  async admit(attributes: AdmissionAttributes): Promise<void> {
    const { operation, subresource, object } = attributes;
    if (operation !== 'CREATE' || subresource !== '' || groupResource(attributes) !== 'nodes') return;
    if (object === undefined) return;
    const node = object as unknown as Node;
    const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const;
    const taints = node.spec?.taints ?? [];
    if (taints.some(({ key, effect }) => key === taint.key && effect === taint.effect)) return;
    node.spec = { ...node.spec, taints: [...taints, taint] };
  },
};
