import { JOINED_BY_ANNOTATION } from '../api/certificates/signers.ts';
import type { CertificateSigningRequest } from '../api/generated/types.ts';
import type { Informer } from '../client/informer.ts';
import { CERTIFICATE_SIGNING_REQUESTS, NODES } from '../client/resources.ts';
import type { WorkQueue } from '../client/workqueue.ts';
import { isCode } from '../lib/errors.ts';
import type { CertificateRequest } from '../pki/certificate-request.ts';
import { type RequestProfile, requestedNodeName } from '../pki/request-rules.ts';
import { claimBootstrapToken } from './bootstrap-token-claim.ts';
import {
  AUTO_APPROVED,
  AUTO_APPROVED_FOR_NODE,
  conditionOf,
  followRequests,
  isIssued,
  PROFILES,
  parsedRequest,
  type Requester,
  requesterOf,
  writeCondition,
} from './certificate-request.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { nameTaken, nodeRemoved } from './csr-approver.ts';
import { found, ignoring } from './expected-errors.ts';

const WORKERS = 5;
const HOSTNAME_LABEL = 'kubernetes.io/hostname';

/** What there is to sign, or why there is nothing. */
type Outcome<T> = T | { readonly refused: string };

interface Approved {
  readonly csr: CertificateSigningRequest;
  readonly request: CertificateRequest;
  readonly requester: Requester;
}

/**
 * Issues certificates for approved requests, as Kubernetes' csrsigning does. Whoever approved one, it must keep the signer's rules: one
 * that breaks them gets the condition Failed. A kubelet's certificate is for one Node object, which is made here when a node joins.
 */
export class CsrSigner implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #requests: Informer<CertificateSigningRequest>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    ({ queue: this.#queue, requests: this.#requests } = followRequests(dependencies, 'csr-signer'));
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (name) => this.#sync(name, signal), signal);
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const csr = this.#requests.get('', name);
    const profile = PROFILES.get(csr?.spec.signerName ?? '');
    if (csr === undefined || profile === undefined || isIssued(csr)) return;
    if (conditionOf(csr, 'Approved') === undefined) return;
    if (conditionOf(csr, 'Denied') !== undefined || conditionOf(csr, 'Failed') !== undefined) return;
    const outcome = await this.#issue(csr, profile, signal);
    if ('refused' in outcome) {
      const judgement = { type: 'Failed', reason: 'SignerValidationFailure', message: outcome.refused } as const;
      await writeCondition(this.#d.client, csr, judgement, signal);
      this.#d.log.info(`certificate request ${name}: Failed`, { requester: csr.spec.username, why: outcome.refused });
      return;
    }
    const certificate = Buffer.from(outcome.certificatePem).toString('base64');
    const changed = { ...csr, status: { ...csr.status, certificate } };
    const writing = this.#d.client.update(CERTIFICATE_SIGNING_REQUESTS, changed, 'status', signal);
    await ignoring(['NotFound'], writing);
  }

  async #issue(
    csr: CertificateSigningRequest,
    profile: RequestProfile,
    signal: AbortSignal,
  ): Promise<Outcome<{ readonly certificatePem: string }>> {
    const { certificates } = this.#d;
    const { usages = [], expirationSeconds } = csr.spec;
    const request = parsedRequest(csr);
    const refused = certificates.refusal(profile, request, usages);
    if (refused !== undefined) return { refused };
    const node = await this.#nodeOf({ csr, request, requester: requesterOf(csr) }, profile, signal);
    if ('refused' in node) return node;
    const seconds = expirationSeconds === undefined ? {} : { seconds: expirationSeconds };
    return { certificatePem: certificates.sign(profile, request, { usages, ...seconds, ...node }) };
  }

  /** The Node that the certificate is for; none for a person's. */
  async #nodeOf(
    approved: Approved,
    profile: RequestProfile,
    signal: AbortSignal,
  ): Promise<Outcome<{ readonly nodeUid?: string }>> {
    const { requester } = approved;
    if (profile === 'client') {
      return requester.kind === 'other'
        ? {}
        : { refused: 'nodes, and who joins as one, get certificates of nodes only' };
    }
    if (requester.kind === 'bootstrapper') {
      if (profile === 'kubelet-client') return this.#join(approved, requester.tokenId, signal);
      return { refused: 'a bootstrap token gives a client certificate only' };
    }
    const nodeName = requestedNodeName(approved.request);
    const node = await found(this.#d.client.get(NODES, '', nodeName, signal));
    if (requester.kind === 'node') {
      if (nodeName !== requester.nodeName) return { refused: `node ${requester.nodeName} is not node ${nodeName}` };
      if (node?.metadata.uid !== requester.nodeUid) return { refused: nodeRemoved(nodeName) };
    }
    if (node !== undefined) return { nodeUid: node.metadata.uid ?? '' };
    if (profile === 'kubelet-serving') return { refused: `there is no node ${nodeName}` };
    return this.#makeNode(approved, true, signal);
  }

  async #join(
    approved: Approved,
    tokenId: string,
    signal: AbortSignal,
  ): Promise<Outcome<{ readonly nodeUid: string }>> {
    const { csr, request } = approved;
    const reason = conditionOf(csr, 'Approved')?.reason ?? '';
    if (reason === AUTO_APPROVED || reason === AUTO_APPROVED_FOR_NODE) {
      return this.#makeNode(approved, reason === AUTO_APPROVED_FOR_NODE, signal);
    }
    // A person approved it: what a token is good for holds all the same.
    const use = { csrUid: csr.metadata.uid ?? '', nodeName: requestedNodeName(request) };
    const claim = await claimBootstrapToken(this.#d.client, tokenId, use, { clock: this.#d.clock, signal });
    return claim.claimed ? this.#makeNode(approved, true, signal) : { refused: claim.why };
  }

  /** Makes the Node, which takes its name: of two who join at once under one name, one gets it. `mayExist`: it can be there already. */
  async #makeNode(
    { csr, request }: Approved,
    mayExist: boolean,
    signal: AbortSignal,
  ): Promise<Outcome<{ readonly nodeUid: string }>> {
    const { client } = this.#d;
    const name = requestedNodeName(request);
    const joinedBy = csr.metadata.uid ?? '';
    const fresh = { name, labels: { [HOSTNAME_LABEL]: name }, annotations: { [JOINED_BY_ANNOTATION]: joinedBy } };
    try {
      const node = await client.create(NODES, { metadata: fresh }, signal);
      return { nodeUid: node.metadata.uid ?? '' };
    } catch (error) {
      if (isCode(error, 'Invalid')) return { refused: `the node cannot be made: ${error.message}` };
      if (!isCode(error, 'AlreadyExists')) throw error;
    }
    const { metadata } = await client.get(NODES, '', name, signal);
    const isOurs = metadata.annotations?.[JOINED_BY_ANNOTATION] === joinedBy;
    return isOurs || mayExist ? { nodeUid: metadata.uid ?? '' } : { refused: nameTaken(name) };
  }
}
