import type { Pod } from '../../api/generated/types.ts';
import { tryParseQuantity } from '../../api/quantity.ts';
import { diskOf, limitOf, type PodUse } from './pod-usage.ts';

/** Whether a pod limits how much of the node's disk it may take: only then its disk is looked at all the time. */
export function limitsDisk(pod: Pod): boolean {
  return (
    limitOf(pod, 'ephemeral-storage') !== undefined ||
    (pod.spec?.volumes ?? []).some(({ emptyDir }) => (tryParseQuantity(emptyDir?.sizeLimit)?.sign() ?? 0) > 0)
  );
}

/** Why a pod has to go because it takes more disk than it may, in Kubernetes' words; undefined when it does not. */
export function diskExcess(pod: Pod, use: PodUse): string | undefined {
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const limit = tryParseQuantity(emptyDir?.sizeLimit);
    const used = use.volumes.get(name)?.bytes ?? 0;
    if (limit !== undefined && limit.sign() > 0 && used > limit.toNumber()) {
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${limit}". `;
    }
  }
  const total = limitOf(pod, 'ephemeral-storage');
  if (total !== undefined && diskOf(use).bytes > total.toNumber()) {
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${total}. `;
  }
  for (const container of pod.spec?.containers ?? []) {
    const limit = tryParseQuantity(container.resources?.limits?.['ephemeral-storage']);
    const used = use.containers.get(container.name)?.disk.bytes ?? 0;
    if (limit !== undefined && limit.sign() > 0 && used > limit.toNumber()) {
      return `Container ${container.name} exceeded its local ephemeral storage limit "${limit}". `;
    }
  }
  return undefined;
}
