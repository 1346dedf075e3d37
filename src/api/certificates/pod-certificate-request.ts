import type { ErrorCause } from '../../lib/errors.ts';
import { forbidden, invalidEach, invalidValue, notSupported, required, tooLong } from '../field-error.ts';
import type { PodCertificateRequest, PodCertificateRequestStatus } from '../generated/types.ts';
import { cloneJson, semanticEqual } from '../json-object.ts';
import type { KindRules } from '../kind-rules.ts';
import { validateAnnotations } from '../metadata.ts';
import { dns1123Subdomain } from '../names.ts';
import type { KubeObject } from '../object.ts';
import { isKubernetesSigner, validateSignerName } from './signer-name.ts';

export const MIN_POD_CERTIFICATE_SECONDS = 3600;
const DAY_SECONDS = 86_400;
const MAX_SECONDS = 91 * DAY_SECONDS;
const DEFAULT_SECONDS = DAY_SECONDS;
const MAX_UID_BYTES = 128;
/** Bytes, as in Kubernetes. */
const MAX_CHAIN_BYTES = 100 * 1024;
const MAX_STUB_BYTES = 10 * 1024;
/** How a request ends: at most one of them, and then nothing changes any more. */
const ENDS: readonly string[] = ['Issued', 'Denied', 'Failed'];

const asRequest = (object: KubeObject): PodCertificateRequest => object as unknown as PodCertificateRequest;

/**
 * `certificates.k8s.io/v1beta1 PodCertificateRequest`. Its spec never changes, and its status once. That the PKCS#10 request is proven,
 * and the certificate what was asked for, is checked by `apiserver/kinds/pod-certificate-request-hooks.ts`.
 */
export const podCertificateRequestRules: KindRules = {
  structural: true,
  defaults(object) {
    const { spec } = asRequest(object);
    if (spec !== undefined) spec.maxExpirationSeconds ??= DEFAULT_SECONDS;
  },
  validate: validateSpec,
  prepareForUpdate(object, old, subresource) {
    if (subresource === 'status') return;
    object.status = cloneJson(old.status ?? {});
  },
  validateUpdate(object, old, subresource) {
    if (subresource === 'status') return validateStatus(asRequest(object).status ?? {}, asRequest(old).status ?? {});
    return semanticEqual(object['spec'], old['spec']) ? [] : [invalidValue('spec', '<spec>', 'field is immutable')];
  },
  selectableFields(object) {
    const { spec } = asRequest(object);
    return {
      'spec.signerName': spec?.signerName ?? '',
      'spec.podName': spec?.podName ?? '',
      'spec.nodeName': spec?.nodeName ?? '',
    };
  },
};

function validateSpec(object: KubeObject): ErrorCause[] {
  const { spec } = asRequest(object);
  if (spec === undefined) return [];
  const causes = validateSignerName('spec.signerName', spec.signerName ?? '');
  for (const kind of ['pod', 'serviceAccount', 'node'] as const) {
    const [name = '', uid = ''] = [spec[`${kind}Name`], spec[`${kind}UID`]];
    causes.push(...invalidEach(`spec.${kind}Name`, name, dns1123Subdomain(name)));
    if (Buffer.byteLength(uid) > MAX_UID_BYTES) causes.push(tooLong(`spec.${kind}UID`, MAX_UID_BYTES));
  }
  const seconds = spec.maxExpirationSeconds ?? DEFAULT_SECONDS;
  causes.push(...validatePodCertificateLife('spec.maxExpirationSeconds', spec.signerName ?? '', seconds));
  for (const field of ['pkixPublicKey', 'proofOfPossession'] as const) {
    if ((spec[field] ?? '') !== '') causes.push(forbidden(`spec.${field}`, 'deprecated: use spec.stubPKCS10Request'));
  }
  if (Buffer.from(spec.stubPKCS10Request ?? '', 'base64').length > MAX_STUB_BYTES) {
    causes.push(tooLong('spec.stubPKCS10Request', MAX_STUB_BYTES));
  }
  return [...causes, ...validateUserAnnotations('spec.unverifiedUserAnnotations', spec.unverifiedUserAnnotations)];
}

/** For how long a pod's certificate may be asked: an hour up to 91 days, of Kubernetes' own signers a day. */
export function validatePodCertificateLife(field: string, signerName: string, seconds: number): ErrorCause[] {
  const most = isKubernetesSigner(signerName) ? DAY_SECONDS : MAX_SECONDS;
  if (seconds >= MIN_POD_CERTIFICATE_SECONDS && seconds <= most) return [];
  return [invalidValue(field, seconds, `must be in the range [${MIN_POD_CERTIFICATE_SECONDS}, ${most}]`)];
}

/** What a pod's author says to a signer: annotations whose keys have a domain. */
export function validateUserAnnotations(field: string, annotations: Record<string, string> | undefined): ErrorCause[] {
  const bare = Object.keys(annotations ?? {}).filter((key) => !key.includes('/'));
  return [
    ...validateAnnotations(annotations, field),
    ...bare.map((key) => invalidValue(field, key, 'must be prefixed with a domain')),
  ];
}

function validateStatus(now: PodCertificateRequestStatus, before: PodCertificateRequestStatus): ErrorCause[] {
  const end = endOf(now);
  const causes = validateConditions(now);
  if (causes.length > 0 || semanticEqual(now, before)) return causes;
  const field = 'status';
  if (endOf(before) !== undefined) {
    return [invalidValue(field, '<status>', 'immutable after PodCertificateRequest is issued, denied, or failed')];
  }
  if (end === undefined) {
    const why = 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"';
    return [invalidValue(field, '<status>', why)];
  }
  const { conditions: _, ...rest } = now;
  if (end !== 'Issued') {
    const why = 'non-condition status fields must be empty when denying or failing the PodCertificateRequest';
    return Object.keys(rest).length === 0 ? [] : [invalidValue(field, '<status>', why)];
  }
  const long = Buffer.byteLength(now.certificateChain ?? '') > MAX_CHAIN_BYTES;
  return [
    ...(long ? [tooLong('status.certificateChain', MAX_CHAIN_BYTES)] : []),
    ...(['certificateChain', 'notBefore', 'beginRefreshAt', 'notAfter'] as const)
      .filter((name) => (now[name] ?? '') === '')
      .map((name) => required(`status.${name}`, 'must be set when the certificate is issued')),
  ];
}

function validateConditions({ conditions = [] }: PodCertificateRequestStatus): ErrorCause[] {
  return conditions.flatMap(({ type, status }, i) => {
    const field = `status.conditions[${i}]`;
    if (!ENDS.includes(type)) return [notSupported(`${field}.type`, type, ENDS)];
    if (status !== 'True') return [notSupported(`${field}.status`, status, ['True'])];
    if (i === 0) return [];
    return [
      invalidValue(
        `${field}.type`,
        type,
        'There may be at most one condition with type "Issued", "Denied", or "Failed"',
      ),
    ];
  });
}

/** `Issued`, `Denied` or `Failed`; undefined while the request waits for its signer. */
export function podCertificateEnd({ status }: PodCertificateRequest): string | undefined {
  return endOf(status ?? {});
}

function endOf({ conditions = [] }: PodCertificateRequestStatus): string | undefined {
  return conditions.find(({ type }) => ENDS.includes(type))?.type;
}
