import { CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER } from '../api/certificates/signers.ts';
import { bootstrapTokenOf } from '../api/core/bootstrap-token.ts';
import type { CertificateSigningRequest } from '../api/generated/types.ts';
import type { Informer } from '../client/informer.ts';
import { CERTIFICATE_SIGNING_REQUESTS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { type CertificateRequest, parseCertificateRequest } from '../pki/certificate-request.ts';
import type { PodServingContent } from '../pki/pod-serving.ts';
import type { RequestProfile } from '../pki/request-rules.ts';
import type { SigningOptions } from '../pki/request-signer.ts';
import type { ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';

/** Who holds the CA's key, as the approver and the signer see him. */
export interface CertificateSigner {
  /** Why a request can never get a certificate; undefined when it can. */
  refusal(profile: RequestProfile, request: CertificateRequest, usages: readonly string[]): string | undefined;
  /** The certificate as PEM. Throws for what `refusal` refuses. */
  sign(profile: RequestProfile, request: CertificateRequest, options: SigningOptions): string;
  /** A pod's serving certificate, and what is sent along with it, as PEM; without the control plane's own names. */
  signPodServing(content: PodServingContent): string;
}

/** What each signer gives. */
export const PROFILES: ReadonlyMap<string, RequestProfile> = new Map([
  [CLIENT_SIGNER, 'client'],
  [KUBELET_CLIENT_SIGNER, 'kubelet-client'],
  [KUBELET_SERVING_SIGNER, 'kubelet-serving'],
]);

/** The approver's reasons. The second one: the token was made for that node, so a Node of the name may be there already. */
export const AUTO_APPROVED = 'AutoApproved';
export const AUTO_APPROVED_FOR_NODE = 'AutoApprovedForNamedNode';

/** What each of the three controllers works on: the names of the requests that were made or changed. */
export function followRequests(
  { informers, log }: ControllerDependencies,
  controller: string,
): { readonly queue: WorkQueue; readonly requests: Informer<CertificateSigningRequest> } {
  const queue = new WorkQueue(controller, log);
  const requests = informers.for<CertificateSigningRequest>(CERTIFICATE_SIGNING_REQUESTS);
  const offer = (csr: CertificateSigningRequest): void => queue.add(csr.metadata.name ?? '');
  requests.handle({ added: offer, updated: offer });
  return { queue, requests };
}

/** Who asks, as far as he may have a node's certificate by himself. The apiserver says who it was. */
export type Requester =
  | { readonly kind: 'bootstrapper'; readonly tokenId: string }
  | { readonly kind: 'node'; readonly nodeName: string; readonly nodeUid: string }
  | { readonly kind: 'other' };

const NODE_USER = 'system:node:';

export function requesterOf({ spec }: CertificateSigningRequest): Requester {
  const { username = '', groups = [], uid = '' } = spec;
  const tokenId = bootstrapTokenOf(username);
  if (tokenId !== undefined) return { kind: 'bootstrapper', tokenId };
  if (username.startsWith(NODE_USER) && groups.includes('system:nodes')) {
    return { kind: 'node', nodeName: username.slice(NODE_USER.length), nodeUid: uid };
  }
  return { kind: 'other' };
}

/** Throws `ProtocolError`, which the apiserver has kept out. */
export function parsedRequest({ spec }: CertificateSigningRequest): CertificateRequest {
  return parseCertificateRequest(Buffer.from(spec.request, 'base64').toString('latin1'));
}

export type ConditionType = 'Approved' | 'Denied' | 'Failed';

export function conditionOf({ status }: CertificateSigningRequest, type: ConditionType) {
  return status?.conditions?.find((condition) => condition.type === type);
}

export function isIssued({ status }: CertificateSigningRequest): boolean {
  return (status?.certificate ?? '') !== '';
}

export interface Judgement {
  readonly type: ConditionType;
  readonly reason: string;
  readonly message: string;
}

/** Adds a condition, unless the request has changed since it was read: then its event brings it here again. */
export function writeCondition(
  client: RestClient,
  csr: CertificateSigningRequest,
  judgement: Judgement,
  signal: AbortSignal,
): Promise<void> {
  const condition = { ...judgement, status: 'True' };
  const changed = { ...csr, status: { ...csr.status, conditions: [...(csr.status?.conditions ?? []), condition] } };
  const subresource = judgement.type === 'Failed' ? 'status' : 'approval';
  return ignoring(['NotFound'], client.update(CERTIFICATE_SIGNING_REQUESTS, changed, subresource, signal));
}
