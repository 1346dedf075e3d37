import type { ErrorCause } from '../../lib/errors.ts';
import { invalidValue, required, tooLong } from '../field-error.ts';
import { dns1123Label, dns1123Subdomain, labelMaxLength, subdomainMaxLength } from '../names.ts';

const LEGACY = 'kubernetes.io/legacy-unknown';
/** `<domain>/<namespace>.<name>`, which signers of namespaced issuers use. */
const MAX_LENGTH = subdomainMaxLength + 1 + labelMaxLength + 1 + subdomainMaxLength;

/** The name of a signer: `example.com/signer-name`. */
export function validateSignerName(field: string, name: string): ErrorCause[] {
  if (name === '') return [required(field)];
  if (name === LEGACY) {
    return [invalidValue(field, name, 'the legacy signerName is not allowed via this API version')];
  }
  const [domain = '', path = '', ...rest] = name.split('/');
  if (rest.length > 0 || !name.includes('/')) {
    const why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return [invalidValue(field, name, why)];
  }
  const labels = domain.split('.');
  const causes = domain.length > subdomainMaxLength ? [tooLong(field, subdomainMaxLength)] : [];
  if (labels.length < 2) {
    causes.push(invalidValue(field, domain, 'should be a domain with at least two segments separated by dots'));
  }
  causes.push(
    ...firstBad(field, domain, labels, dns1123Label),
    ...firstBad(field, path, path.split('.'), dns1123Subdomain),
  );
  if (name.length > MAX_LENGTH) causes.push(tooLong(field, MAX_LENGTH));
  return causes;
}

/** One part is enough to see what is wrong. */
function firstBad(
  field: string,
  value: string,
  parts: readonly string[],
  check: (part: string) => readonly string[],
): ErrorCause[] {
  for (const part of parts) {
    const errors = check(part);
    if (errors.length > 0) return errors.map((e) => invalidValue(field, value, `validating label "${part}": ${e}`));
  }
  return [];
}

/** A signer of Kubernetes' own, whatever it is called. */
export function isKubernetesSigner(name: string): boolean {
  const [domain = ''] = name.split('/');
  return domain === 'kubernetes.io' || domain.endsWith('.kubernetes.io');
}
