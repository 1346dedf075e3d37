import type { ErrorCause } from '../../lib/errors.ts';
import { defaultClaimSpec } from '../core/persistent-volume.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { forbidden, invalidValue, required } from '../field-error.ts';
import type { StatefulSet, StatefulSetSpec } from '../generated/types.ts';
import { cloneJson, semanticEqual } from '../json-object.ts';
import type { KindRules } from '../kind-rules.ts';
import { nameRule, nonNegative } from '../metadata.ts';
import { dns1123Label } from '../names.ts';
import type { KubeObject } from '../object.ts';
import { validateSelector, validateWorkloadTemplate } from './workload-validation.ts';

const asStatefulSet = (object: KubeObject): StatefulSet => object as unknown as StatefulSet;

/** What an update may change, in Kubernetes' words. */
const mutable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;
const refused =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

export const statefulSetRules: KindRules = {
  nameRule: nameRule(dns1123Label),
  generation: true,
  initialStatus: () => ({ replicas: 0, availableReplicas: 0 }),
  defaults(object) {
    object.spec ??= {};
    const spec = asStatefulSet(object).spec as StatefulSetSpec;
    spec.podManagementPolicy ||= 'OrderedReady';
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.partition ??= 0;
    }
    spec.persistentVolumeClaimRetentionPolicy ??= {};
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    defaultPodTemplate(spec);
    for (const claim of spec.volumeClaimTemplates ?? []) {
      defaultClaimSpec(claim.spec);
      claim.status ??= { phase: 'Pending' };
    }
  },
  validate: (object) => validateSpec(asStatefulSet(object).spec ?? ({} as StatefulSetSpec)),
  validateUpdate(object, old, subresource) {
    if (subresource !== '') return [];
    const spec = asStatefulSet(object).spec ?? ({} as StatefulSetSpec);
    const before = asStatefulSet(old).spec ?? ({} as StatefulSetSpec);
    const munged = cloneJson(spec) as unknown as Record<string, unknown>;
    for (const field of mutable) munged[field] = before[field];
    return [...validateSpec(spec), ...(semanticEqual(munged, before) ? [] : [forbidden('spec', refused)])];
  },
};

function validateSpec(spec: StatefulSetSpec): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const policy: string = spec.podManagementPolicy ?? '';
  if (policy !== 'OrderedReady' && policy !== 'Parallel') {
    causes.push(invalidValue('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'"));
  }
  const strategy: string = spec.updateStrategy?.type ?? '';
  if (strategy === '') causes.push(required('spec.updateStrategy'));
  else if (strategy !== 'RollingUpdate' && strategy !== 'OnDelete') {
    causes.push(invalidValue('spec.updateStrategy', spec.updateStrategy, "must be 'RollingUpdate' or 'OnDelete'"));
  }
  return [
    ...causes,
    ...nonNegative('spec.replicas', spec.replicas),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...validateSelector(spec.selector, 'statefulset'),
    ...validateWorkloadTemplate(spec.template, spec.selector, 'StatefulSet'),
  ];
}
