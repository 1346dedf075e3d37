import type { ErrorCause } from '../lib/errors.ts';
import { forbidden, invalidEach, invalidValue, required } from './field-error.ts';
import { validateLabels } from './metadata.ts';
import { labelValue, qualifiedName } from './names.ts';
import type { LabelSelectorObject } from './selector/label-selector.ts';

/** What Kubernetes requires of a `LabelSelector` that stands in an object. */
export function validateLabelSelector(selector: LabelSelectorObject | undefined, field: string): ErrorCause[] {
  if (selector === undefined) return [];
  const causes = validateLabels(selector.matchLabels, `${field}.matchLabels`);
  for (const [i, expression] of (selector.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${i}]`;
    const values = expression.values ?? [];
    switch (expression.operator) {
      case 'In':
      case 'NotIn':
        if (values.length === 0) {
          causes.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0) {
          causes.push(
            forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
          );
        }
        break;
      default:
        causes.push(invalidValue(`${path}.operator`, expression.operator, 'not a valid selector operator'));
    }
    causes.push(...invalidEach(`${path}.key`, expression.key, qualifiedName(expression.key ?? '')));
    for (const [v, value] of values.entries()) {
      causes.push(...invalidEach(`${path}.values[${v}]`, value, labelValue(value)));
    }
  }
  return causes;
}

export function isEmptySelector(selector: LabelSelectorObject): boolean {
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}
