import { CausewayError, type ErrorCause } from '../../lib/errors.ts';
import { invalidValue, required } from '../field-error.ts';
import type {
  LocalSubjectAccessReview,
  ResourceAttributes,
  SelfSubjectAccessReviewSpec,
  SelfSubjectRulesReview,
  SubjectAccessReviewSpec,
} from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import type { KubeObject } from '../object.ts';

type Attributes = Pick<SelfSubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>;

/** May this user do that? Asked by kubelets and webhooks. */
export const subjectAccessReviewRules: KindRules = {
  ownMetadata: true,
  validate(object) {
    const spec = (object.spec ?? {}) as SubjectAccessReviewSpec;
    return [...validateAttributes(spec), ...validateSubject(spec), ...emptyMetadata(object, [])];
  },
};

/** May I do that? `kubectl auth can-i`. */
export const selfSubjectAccessReviewRules: KindRules = {
  ownMetadata: true,
  validate: (object) => [
    ...validateAttributes((object.spec ?? {}) as SelfSubjectAccessReviewSpec),
    ...emptyMetadata(object, []),
  ],
};

/** The same within one namespace, so that it can be granted within one. */
export const localSubjectAccessReviewRules: KindRules = {
  ownMetadata: true,
  validate(object) {
    const review = object as unknown as LocalSubjectAccessReview;
    const spec = review.spec ?? ({} as SubjectAccessReviewSpec);
    const causes = [...validateAttributes(spec), ...validateSubject(spec), ...emptyMetadata(object, ['namespace'])];
    const namespace = spec.resourceAttributes?.namespace ?? '';
    if (spec.resourceAttributes !== undefined && namespace !== (review.metadata.namespace ?? '')) {
      causes.push(invalidValue('spec.resourceAttributes.namespace', namespace, 'must match metadata.namespace'));
    }
    if (spec.nonResourceAttributes !== undefined) {
      const text = 'disallowed on this kind of request';
      causes.push(invalidValue('spec.nonResourceAttributes', spec.nonResourceAttributes, text));
    }
    return causes;
  },
};

/** What may I do? `kubectl auth can-i --list`. */
export const selfSubjectRulesReviewRules: KindRules = {
  ownMetadata: true,
  validate(object) {
    // Kubernetes answers 400 here, not 422.
    if (((object as unknown as SelfSubjectRulesReview).spec?.namespace ?? '') === '') {
      throw new CausewayError('BadRequest', 'no namespace on request');
    }
    return [];
  },
};

function validateSubject({ user, groups }: SubjectAccessReviewSpec): ErrorCause[] {
  if ((user ?? '') !== '' || (groups ?? []).length > 0) return [];
  return [invalidValue('spec.user', user ?? '', 'at least one of user or group must be specified')];
}

function validateAttributes({ resourceAttributes, nonResourceAttributes }: Attributes): ErrorCause[] {
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined) {
    const text = 'cannot be specified in combination with resourceAttributes';
    return [invalidValue('spec.nonResourceAttributes', nonResourceAttributes, text)];
  }
  if (resourceAttributes === undefined && nonResourceAttributes === undefined) {
    const text = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    return [invalidValue('spec.resourceAttributes', null, text)];
  }
  return resourceAttributes === undefined ? [] : validateSelectors(resourceAttributes);
}

/** A selector is given raw or parsed, not both. */
function validateSelectors({ fieldSelector, labelSelector }: ResourceAttributes): ErrorCause[] {
  const causes: ErrorCause[] = [];
  for (const [name, selector] of [
    ['fieldSelector', fieldSelector],
    ['labelSelector', labelSelector],
  ] as const) {
    if (selector === undefined) continue;
    const path = `spec.resourceAttributes.${name}`;
    const raw = selector.rawSelector ?? '';
    const requirements = selector.requirements ?? [];
    if (raw !== '' && requirements.length > 0) {
      causes.push(invalidValue(`${path}.rawSelector`, raw, 'may not specified at the same time as requirements'));
    } else if (raw === '' && requirements.length === 0) {
      causes.push(
        required(`${path}.requirements`, `when ${path} is specified, requirements or rawSelector is required`),
      );
    }
    for (const [i, { key }] of requirements.entries()) {
      if ((key ?? '') === '') causes.push(required(`${path}.requirements[${i}].key`, 'must be specified'));
    }
  }
  return causes;
}

function emptyMetadata(object: KubeObject, except: readonly string[]): ErrorCause[] {
  const extra = Object.keys(object.metadata ?? {}).filter((key) => key !== 'managedFields' && !except.includes(key));
  if (extra.length === 0) return [];
  const text = except.length === 0 ? 'must be empty' : 'must be empty except for namespace';
  return [invalidValue('metadata', object.metadata, text)];
}
