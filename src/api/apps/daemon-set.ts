import type { ErrorCause } from '../../lib/errors.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { invalidValue, notSupported, required } from '../field-error.ts';
import type { DaemonSet, DaemonSetSpec } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { immutable, nonNegative } from '../metadata.ts';
import type { KubeObject } from '../object.ts';
import { isZero, validateIntOrPercent, validateSelector, validateWorkloadTemplate } from './workload-validation.ts';

const asDaemonSet = (object: KubeObject): DaemonSet => object as unknown as DaemonSet;

export const daemonSetRules: KindRules = {
  generation: true,
  initialStatus: () => ({
    currentNumberScheduled: 0,
    numberMisscheduled: 0,
    desiredNumberScheduled: 0,
    numberReady: 0,
  }),
  defaults(object) {
    object.spec ??= {};
    const spec = asDaemonSet(object).spec as DaemonSetSpec;
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
    defaultPodTemplate(spec);
  },
  validate: (object) => validateSpec(asDaemonSet(object).spec ?? ({} as DaemonSetSpec)),
  validateUpdate(object, old, subresource) {
    if (subresource !== '') return [];
    const spec = asDaemonSet(object).spec ?? ({} as DaemonSetSpec);
    return [...validateSpec(spec), ...immutable('spec.selector', spec.selector, asDaemonSet(old).spec?.selector)];
  },
};

function validateSpec(spec: DaemonSetSpec): ErrorCause[] {
  return [
    ...validateSelector(spec.selector, 'daemonset'),
    ...validateWorkloadTemplate(spec.template, spec.selector, 'DaemonSet'),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...validateStrategy(spec),
    ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
  ];
}

function validateStrategy({ updateStrategy }: DaemonSetSpec): ErrorCause[] {
  const path = 'spec.updateStrategy';
  if (updateStrategy?.type === 'OnDelete') return [];
  if (updateStrategy?.type !== 'RollingUpdate') {
    return [notSupported(`${path}.type`, updateStrategy?.type ?? '', ['RollingUpdate', 'OnDelete'])];
  }
  const update = updateStrategy.rollingUpdate;
  if (update === undefined) return [required(`${path}.rollingUpdate`)];
  const causes = [
    ...validateIntOrPercent(update.maxUnavailable, `${path}.rollingUpdate.maxUnavailable`),
    ...validateIntOrPercent(update.maxSurge, `${path}.rollingUpdate.maxSurge`),
  ];
  if (isZero(update.maxUnavailable) && isZero(update.maxSurge)) {
    causes.push(required(`${path}.rollingUpdate.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  } else if (!isZero(update.maxUnavailable) && !isZero(update.maxSurge)) {
    const text = 'may not be set when maxUnavailable is non-zero';
    causes.push(invalidValue(`${path}.rollingUpdate.maxSurge`, update.maxSurge, text));
  }
  return causes;
}
