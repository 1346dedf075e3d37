import type { ErrorCause } from '../../lib/errors.ts';
import { invalidEach, invalidValue, tooLong } from '../field-error.ts';
import type { ClusterTrustBundle } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { immutable, pathSegmentRule } from '../metadata.ts';
import { dns1123Subdomain } from '../names.ts';
import type { KubeObject } from '../object.ts';
import { validateSignerName } from './signer-name.ts';

/** Bytes: as much as Kubernetes allows. */
const MAX_BUNDLE_BYTES = 1024 * 1024;

const specOf = (object: KubeObject): ClusterTrustBundle['spec'] => (object as unknown as ClusterTrustBundle).spec;

/**
 * `certificates.k8s.io/v1beta1 ClusterTrustBundle`. What belongs to a signer is called like it, so that nobody can put other authorities
 * under its name without the right to attest for it. That the PEM holds certificates of authorities and nothing else is checked by
 * `apiserver/kinds/cluster-trust-bundle-hooks.ts`.
 */
export const clusterTrustBundleRules: KindRules = {
  structural: true,
  nameRule: pathSegmentRule,
  validate,
  validateUpdate: (object, old) => [
    ...validate(object),
    ...immutable('spec.signerName', specOf(object)?.signerName ?? '', specOf(old)?.signerName ?? ''),
  ],
  selectableFields: (object) => ({ 'spec.signerName': specOf(object)?.signerName ?? '' }),
};

function validate(object: KubeObject): ErrorCause[] {
  const { signerName = '', trustBundle = '' } = specOf(object) ?? {};
  const causes = signerName === '' ? [] : validateSignerName('spec.signerName', signerName);
  if (Buffer.byteLength(trustBundle) > MAX_BUNDLE_BYTES) causes.push(tooLong('spec.trustBundle', MAX_BUNDLE_BYTES));
  return [...causes, ...validateName(object.metadata.name ?? '', signerName)];
}

/** Of a bundle of `example.com/foo`: `example.com:foo:` and a DNS name. Of a bundle without a signer: the DNS name alone. */
function validateName(name: string, signerName: string): ErrorCause[] {
  const prefix = signerName === '' ? '' : trustBundlePrefix(signerName);
  if (!name.startsWith(prefix)) {
    const why = `ClusterTrustBundle for signerName ${signerName} must be named with prefix ${prefix}`;
    return [invalidValue('metadata.name', name, why)];
  }
  return invalidEach('metadata.name', name, dns1123Subdomain(name.slice(prefix.length)));
}

/** What the names of a signer's bundles begin with. */
export function trustBundlePrefix(signerName: string): string {
  return `${signerName.replaceAll('/', ':')}:`;
}
