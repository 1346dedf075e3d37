import { X509Certificate } from 'node:crypto';
import { MIN_POD_CERTIFICATE_SECONDS, podCertificateEnd } from '../../api/certificates/pod-certificate-request.ts';
import { invalidValue } from '../../api/field-error.ts';
import type { PodCertificateRequest } from '../../api/generated/types.ts';
import type { KubeObject } from '../../api/object.ts';
import type { Clock } from '../../lib/clock.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { type CausewayError, invalid, ProtocolError } from '../../lib/errors.ts';
import { whyNoCertificates } from '../../pki/certificate-blocks.ts';
import { parseCertificateRequestDer } from '../../pki/certificate-request.ts';
import { podKeyRefusal } from '../../pki/pod-key.ts';
import type { KindHooks } from '../handlers/kind-hooks.ts';

const MINUTE_MS = 60_000;
const asRequest = (object: KubeObject): PodCertificateRequest => object as unknown as PodCertificateRequest;
const stubOf = (request: PodCertificateRequest): Buffer => Buffer.from(request.spec.stubPKCS10Request ?? '', 'base64');

/**
 * A PodCertificateRequest is stored only with the proof that its maker has the private key, and is issued only a certificate for that
 * key, of the life that was asked, whose times the status tells as they are.
 */
export function podCertificateRequestHooks(clock: Clock): KindHooks {
  return {
    created(object) {
      object.status = {};
      const request = asRequest(object);
      // That it is required is said together with everything else that is missing.
      if ((request.spec?.stubPKCS10Request ?? '') === '') return;
      const why = whyNotProven(request);
      if (why !== undefined) throw refusal(object, 'spec.stubPKCS10Request', why);
    },
    updated(object, old) {
      const request = asRequest(object);
      if (podCertificateEnd(request) === podCertificateEnd(asRequest(old))) return;
      for (const condition of request.status?.conditions ?? []) condition.lastTransitionTime ??= rfc3339(clock.now());
      if (podCertificateEnd(request) !== 'Issued') return;
      const why = whyNotAsAsked(asRequest(old), request.status ?? {}, clock.now());
      if (why !== undefined) throw refusal(object, `status.${why[0]}`, why[1]);
    },
  };
}

function whyNotProven(request: PodCertificateRequest): string | undefined {
  try {
    return podKeyRefusal(parseCertificateRequestDer(stubOf(request)).publicKey);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.message;
  }
}

type Status = NonNullable<PodCertificateRequest['status']>;

/** Which field is wrong, and how. What is missing is said by validation. */
function whyNotAsAsked(asked: PodCertificateRequest, status: Status, now: number): [keyof Status, string] | undefined {
  const { certificateChain: chain = '', notBefore, beginRefreshAt, notAfter } = status;
  if ([chain, notBefore, beginRefreshAt, notAfter].some((value) => (value ?? '') === '')) return undefined;
  const odd = whyNoCertificates(chain);
  if (odd !== undefined) return ['certificateChain', odd];
  const leaf = new X509Certificate(chain);
  const spki = { type: 'spki', format: 'der' } as const;
  if (!leaf.publicKey.export(spki).equals(parseCertificateRequestDer(stubOf(asked)).publicKey.export(spki))) {
    return ['certificateChain', 'leaf certificate was not issued to the requested public key'];
  }
  const [begins, ends] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
  if (Date.parse(notBefore ?? '') !== begins) return ['notBefore', 'must be the NotBefore of the leaf certificate'];
  if (Date.parse(notAfter ?? '') !== ends) return ['notAfter', 'must be the NotAfter of the leaf certificate'];
  if (Math.abs(begins - now) >= 5 * MINUTE_MS) return ['notBefore', 'must be within 5 minutes of the current time'];
  const seconds = (ends - begins) / 1000;
  if (seconds < MIN_POD_CERTIFICATE_SECONDS) return ['certificateChain', 'leaf certificate lifetime must be >= 1 hour'];
  if (seconds > (asked.spec.maxExpirationSeconds ?? 0)) {
    return ['certificateChain', 'leaf certificate lifetime must be <= spec.maxExpirationSeconds'];
  }
  const refresh = Date.parse(beginRefreshAt ?? '');
  return refresh >= begins + 10 * MINUTE_MS && refresh <= ends - 10 * MINUTE_MS
    ? undefined
    : ['beginRefreshAt', 'must be at least 10 minutes after status.notBefore and 10 minutes before status.notAfter'];
}

function refusal({ metadata }: KubeObject, field: string, why: string): CausewayError {
  const cause = invalidValue(field, '<value omitted>', why);
  return invalid('certificates.k8s.io', 'PodCertificateRequest', metadata.name ?? '', [cause]);
}
