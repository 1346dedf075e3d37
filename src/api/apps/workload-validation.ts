import type { ErrorCause } from '../../lib/errors.ts';
import { validatePodTemplate } from '../core/pod-spec-validation.ts';
import { forbidden, invalidEach, invalidValue, notSupported, required } from '../field-error.ts';
import type { IntOrString, LabelSelector, PodTemplateSpec } from '../generated/types.ts';
import { isEmptySelector, validateLabelSelector } from '../label-selector-validation.ts';
import { nonNegative } from '../metadata.ts';
import { percentString } from '../names.ts';
import type { Labels } from '../selector/label-requirement.ts';
import { labelSelectorFrom } from '../selector/label-selector.ts';

/** `spec.selector` of a workload: there, valid and not empty. `what` completes Kubernetes' sentence. */
export function validateSelector(selector: LabelSelector | undefined, what: string): ErrorCause[] {
  if (selector === undefined) return [required('spec.selector')];
  const causes = validateLabelSelector(selector, 'spec.selector');
  if (isEmptySelector(selector)) {
    causes.push(invalidValue('spec.selector', selector, `empty selector is invalid for ${what}`));
  }
  return causes;
}

/** `spec.template`, which must carry the labels that the selector looks for, or its pods would never be found again. */
export function validateWorkloadTemplate(
  template: PodTemplateSpec | undefined,
  selector: LabelSelector | undefined,
  kind: string,
): ErrorCause[] {
  const path = 'spec.template';
  const causes: ErrorCause[] = [];
  const labels = template?.metadata?.labels;
  // A selector that is missing selects nothing, one that is empty everything.
  if (selector === undefined || !isEmptySelector(selector)) {
    const matches = selects(selector, labels);
    if (matches === undefined) causes.push(invalidValue('spec.selector', selector, 'invalid label selector'));
    else if (!matches) {
      causes.push(invalidValue(`${path}.metadata.labels`, labels, '`selector` does not match template `labels`'));
    }
  }
  causes.push(...validatePodTemplate(template, path));
  const policy: string = template?.spec?.restartPolicy ?? '';
  if (policy !== '' && policy !== 'Always') causes.push(notSupported(`${path}.spec.restartPolicy`, policy, ['Always']));
  if (template?.spec?.activeDeadlineSeconds !== undefined) {
    const text = `activeDeadlineSeconds in ${kind} is not Supported`;
    causes.push(forbidden(`${path}.spec.activeDeadlineSeconds`, text));
  }
  return causes;
}

function selects(selector: LabelSelector | undefined, labels: Labels): boolean | undefined {
  try {
    return labelSelectorFrom(selector).matches(labels);
  } catch {
    return undefined;
  }
}

/** `25%` or a number, not negative. */
export function validateIntOrPercent(value: IntOrString | undefined, field: string): ErrorCause[] {
  if (value === undefined) return [];
  if (typeof value === 'number') return nonNegative(field, value);
  return invalidEach(field, value, percentString(value));
}

export function validateNotMoreThan100Percent(value: IntOrString | undefined, field: string): ErrorCause[] {
  if (typeof value !== 'string' || percentString(value).length > 0 || Number(value.slice(0, -1)) <= 100) return [];
  return invalidEach(field, value, ['must not be greater than 100%']);
}

export function isZero(value: IntOrString | undefined): boolean {
  return value === undefined || value === 0 || value === '0%';
}

/** Counts in a status: none negative, none above its bound. */
export function validateCounts(
  status: Readonly<Record<string, unknown>>,
  fields: readonly string[],
  bounds: readonly (readonly [field: string, bound: string, text: string])[],
): ErrorCause[] {
  const count = (field: string): number => (typeof status[field] === 'number' ? (status[field] as number) : 0);
  const causes = fields.flatMap((field) => nonNegative(`status.${field}`, count(field)));
  for (const [field, bound, text] of bounds) {
    if (count(field) > count(bound)) causes.push(invalidValue(`status.${field}`, count(field), text));
  }
  return causes;
}
