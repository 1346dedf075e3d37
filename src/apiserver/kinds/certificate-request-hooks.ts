import { invalidValue } from '../../api/field-error.ts';
import type { CertificateSigningRequest } from '../../api/generated/types.ts';
import { cloneJson } from '../../api/json-object.ts';
import type { KubeObject } from '../../api/object.ts';
import type { UserInfo } from '../../api/user-info.ts';
import { type Clock, rfc3339 } from '../../lib/clock.ts';
import { type CausewayError, type ErrorCause, invalid, ProtocolError } from '../../lib/errors.ts';
import { whyNoCertificates } from '../../pki/certificate-blocks.ts';
import { parseCertificateRequest } from '../../pki/certificate-request.ts';
import type { KindHooks } from '../handlers/kind-hooks.ts';

const asRequest = (object: KubeObject): CertificateSigningRequest => object as unknown as CertificateSigningRequest;

/**
 * A CertificateSigningRequest says who made it. Approvers and signers rely on that, so it comes from the request's own credentials,
 * never from its body. It is stored only with the proof that its maker has the private key.
 */
export function certificateRequestHooks(clock: Clock): KindHooks {
  return {
    created(object: KubeObject, user: UserInfo) {
      const { username, uid, groups, extra } = user;
      const { uid: _uid, extra: _extra, ...spec } = (object['spec'] ?? {}) as Record<string, unknown>;
      object['spec'] = {
        ...spec,
        username,
        ...(uid === undefined ? {} : { uid }),
        groups: [...groups],
        ...(extra === undefined ? {} : { extra: cloneJson(extra) }),
      };
      object['status'] = {};
      checkRequest(object);
    },
    updated(object: KubeObject, old: KubeObject) {
      fillTimes(object, old, rfc3339(clock.now()));
      checkCertificate(object, old);
    },
  };
}

function checkRequest(object: KubeObject): void {
  const { request = '' } = asRequest(object).spec;
  // That it is required is said together with everything else that is missing.
  if (request === '') return;
  try {
    parseCertificateRequest(Buffer.from(request, 'base64').toString('latin1'));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw refusal(object, invalidValue('spec.request', request, error.message));
  }
}

function checkCertificate(object: KubeObject, old: KubeObject): void {
  const certificate = asRequest(object).status?.certificate ?? '';
  if (certificate === '' || certificate === asRequest(old).status?.certificate) return;
  const why = whyNoCertificates(Buffer.from(certificate, 'base64').toString('latin1'));
  if (why !== undefined) throw refusal(object, invalidValue('status.certificate', '<certificate data>', why));
}

/** Conditions get the times that their writer left open. */
function fillTimes(object: KubeObject, old: KubeObject, now: string): void {
  const known = asRequest(old).status?.conditions ?? [];
  for (const condition of asRequest(object).status?.conditions ?? []) {
    const { type, status } = condition;
    const before = known.find((one) => one.type === type && one.status === status);
    condition.lastUpdateTime ??= now;
    condition.lastTransitionTime ??= before?.lastTransitionTime ?? now;
  }
}

function refusal({ metadata }: KubeObject, cause: ErrorCause): CausewayError {
  return invalid('certificates.k8s.io', 'CertificateSigningRequest', metadata.name ?? '', [cause]);
}
