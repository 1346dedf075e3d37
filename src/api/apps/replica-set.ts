import type { ErrorCause } from '../../lib/errors.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import type { ReplicaSet, ReplicaSetSpec } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { immutable, nonNegative } from '../metadata.ts';
import type { KubeObject } from '../object.ts';
import { dropZeroes } from '../zero-values.ts';
import { validateCounts, validateSelector, validateWorkloadTemplate } from './workload-validation.ts';

const asReplicaSet = (object: KubeObject): ReplicaSet => object as unknown as ReplicaSet;

export const replicaSetRules: KindRules = {
  generation: true,
  initialStatus: () => ({ replicas: 0 }),
  defaults(object) {
    object.spec ??= {};
    const spec = asReplicaSet(object).spec as ReplicaSetSpec;
    dropZeroes(spec, ['minReadySeconds']);
    // `replicas` is always shown.
    dropZeroes(asReplicaSet(object).status, [
      'fullyLabeledReplicas',
      'readyReplicas',
      'availableReplicas',
      'observedGeneration',
    ]);
    spec.replicas ??= 1;
    defaultPodTemplate(spec);
  },
  validate: (object) => validateSpec(asReplicaSet(object).spec ?? ({} as ReplicaSetSpec)),
  validateUpdate(object, old, subresource) {
    const set = asReplicaSet(object);
    if (subresource === 'status') {
      return validateCounts(
        { ...set.status },
        ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration'],
        [
          ['fullyLabeledReplicas', 'replicas', 'cannot be greater than status.replicas'],
          ['readyReplicas', 'replicas', 'cannot be greater than status.replicas'],
          ['availableReplicas', 'replicas', 'cannot be greater than status.replicas'],
          ['availableReplicas', 'readyReplicas', 'cannot be greater than readyReplicas'],
        ],
      );
    }
    const spec = set.spec ?? ({} as ReplicaSetSpec);
    return [...validateSpec(spec), ...immutable('spec.selector', spec.selector, asReplicaSet(old).spec?.selector)];
  },
  selectableFields: (object) => ({ 'status.replicas': String(asReplicaSet(object).status?.replicas ?? 0) }),
};

function validateSpec(spec: ReplicaSetSpec): ErrorCause[] {
  return [
    ...nonNegative('spec.replicas', spec.replicas),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    // Kubernetes says "deployment" here too.
    ...validateSelector(spec.selector, 'deployment'),
    ...validateWorkloadTemplate(spec.template, spec.selector, 'ReplicaSet'),
  ];
}
