import type { ErrorCause } from '../../lib/errors.ts';
import { invalidValue, required } from '../field-error.ts';
import type { Lease } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { nonNegative } from '../metadata.ts';

export const leaseRules: KindRules = {
  allowCreateOnUpdate: true,
  // Two holders must notice each other: an update names the version that it read.
  allowUnconditionalUpdate: false,
  validate(object) {
    const { spec } = object as unknown as Lease;
    const causes: ErrorCause[] = [];
    const duration = spec?.leaseDurationSeconds;
    if (duration !== undefined && duration <= 0) {
      causes.push(invalidValue('spec.leaseDurationSeconds', duration, 'must be greater than 0'));
    }
    causes.push(...nonNegative('spec.leaseTransitions', spec?.leaseTransitions));
    if ((spec?.preferredHolder ?? '') !== '' && (spec?.strategy ?? '') === '') {
      causes.push(required('spec.strategy', 'must be set when preferredHolder is set'));
    }
    return causes;
  },
};
