import type { ErrorCause } from '../../lib/errors.ts';
import { duplicate, forbidden, invalidValue, notSupported, required } from '../field-error.ts';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../generated/types.ts';
import { cloneJson, semanticEqual } from '../json-object.ts';
import type { KindRules } from '../kind-rules.ts';
import { pathSegmentRule } from '../metadata.ts';
import type { KubeObject } from '../object.ts';
import { validateSignerName } from './signer-name.ts';

const asRequest = (object: KubeObject): CertificateSigningRequest => object as unknown as CertificateSigningRequest;

const MIN_EXPIRATION_SECONDS = 600;
const APPROVAL = ['Approved', 'Denied'] as const;
/** Conditions that say what has happened: they are true, and stay. */
const FINAL: readonly string[] = [...APPROVAL, 'Failed'];
const STATUSES = ['False', 'True', 'Unknown'];
const CONDITIONS = 'status.conditions';

/**
 * `certificates.k8s.io/v1 CertificateSigningRequest`, as Kubernetes 1.36 checks it. Its spec never changes; `approval` changes the
 * conditions alone, `status` everything in the status but Approved and Denied. That the PEM is a proven request, and what is issued a
 * certificate, is checked by `apiserver/kinds/certificate-request-hooks.ts`.
 */
export const certificateSigningRequestRules: KindRules = {
  nameRule: pathSegmentRule,
  structural: true,
  validate(object) {
    return [...validateSpec(object), ...validateConditions(conditionsOf(object))];
  },
  prepareForUpdate(object, old, subresource) {
    object['spec'] = cloneJson(old['spec']);
    const conditions = conditionsOf(object);
    if (subresource === 'status') keepApproval(conditions, conditionsOf(old));
    if (subresource === 'approval') object.status = { ...cloneJson(old.status ?? {}), conditions };
  },
  validateUpdate(object, old, subresource) {
    const now = conditionsOf(object);
    const before = conditionsOf(old);
    return [
      ...(semanticEqual(now, before) ? [] : validateConditions(now)),
      ...validateKept(now, before),
      ...(subresource === 'approval' ? [] : validateSameApproval(now, before)),
      ...validateCertificate(asRequest(object), asRequest(old), subresource),
    ];
  },
  selectableFields: (object) => ({ 'spec.signerName': asRequest(object).spec?.signerName ?? '' }),
};

function conditionsOf(object: KubeObject): CertificateSigningRequestCondition[] {
  return asRequest(object).status?.conditions ?? [];
}

function validateSpec(object: KubeObject): ErrorCause[] {
  const { spec } = asRequest(object);
  const usages: readonly string[] = spec?.usages ?? [];
  const seconds = spec?.expirationSeconds;
  const causes = usages.length === 0 ? [required('spec.usages')] : [];
  for (const [i, usage] of usages.entries()) {
    if (usages.indexOf(usage) < i) causes.push(duplicate(`spec.usages[${i}]`, usage));
  }
  causes.push(...validateSignerName('spec.signerName', spec?.signerName ?? ''));
  if (seconds !== undefined && seconds < MIN_EXPIRATION_SECONDS) {
    const why = 'may not specify a duration less than 600 seconds (10 minutes)';
    causes.push(invalidValue('spec.expirationSeconds', seconds, why));
  }
  return causes;
}

function validateConditions(conditions: readonly CertificateSigningRequestCondition[]): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const seen = new Set<string>();
  for (const [i, { type = '', status = '' }] of conditions.entries()) {
    const field = `${CONDITIONS}[${i}]`;
    const allowed = FINAL.includes(type) ? ['True'] : STATUSES;
    if (type === '') causes.push(required(`${field}.type`));
    if (status === '') causes.push(required(`${field}.status`));
    else if (!allowed.includes(status)) causes.push(notSupported(`${field}.status`, status, allowed));
    const other = APPROVAL.find((approval) => approval !== type);
    if (APPROVAL.some((approval) => approval === type) && seen.has(other ?? '')) {
      causes.push(invalidValue(CONDITIONS, type, 'Approved and Denied conditions are mutually exclusive'));
    }
    if (seen.has(type)) causes.push(duplicate(`${field}.type`, type));
    seen.add(type);
  }
  return causes;
}

type Conditions = readonly CertificateSigningRequestCondition[];

function ofType(conditions: Conditions, type: string): Conditions {
  return conditions.filter((condition) => condition.type === type);
}

function validateKept(now: Conditions, before: Conditions): ErrorCause[] {
  return FINAL.filter((type) => ofType(now, type).length < ofType(before, type).length).map((type) =>
    forbidden(CONDITIONS, `updates may not remove a condition of type "${type}"`),
  );
}

function validateSameApproval(now: Conditions, before: Conditions): ErrorCause[] {
  return APPROVAL.flatMap((type) => {
    const [changed, known] = [ofType(now, type), ofType(before, type)];
    if (changed.length > known.length)
      return [forbidden(CONDITIONS, `updates may not add a condition of type "${type}"`)];
    if (changed.length < known.length || semanticEqual(changed, known)) return [];
    return [forbidden(CONDITIONS, `updates may not modify a condition of type "${type}"`)];
  });
}

function validateCertificate(
  { status: now }: CertificateSigningRequest,
  { status: before }: CertificateSigningRequest,
  subresource: string,
): ErrorCause[] {
  const field = 'status.certificate';
  const issued = before?.certificate ?? '';
  if ((now?.certificate ?? '') === issued) return [];
  if (subresource !== 'status') return [forbidden(field, 'updates may not set certificate content')];
  return issued === '' ? [] : [forbidden(field, 'updates may not modify existing certificate content')];
}

/** Approved and Denied stay as they were, when there are as many as before: a signer sends back what it has read. */
function keepApproval(conditions: CertificateSigningRequestCondition[], old: Conditions): void {
  for (const type of APPROVAL) {
    const known = ofType(old, type);
    const at = conditions.flatMap((condition, i) => (condition.type === type ? [i] : []));
    if (at.length !== known.length) continue;
    for (const [n, i] of at.entries()) conditions[i] = cloneJson(known[n] as CertificateSigningRequestCondition);
  }
}
