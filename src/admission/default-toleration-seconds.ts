import type { Pod, Toleration } from '../api/generated/types.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { groupResource } from './refuse.ts';

const SECONDS = 300;
const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

/** A pod stays five minutes on a node that stopped answering, unless it says otherwise. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  resources: ['pods'],
  async admit(attributes: AdmissionAttributes): Promise<void> {
    const { operation, subresource, object } = attributes;
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || subresource !== '') return;
    if (groupResource(attributes) !== 'pods') return;
    const spec = (object as unknown as Pod | undefined)?.spec;
    if (spec === undefined) return;
    const tolerations = spec.tolerations ?? [];
    const missing = keys.filter((key) => !tolerations.some((toleration) => tolerates(toleration, key)));
    if (missing.length === 0) return;
    spec.tolerations = [
      ...tolerations,
      ...missing.map(
        (key): Toleration => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: SECONDS }),
      ),
    ];
  },
};

function tolerates({ key, effect }: Toleration, taint: string): boolean {
  return (!key || key === taint) && (!effect || effect === 'NoExecute');
}
