import { CausewayError } from '../../lib/errors.ts';
import { invalidValue, notSupported } from '../field-error.ts';
import { labelValue, qualifiedName } from '../names.ts';

export type LabelOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  /** Sorted, without repeats. */
  readonly values: readonly string[];
}

export type Labels = Readonly<Record<string, string>> | null | undefined;

/** Checks what Kubernetes' `NewRequirement` checks. Throws `BadRequest`. */
export function makeRequirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  const sorted = [...new Set(values)].sort();
  const causes = [...countErrors(operator, sorted)];
  const keyErrors = qualifiedName(key);
  if (keyErrors.length > 0) causes.unshift(invalidValue('key', key, keyErrors.join('; ')));
  sorted.forEach((value, i) => {
    const errors = labelValue(value);
    if (errors.length > 0) causes.push(invalidValue(`values[${i}][${key}]`, value, errors.join('; ')));
  });
  if (causes.length === 0) return { key, operator, values: sorted };
  const texts = causes.map((c) => `${c.field}: ${c.message}`);
  throw new CausewayError('BadRequest', texts.length === 1 ? `${texts[0]}` : `[${texts.join(', ')}]`);
}

function countErrors(operator: LabelOperator, values: readonly string[]): ReturnType<typeof invalidValue>[] {
  switch (operator) {
    case 'in':
    case 'notin':
      return values.length === 0
        ? [invalidValue('values', values, "for 'in', 'notin' operators, values set can't be empty")]
        : [];
    case '=':
    case '==':
    case '!=':
      return values.length === 1
        ? []
        : [invalidValue('values', values, 'exact-match compatibility requires one single value')];
    case 'exists':
    case '!':
      return values.length === 0
        ? []
        : [invalidValue('values', values, 'values set must be empty for exists and does not exist')];
    case 'gt':
    case 'lt':
      if (values.length !== 1) {
        return [invalidValue('values', values, "for 'Gt', 'Lt' operators, exactly one value is required")];
      }
      return parseInt64(values[0] ?? '') === undefined
        ? [invalidValue('values[0]', values[0], "for 'Gt', 'Lt' operators, the value must be an integer")]
        : [];
    default:
      return [notSupported('operator', operator satisfies never, [])];
  }
}

/** Whether labels fulfil one requirement: a missing label fulfils `!=` and `notin`. */
export function requirementMatches(requirement: LabelRequirement, labels: Labels): boolean {
  const { key, operator, values } = requirement;
  const has = labels !== undefined && labels !== null && Object.hasOwn(labels, key);
  const value = has ? (labels[key] ?? '') : '';
  switch (operator) {
    case '=':
    case '==':
    case 'in':
      return has && values.includes(value);
    case '!=':
    case 'notin':
      return !has || !values.includes(value);
    case 'exists':
      return has;
    case '!':
      return !has;
    case 'gt':
    case 'lt': {
      const actual = has ? parseInt64(value) : undefined;
      const wanted = parseInt64(values[0] ?? '');
      if (actual === undefined || wanted === undefined) return false;
      return operator === 'gt' ? actual > wanted : actual < wanted;
    }
    default:
      return operator satisfies never;
  }
}

/** What Go's `strconv.ParseInt(text, 10, 64)` takes. */
export function parseInt64(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]{1,32}$/.test(text)) return undefined;
  const value = BigInt(text.replace(/^\+/, ''));
  return value === BigInt.asIntN(64, value) ? value : undefined;
}

export function printRequirement({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    case 'gt':
      return `${key}>${values.join(',')}`;
    case 'lt':
      return `${key}<${values.join(',')}`;
    default:
      return `${key}${operator}${values.join(',')}`;
  }
}
