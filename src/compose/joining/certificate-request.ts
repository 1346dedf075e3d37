import { createHash } from 'node:crypto';
import { KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER } from '../../api/certificates/signers.ts';
import type { CertificateSigningRequest } from '../../api/generated/types.ts';
import { CERTIFICATE_SIGNING_REQUESTS } from '../../client/resources.ts';
import type { RestClient } from '../../client/rest-client.ts';
import { backoff, sleep } from '../../lib/deadline.ts';
import { CausewayError, isCode } from '../../lib/errors.ts';
import type { Secret } from '../../lib/secret.ts';
import type { AlternativeNames } from '../../pki/certificate.ts';
import { type IssuedCertificate, withPrivateKey } from '../../pki/issued-certificate.ts';
import { makeCertificateRequest } from '../../pki/make-certificate-request.ts';

const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 5_000;
/** After this long somebody is told that it may be him who has to approve. */
const APPROVAL_HINT_MS = 5_000;

/** One row a signer that a node asks. */
const SIGNERS = {
  client: { signerName: KUBELET_CLIENT_SIGNER, usage: 'client auth' },
  serving: { signerName: KUBELET_SERVING_SIGNER, usage: 'server auth' },
} as const;

export interface PendingRequest {
  readonly use: keyof typeof SIGNERS;
  readonly nodeName: string;
  readonly privateKey: Secret;
  /** PKCS#10, as PEM. */
  readonly request: string;
}

/** Asks for a certificate that says: this node. Its key stays here. */
export function nodeRequest(
  use: PendingRequest['use'],
  nodeName: string,
  privateKey: Secret,
  names?: AlternativeNames,
): PendingRequest {
  const subject = { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] };
  return { use, nodeName, privateKey, request: makeCertificateRequest(privateKey, subject, names) };
}

export interface RequestOptions {
  /** Who asks: of the same one, the same request has the same name, so that it is found again after a crash. */
  readonly requester: string;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/**
 * Sends the request and waits for the certificate: until it is issued, refused (`Forbidden`, with the reason that the control plane gave),
 * or the requester is not accepted any more. What passes (no server, a watch that ends) is waited out.
 */
export async function requestCertificate(
  client: RestClient,
  pending: PendingRequest,
  { requester, signal, progress }: RequestOptions,
): Promise<IssuedCertificate> {
  const hash = createHash('sha256').update(requester).update(pending.request).digest('hex').slice(0, 32);
  const name = `node-csr-${hash}`;
  const hint = setTimeout(
    () => progress(`waiting for the approval of this node's request: kubectl certificate approve ${name}`),
    APPROVAL_HINT_MS,
  );
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        await send(client, name, pending, signal);
        const issued = await answered(client, name, pending, signal);
        if (issued !== undefined) return issued;
      } catch (error) {
        if (!passes(error)) throw error;
      }
      if (!(await sleep(backoff(attempt, RETRY_BASE_MS, RETRY_MAX_MS), signal))) signal.throwIfAborted();
    }
  } finally {
    clearTimeout(hint);
  }
}

/** What a control plane that starts, stops or is busy answers. */
export function passes(error: unknown): boolean {
  const codes = ['ServiceUnavailable', 'Timeout', 'ServerTimeout', 'TooManyRequests', 'InternalError', 'BadGateway'];
  return error instanceof CausewayError && [...codes, 'Expired', 'Gone'].includes(error.code);
}

async function send(client: RestClient, name: string, pending: PendingRequest, signal: AbortSignal): Promise<void> {
  const { signerName, usage } = SIGNERS[pending.use];
  const request = Buffer.from(pending.request).toString('base64');
  try {
    await client.create(
      CERTIFICATE_SIGNING_REQUESTS,
      { metadata: { name }, spec: { signerName, request, usages: ['digital signature', usage] } },
      signal,
    );
  } catch (error) {
    if (!isCode(error, 'AlreadyExists')) throw error;
  }
}

/** undefined when the watch ended before there was an answer. */
async function answered(
  client: RestClient,
  name: string,
  pending: PendingRequest,
  signal: AbortSignal,
): Promise<IssuedCertificate | undefined> {
  const query = { fieldSelector: `metadata.name=${name}`, sendInitialEvents: true };
  for await (const { type, object } of client.watch(CERTIFICATE_SIGNING_REQUESTS, query, signal)) {
    if (type === 'BOOKMARK') continue;
    if (type === 'DELETED') return undefined;
    const issued = answerOf(object, pending);
    if (issued !== undefined) return issued;
  }
  return undefined;
}

function answerOf({ spec, status }: CertificateSigningRequest, pending: PendingRequest): IssuedCertificate | undefined {
  if (Buffer.from(spec.request, 'base64').toString() !== pending.request) {
    throw new CausewayError('Conflict', 'the certificate request of this node is not the one that it made');
  }
  const refusal = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
  if (refusal !== undefined) {
    const why = refusal.message ?? refusal.reason ?? refusal.type;
    throw new CausewayError('Forbidden', `the control plane refused node ${pending.nodeName}: ${why}`);
  }
  if (status?.certificate === undefined) return undefined;
  return withPrivateKey(Buffer.from(status.certificate, 'base64').toString(), pending.privateKey);
}
