import { X509Certificate } from 'node:crypto';
import { podCertificateEnd } from '../api/certificates/pod-certificate-request.ts';
import { POD_SERVING_SIGNER } from '../api/certificates/signers.ts';
import type { Node, Pod, PodCertificateRequest, PodCertificateRequestStatus } from '../api/generated/types.ts';
import { type Informer, keyOfObject, splitKey } from '../client/informer.ts';
import { NODES, POD_CERTIFICATE_REQUESTS, PODS, SERVICES } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { rfc3339 } from '../lib/clock.ts';
import { parseCertificateRequestDer } from '../pki/certificate-request.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { found, ignoring } from './expected-errors.ts';
import { podAddresses, podDnsNames } from './pod-names.ts';

const WORKERS = 5;
/** When this part of a certificate's life is over, the kubelet asks for the next one. */
const REFRESH_AT = 0.75;

/** Why a pod gets no certificate, now or later. */
interface Denial {
  readonly reason: 'PodMismatch' | 'UnknownAnnotations';
  readonly message: string;
}

/**
 * The signer `causeway.dev/pod-serving`: serving certificates for pods, under their own names and those of the services that select
 * them. NodeRestriction has checked who asks; this checks again that the pod is the one that was asked for, for a request is signed later.
 */
export class PodServingSigner implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #requests: Informer<PodCertificateRequest>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('pod-serving-signer', dependencies.log);
    this.#requests = dependencies.informers.for<PodCertificateRequest>(POD_CERTIFICATE_REQUESTS);
    this.#pods = dependencies.informers.for<Pod>(PODS);
    this.#nodes = dependencies.informers.for<Node>(NODES);
    const offer = (request: PodCertificateRequest): void => this.#queue.add(keyOfObject(request));
    this.#requests.handle({ added: offer, updated: offer });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (key) => this.#sync(key, signal), signal);
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const request = this.#requests.get(namespace, name);
    if (request?.spec.signerName !== POD_SERVING_SIGNER || podCertificateEnd(request) !== undefined) return;
    const answer = await this.#answer(request, signal);
    if ('reason' in answer) this.#d.log.info(`pod certificate request ${key}: Denied`, { why: answer.message });
    const status = 'reason' in answer ? this.#ended('Denied', answer) : answer;
    const writing = this.#d.client.update(POD_CERTIFICATE_REQUESTS, { ...request, status }, 'status', signal);
    await ignoring(['NotFound'], writing);
  }

  async #answer(request: PodCertificateRequest, signal: AbortSignal): Promise<PodCertificateRequestStatus | Denial> {
    const { spec, metadata } = request;
    const namespace = metadata.namespace ?? '';
    const [unknown] = Object.keys(spec.unverifiedUserAnnotations ?? {});
    if (unknown !== undefined) {
      return { reason: 'UnknownAnnotations', message: `the signer does not know the annotation ${unknown}` };
    }
    // Not from the caches: they may not have heard of a pod or a service that was there before the request.
    const { client } = this.#d;
    const pod = await found(client.get(PODS, namespace, spec.podName, signal));
    const node = await found(client.get(NODES, '', spec.nodeName, signal));
    const mismatch = whyNotThePod(request, pod, node);
    if (pod === undefined || node === undefined || mismatch !== undefined) {
      return { reason: 'PodMismatch', message: mismatch ?? `pod ${spec.podName} is gone` };
    }
    const { items: services } = await client.list(SERVICES, {}, signal);
    const chain = this.#d.certificates.signPodServing({
      publicKey: parseCertificateRequestDer(Buffer.from(spec.stubPKCS10Request, 'base64')).publicKey,
      podUid: spec.podUID,
      dnsNames: podDnsNames(pod, services),
      ipAddresses: podAddresses(pod, node, { pods: this.#pods.list(), nodes: this.#nodes.list(), services }),
      seconds: spec.maxExpirationSeconds ?? 0,
    });
    const leaf = new X509Certificate(chain);
    const [begins, ends] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
    return {
      ...this.#ended('Issued', { reason: 'Issued', message: `names: ${leaf.subjectAltName ?? ''}` }),
      certificateChain: chain,
      notBefore: rfc3339(begins),
      beginRefreshAt: rfc3339(begins + (ends - begins) * REFRESH_AT),
      notAfter: rfc3339(ends),
    };
  }

  #ended(type: 'Issued' | 'Denied', why: { readonly reason: string; readonly message: string }) {
    return {
      conditions: [{ type, status: 'True' as const, lastTransitionTime: rfc3339(this.#d.clock.now()), ...why }],
    };
  }
}

function whyNotThePod({ spec }: PodCertificateRequest, pod: Pod | undefined, node: Node | undefined) {
  if (pod?.metadata.uid !== spec.podUID) return `pod ${spec.podName} with UID ${spec.podUID} does not exist`;
  if (pod.spec?.nodeName !== spec.nodeName) return `pod ${spec.podName} is not on node ${spec.nodeName}`;
  if (node?.metadata.uid !== spec.nodeUID) return `node ${spec.nodeName} with UID ${spec.nodeUID} does not exist`;
  if (pod.spec.serviceAccountName === spec.serviceAccountName) return undefined;
  return `pod ${spec.podName} does not run as service account ${spec.serviceAccountName}`;
}
