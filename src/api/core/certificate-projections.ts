import type { ErrorCause } from '../../lib/errors.ts';
import { validatePodCertificateLife, validateUserAnnotations } from '../certificates/pod-certificate-request.ts';
import { validateSignerName } from '../certificates/signer-name.ts';
import { invalidEach, invalidValue, notSupported, required } from '../field-error.ts';
import type { ClusterTrustBundleProjection, PodCertificateProjection } from '../generated/types.ts';
import { validateLabelSelector } from '../label-selector-validation.ts';
import { dns1123Subdomain } from '../names.ts';

/** Checks a path inside the volume, and that no other source has it. */
export type TakePath = (field: string, file: string) => ErrorCause[];

const KEY_TYPES = ['ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519', 'RSA3072', 'RSA4096'];

/** `podCertificate` of a projected volume. */
export function validateCertificateProjection(
  source: PodCertificateProjection,
  field: string,
  take: TakePath,
): ErrorCause[] {
  const { signerName = '', keyType = '', maxExpirationSeconds: seconds, userAnnotations } = source;
  const causes = validateSignerName(`${field}.signerName`, signerName);
  if (!KEY_TYPES.includes(keyType)) causes.push(notSupported(`${field}.keyType`, keyType, KEY_TYPES));
  if (seconds !== undefined) {
    causes.push(...validatePodCertificateLife(`${field}.maxExpirationSeconds`, signerName, seconds));
  }
  const paths = (['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const).filter(
    (name) => (source[name] ?? '') !== '',
  );
  if (paths.length === 0)
    causes.push(required(field, 'specify at least one of credentialBundlePath, keyPath and certificateChainPath'));
  for (const name of paths) causes.push(...take(`${field}.${name}`, source[name] ?? ''));
  return [...causes, ...validateUserAnnotations(`${field}.userAnnotations`, userAnnotations)];
}

/** `clusterTrustBundle` of a projected volume: one bundle by its name, or all of a signer that labels select. */
export function validateTrustProjection(
  { name, signerName, labelSelector, path }: ClusterTrustBundleProjection,
  field: string,
  take: TakePath,
): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (name !== undefined && signerName !== undefined) {
    causes.push(invalidValue(field, '<source>', 'only one of name and signerName may be used'));
  } else if (name !== undefined) {
    if (name === '') causes.push(required(`${field}.name`, 'must be a valid object name'));
    const dns = name.slice(name.lastIndexOf(':') + 1);
    causes.push(...invalidEach(`${field}.name`, name, dns1123Subdomain(dns)));
    if (labelSelector !== undefined)
      causes.push(
        invalidValue(`${field}.labelSelector`, '<selector>', 'labelSelector must be unset if name is specified'),
      );
  } else if (signerName !== undefined) {
    causes.push(...validateSignerName(`${field}.signerName`, signerName));
    if (labelSelector !== undefined) causes.push(...validateLabelSelector(labelSelector, `${field}.labelSelector`));
  } else {
    causes.push(required(field, 'either name or signerName must be specified'));
  }
  return path === undefined || path === ''
    ? [...causes, required(`${field}.path`)]
    : [...causes, ...take(`${field}.path`, path)];
}
