import type { ErrorCause } from '../../lib/errors.ts';
import { validateIntOrPercent, validateNotMoreThan100Percent } from '../apps/workload-validation.ts';
import { invalidValue } from '../field-error.ts';
import type { PodDisruptionBudget } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { validateLabelSelector } from '../label-selector-validation.ts';
import type { KubeObject } from '../object.ts';

export const podDisruptionBudgetRules: KindRules = {
  generation: true,
  allowUnconditionalUpdate: false,
  structural: true,
  validate,
  validateUpdate: (object, _old, subresource) => (subresource === '' ? validate(object) : []),
};

function validate(object: KubeObject): ErrorCause[] {
  const { minAvailable, maxUnavailable, selector } = (object as unknown as PodDisruptionBudget).spec ?? {};
  const both = minAvailable !== undefined && maxUnavailable !== undefined;
  const text = 'minAvailable and maxUnavailable cannot be both set';
  return [
    ...(both ? [invalidValue('spec', (object as unknown as PodDisruptionBudget).spec ?? {}, text)] : []),
    ...validateIntOrPercent(minAvailable, 'spec.minAvailable'),
    ...validateNotMoreThan100Percent(minAvailable, 'spec.minAvailable'),
    ...validateIntOrPercent(maxUnavailable, 'spec.maxUnavailable'),
    ...validateNotMoreThan100Percent(maxUnavailable, 'spec.maxUnavailable'),
    ...validateLabelSelector(selector, 'spec.selector'),
  ];
}
