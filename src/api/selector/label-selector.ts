import { CausewayError } from '../../lib/errors.ts';
import {
  type LabelOperator,
  type LabelRequirement,
  type Labels,
  makeRequirement,
  printRequirement,
  requirementMatches,
} from './label-requirement.ts';
import { parseRequirements } from './label-selector-parser.ts';

/** `metav1.LabelSelector`, as it stands in objects. */
export interface LabelSelectorObject {
  matchLabels?: Record<string, string> | undefined;
  matchExpressions?: { key: string; operator: string; values?: string[] | undefined }[] | undefined;
}

/** All requirements must hold; without any it matches every object. Immutable. */
export class LabelSelector {
  readonly requirements: readonly LabelRequirement[];
  readonly #nothing: boolean;

  constructor(requirements: readonly LabelRequirement[], nothing = false) {
    this.requirements = [...requirements].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    this.#nothing = nothing;
  }

  matches(labels: Labels): boolean {
    return !this.#nothing && this.requirements.every((requirement) => requirementMatches(requirement, labels));
  }

  /** True when it matches every object. */
  isEmpty(): boolean {
    return !this.#nothing && this.requirements.length === 0;
  }

  /** The text form, which `parseLabelSelector` reads again; empty for "everything" and for "nothing". */
  toString(): string {
    return this.requirements.map(printRequirement).join(',');
  }
}

export const everyLabel = new LabelSelector([]);
export const noLabel = new LabelSelector([], true);

/** Parses `?labelSelector=`. Throws `BadRequest` with Kubernetes' sentence. */
export function parseLabelSelector(text: string): LabelSelector {
  return new LabelSelector(parseRequirements(text));
}

/** The selector of exactly these labels; of none, it matches everything (as Kubernetes' `SelectorFromSet`). */
export function selectorFromLabels(labels: Labels): LabelSelector {
  return new LabelSelector(
    Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: '=', values: [value] })),
  );
}

const objectOperators = new Map<string, LabelOperator>([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
]);

/** From a `LabelSelector` object: a missing one matches nothing, an empty one everything. Throws `BadRequest`. */
export function labelSelectorFrom(selector: LabelSelectorObject | null | undefined): LabelSelector {
  if (selector === null || selector === undefined) return noLabel;
  const requirements: LabelRequirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) =>
    makeRequirement(key, '=', [value]),
  );
  for (const expression of selector.matchExpressions ?? []) {
    const operator = objectOperators.get(expression.operator);
    if (operator === undefined) {
      throw new CausewayError('BadRequest', `"${expression.operator}" is not a valid label selector operator`);
    }
    requirements.push(makeRequirement(expression.key, operator, expression.values ?? []));
  }
  return new LabelSelector(requirements);
}

const compiled = new WeakMap<LabelSelectorObject, LabelSelector>();

/**
 * Whether a `LabelSelector` object selects these labels. The selector is compiled once, so it must not change afterwards. One that is
 * invalid selects nothing.
 */
export function matchesLabelSelector(selector: LabelSelectorObject | null | undefined, labels: Labels): boolean {
  if (selector === null || selector === undefined) return false;
  let known = compiled.get(selector);
  if (known === undefined) {
    try {
      known = labelSelectorFrom(selector);
    } catch {
      known = noLabel;
    }
    compiled.set(selector, known);
  }
  return known.matches(labels);
}

/** `a=b,c=d` sorted by key, or `<none>`: how tables and `describe` show labels. */
export function formatLabels(labels: Labels): string {
  const text = Object.keys(labels ?? {})
    .sort()
    .map((key) => `${key}=${labels?.[key] ?? ''}`)
    .join(',');
  return text === '' ? '<none>' : text;
}

/** How tables show a `LabelSelector` object: `<none>` for one that selects nothing or everything, `<error>` for a bad one. */
export function formatLabelSelector(selector: LabelSelectorObject | null | undefined): string {
  try {
    const text = labelSelectorFrom(selector).toString();
    return text === '' ? '<none>' : text;
  } catch {
    return '<error>';
  }
}
