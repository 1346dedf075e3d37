import type { ErrorCause } from '../../lib/errors.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { forbidden, invalidValue, notSupported, required } from '../field-error.ts';
import type { Deployment, DeploymentSpec } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { immutable, nonNegative } from '../metadata.ts';
import type { KubeObject } from '../object.ts';
import { dropZeroes } from '../zero-values.ts';
import {
  isZero,
  validateCounts,
  validateIntOrPercent,
  validateNotMoreThan100Percent,
  validateSelector,
  validateWorkloadTemplate,
} from './workload-validation.ts';

const counts = [
  'observedGeneration',
  'replicas',
  'updatedReplicas',
  'readyReplicas',
  'availableReplicas',
  'unavailableReplicas',
] as const;
const asDeployment = (object: KubeObject): Deployment => object as unknown as Deployment;

export const deploymentRules: KindRules = {
  generation: true,
  defaults(object) {
    object.spec ??= {};
    const spec = asDeployment(object).spec as DeploymentSpec;
    dropZeroes(spec, ['minReadySeconds', 'paused']);
    dropZeroes(asDeployment(object).status, counts);
    spec.replicas ??= 1;
    spec.strategy ??= {};
    spec.strategy.type ||= 'RollingUpdate';
    if (spec.strategy.type === 'RollingUpdate') {
      spec.strategy.rollingUpdate ??= {};
      spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
      spec.strategy.rollingUpdate.maxSurge ??= '25%';
    }
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    defaultPodTemplate(spec);
  },
  validate: (object) => validateSpec(asDeployment(object).spec ?? ({} as DeploymentSpec)),
  validateUpdate(object, old, subresource) {
    const deployment = asDeployment(object);
    if (subresource === 'status') return validateStatus(deployment);
    const spec = deployment.spec ?? ({} as DeploymentSpec);
    return [...validateSpec(spec), ...immutable('spec.selector', spec.selector, asDeployment(old).spec?.selector)];
  },
};

function validateSpec(spec: DeploymentSpec): ErrorCause[] {
  const causes = nonNegative('spec.replicas', spec.replicas);
  causes.push(...validateSelector(spec.selector, 'deployment'));
  causes.push(...validateWorkloadTemplate(spec.template, spec.selector, 'ReplicaSet'));
  causes.push(...validateStrategy(spec));
  causes.push(...nonNegative('spec.minReadySeconds', spec.minReadySeconds));
  causes.push(...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit));
  const deadline = spec.progressDeadlineSeconds;
  if (deadline !== undefined) {
    causes.push(...nonNegative('spec.progressDeadlineSeconds', deadline));
    if (deadline <= (spec.minReadySeconds ?? 0)) {
      causes.push(invalidValue('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
    }
  }
  return causes;
}

function validateStrategy({ strategy }: DeploymentSpec): ErrorCause[] {
  const path = 'spec.strategy';
  const update = strategy?.rollingUpdate;
  if (strategy?.type === 'Recreate') {
    const text = "may not be specified when strategy `type` is 'Recreate'";
    return update === undefined ? [] : [forbidden(`${path}.rollingUpdate`, text)];
  }
  if (strategy?.type !== 'RollingUpdate') {
    return [notSupported(`${path}.type`, strategy?.type ?? '', ['Recreate', 'RollingUpdate'])];
  }
  if (update === undefined) return [required(`${path}.rollingUpdate`, 'this should be defaulted and never be nil')];
  const field = `${path}.rollingUpdate.maxUnavailable`;
  const causes = [
    ...validateIntOrPercent(update.maxUnavailable, field),
    ...validateIntOrPercent(update.maxSurge, `${path}.rollingUpdate.maxSurge`),
  ];
  if (isZero(update.maxUnavailable) && isZero(update.maxSurge)) {
    causes.push(invalidValue(field, update.maxUnavailable ?? 0, 'may not be 0 when `maxSurge` is 0'));
  }
  causes.push(...validateNotMoreThan100Percent(update.maxUnavailable, field));
  return causes;
}

function validateStatus({ status }: Deployment): ErrorCause[] {
  return validateCounts({ ...status }, counts, [
    ['updatedReplicas', 'replicas', 'cannot be greater than status.replicas'],
    ['readyReplicas', 'replicas', 'cannot be greater than status.replicas'],
    ['availableReplicas', 'replicas', 'cannot be greater than status.replicas'],
    ['availableReplicas', 'readyReplicas', 'cannot be greater than readyReplicas'],
  ]);
}
