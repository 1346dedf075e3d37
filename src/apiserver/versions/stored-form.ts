import type { KubeObject } from '../../api/object.ts';
import type { ResourceDefinition, Scheme } from '../../api/scheme.ts';
import { autoscalerV1, autoscalerV2 } from './autoscaler-forms.ts';
import { coreEvent, newEvent } from './event-forms.ts';

/** A resource that is stored in the form of another: the same objects, served under two names. */
export interface StoredForm {
  readonly resource: ResourceDefinition;
  /** Neither changes its argument. */
  toStored(object: KubeObject): KubeObject;
  fromStored(object: KubeObject): KubeObject;
}

interface Row {
  readonly served: readonly [group: string, version: string, plural: string];
  readonly stored: readonly [group: string, version: string, plural: string];
  readonly toStored: (object: KubeObject) => KubeObject;
  readonly fromStored: (object: KubeObject) => KubeObject;
}

/** One row for each second name. */
const rows: readonly Row[] = [
  {
    served: ['events.k8s.io', 'v1', 'events'],
    stored: ['', 'v1', 'events'],
    toStored: coreEvent,
    fromStored: newEvent,
  },
  {
    served: ['autoscaling', 'v1', 'horizontalpodautoscalers'],
    stored: ['autoscaling', 'v2', 'horizontalpodautoscalers'],
    toStored: autoscalerV2,
    fromStored: autoscalerV1,
  },
];

/** How `resource` is stored, when that is not as itself. */
export function storedForm(scheme: Scheme, resource: ResourceDefinition): StoredForm | undefined {
  const row = rows.find(
    ({ served }) => served[0] === resource.group && served[1] === resource.version && served[2] === resource.plural,
  );
  if (row === undefined) return undefined;
  const stored = scheme.find(...row.stored);
  if (stored === undefined) return undefined;
  return { resource: stored, toStored: row.toStored, fromStored: row.fromStored };
}
