import { ALLOWED_ADDRESSES_ANNOTATION } from '../api/certificates/signers.ts';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  bootstrapTokenSecretName,
  readBootstrapToken,
} from '../api/core/bootstrap-token.ts';
import type { CertificateSigningRequest, Node } from '../api/generated/types.ts';
import { REMOTE_ADDRESS_EXTRA } from '../api/user-info.ts';
import type { Informer } from '../client/informer.ts';
import { NODES, SECRETS } from '../client/resources.ts';
import type { WorkQueue } from '../client/workqueue.ts';
import type { CertificateRequest } from '../pki/certificate-request.ts';
import { canonicalIpAddress } from '../pki/ip-address-bytes.ts';
import { type RequestProfile, requestedNodeName } from '../pki/request-rules.ts';
import { claimBootstrapToken } from './bootstrap-token-claim.ts';
import {
  AUTO_APPROVED,
  AUTO_APPROVED_FOR_NODE,
  followRequests,
  isIssued,
  type Judgement,
  PROFILES,
  parsedRequest,
  type Requester,
  requesterOf,
  writeCondition,
} from './certificate-request.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { found } from './expected-errors.ts';

const WORKERS = 5;
const GROUP = 'certificates.k8s.io';

interface NodeRequest {
  readonly csr: CertificateSigningRequest;
  readonly request: CertificateRequest;
  readonly profile: RequestProfile;
  readonly nodeName: string;
}

/**
 * Approves what nodes ask for themselves, as Kubernetes' csrapproving does, and denies what they must not have, with a reason that the
 * node can show. Everything else waits for a person. A bootstrap token is taken before its request is approved.
 */
export class CsrApprover implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #requests: Informer<CertificateSigningRequest>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    ({ queue: this.#queue, requests: this.#requests } = followRequests(dependencies, 'csr-approver'));
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (name) => this.#sync(name, signal), signal);
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const csr = this.#requests.get('', name);
    if (csr === undefined || isIssued(csr) || (csr.status?.conditions ?? []).length > 0) return;
    const judgement = await this.#judge(csr, signal);
    if (judgement === undefined) return;
    await writeCondition(this.#d.client, csr, judgement, signal);
    const { type, reason, message } = judgement;
    this.#d.log.info(`certificate request ${name}: ${type}`, { requester: csr.spec.username, reason, message });
  }

  /** undefined: a person decides. */
  async #judge(csr: CertificateSigningRequest, signal: AbortSignal): Promise<Judgement | undefined> {
    const profile = PROFILES.get(csr.spec.signerName);
    const requester = requesterOf(csr);
    if (profile === undefined || profile === 'client' || requester.kind === 'other') return undefined;
    const request = parsedRequest(csr);
    const refusal = this.#d.certificates.refusal(profile, request, csr.spec.usages ?? []);
    if (refusal !== undefined) return denied('RequestRefused', refusal);
    const node = { csr, request, profile, nodeName: requestedNodeName(request) };
    return requester.kind === 'bootstrapper'
      ? this.#judgeJoin(node, requester.tokenId, signal)
      : this.#judgeRenewal(node, requester, signal);
  }

  async #judgeJoin(node: NodeRequest, tokenId: string, signal: AbortSignal): Promise<Judgement | undefined> {
    const { csr, profile, nodeName } = node;
    if (profile !== 'kubelet-client') {
      return denied(
        'RequestRefused',
        'a bootstrap token gives a client certificate only; the node asks for the others',
      );
    }
    if (!(await this.#mayCreate(csr, 'nodeclient', signal))) return undefined;
    const existing = await found(this.#d.client.get(NODES, '', nodeName, signal));
    if (existing !== undefined && !(await this.#isFor(tokenId, nodeName, signal))) {
      return denied('NodeNameTaken', nameTaken(nodeName));
    }
    const use = { csrUid: csr.metadata.uid ?? '', nodeName };
    const claim = await claimBootstrapToken(this.#d.client, tokenId, use, { clock: this.#d.clock, signal });
    if (!claim.claimed) return denied('TokenRefused', claim.why);
    const reason = claim.boundToName ? AUTO_APPROVED_FOR_NODE : AUTO_APPROVED;
    return approved(reason, `node ${nodeName} joins with bootstrap token ${tokenId}`);
  }

  async #judgeRenewal(
    node: NodeRequest,
    requester: Requester & { kind: 'node' },
    signal: AbortSignal,
  ): Promise<Judgement | undefined> {
    const { csr, request, profile, nodeName } = node;
    if (nodeName !== requester.nodeName) {
      return denied('NotThisNode', `node ${requester.nodeName} gets no certificate of node ${nodeName}`);
    }
    const subresource = profile === 'kubelet-client' ? 'selfnodeclient' : 'selfnodeserver';
    if (!(await this.#mayCreate(csr, subresource, signal))) return undefined;
    const existing = await found(this.#d.client.get(NODES, '', nodeName, signal));
    if (existing === undefined || existing.metadata.uid !== requester.nodeUid) {
      return denied('NodeRemoved', nodeRemoved(nodeName));
    }
    const unverified = profile === 'kubelet-serving' ? unverifiedName(csr, request, existing) : undefined;
    if (unverified !== undefined) return denied('NameNotVerified', unverified);
    return approved(AUTO_APPROVED, `node ${nodeName} asks for a certificate of its own`);
  }

  /** Whether the token was made for that node. Asked before it is taken, so that a wrong name does not use it up. */
  async #isFor(tokenId: string, nodeName: string, signal: AbortSignal): Promise<boolean> {
    const name = bootstrapTokenSecretName(tokenId);
    const secret = await found(this.#d.client.get(SECRETS, BOOTSTRAP_TOKEN_NAMESPACE, name, signal));
    return secret !== undefined && readBootstrapToken(secret)?.nodeName === nodeName;
  }

  async #mayCreate(csr: CertificateSigningRequest, subresource: string, signal: AbortSignal): Promise<boolean> {
    const { username = '', uid, groups = [], extra } = csr.spec;
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: username,
        groups,
        ...(uid === undefined ? {} : { uid }),
        ...(extra === undefined ? {} : { extra }),
        resourceAttributes: { group: GROUP, resource: 'certificatesigningrequests', verb: 'create', subresource },
      },
    };
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const answer = await this.#d.client.json<{ status?: { allowed?: boolean } }>('POST', path, review, signal);
    return answer.status?.allowed === true;
  }
}

/** The first name of a serving certificate that nobody has verified, in a sentence. */
export function unverifiedName(
  { spec }: CertificateSigningRequest,
  { names }: CertificateRequest,
  { metadata: { name = '', annotations = {} } }: Node,
): string | undefined {
  const dnsName = names.dnsNames.find((dns) => dns !== name);
  if (dnsName !== undefined) return `the DNS name ${dnsName} is not the name of node ${name}`;
  const seen = spec.extra?.[REMOTE_ADDRESS_EXTRA] ?? [];
  const allowed = (annotations[ALLOWED_ADDRESSES_ANNOTATION] ?? '').split(',');
  const verified = new Set([...seen, ...allowed].map((text) => canonicalIpAddress(text.trim())));
  const address = names.ipAddresses.find((one) => !verified.has(one));
  if (address === undefined) return undefined;
  const from = seen.length === 0 ? '' : `, which is ${seen.join(', ')}`;
  return (
    `the address ${address} is not the one that the apiserver sees node ${name} at${from}; ` +
    `to allow it: kubectl annotate node ${name} ${ALLOWED_ADDRESSES_ANNOTATION}=${address}`
  );
}

export function nameTaken(nodeName: string): string {
  return (
    `node name ${nodeName} is taken: delete that node (kubectl delete node ${nodeName}), ` +
    `or join with a token for this name (causeway token create --node-name ${nodeName} --print-join-command)`
  );
}

export function nodeRemoved(nodeName: string): string {
  return `node ${nodeName} was removed from the cluster: join again with a new token (causeway token create --print-join-command)`;
}

function approved(reason: string, message: string): Judgement {
  return { type: 'Approved', reason, message };
}

function denied(reason: string, message: string): Judgement {
  return { type: 'Denied', reason, message };
}
