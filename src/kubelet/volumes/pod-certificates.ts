import { podCertificateEnd } from '../../api/certificates/pod-certificate-request.ts';
import { POD_SERVING_SIGNER } from '../../api/certificates/signers.ts';
import type { Pod, PodCertificateProjection } from '../../api/generated/types.ts';
import type { Clock } from '../../lib/clock.ts';
import { sleep } from '../../lib/deadline.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { Secret } from '../../lib/secret.ts';
import { makeStubRequest } from '../../pki/make-certificate-request.ts';
import { isChainOf, newPodKey } from '../../pki/pod-key.ts';
import { certificatesIn } from '../../pki/trust.ts';
import type { PodAddresses } from '../downward.ts';
import type { PodCertificateSource } from '../pod-certificate-source.ts';

/** When a request that was just made is looked at: a signer in the cluster takes milliseconds. After three seconds something else goes on. */
const LOOK_AFTER_MS = [20, 50, 100, 200, 400, 800, 1500];
/** After a refusal the next request is made so much later: what was wrong may have been put right. */
const ASK_AGAIN_MS = 60_000;

export interface PodCredentials {
  readonly key: Secret;
  /** PEM: the certificate, and what is sent along with it. */
  readonly chain: string;
}

interface Issued extends PodCredentials {
  readonly refreshAt: number;
  readonly notAfter: number;
  /** The pod's addresses were known when it was asked for. */
  readonly addressed: boolean;
}

interface State {
  issued?: Issued;
  pending?: { readonly name: string; readonly key: Secret; readonly addressed: boolean };
  refused?: { readonly until: number; readonly why: string };
}

export interface PodCertificateDependencies {
  readonly source: PodCertificateSource;
  readonly clock: Clock;
  /** Whether a certificate of the cluster's CA is of the authority that signs now. */
  readonly isOfCurrentAuthority: (chain: string) => boolean;
}

/** What one projection of one pod is asked with. */
export interface CertificateFor {
  readonly pod: Pod;
  readonly projection: PodCertificateProjection;
  readonly addresses: PodAddresses;
  readonly signal: AbortSignal;
  /** Told why the next certificate is not there yet, while the old one still serves. */
  readonly warn: (error: unknown) => void;
}

/**
 * The keys and certificates of this node's pods. A key is made here, for each certificate a new one; it is in this process' memory and in
 * the pod's volume, and nowhere else.
 */
export class PodCertificates {
  readonly #d: PodCertificateDependencies;
  readonly #states = new Map<string, Map<string, State>>();

  constructor(dependencies: PodCertificateDependencies) {
    this.#d = dependencies;
  }

  /** Throws why there is none yet; it is to be called again then. */
  async get(wanted: CertificateFor): Promise<PodCredentials> {
    const state = this.#stateOf(wanted);
    if (state.issued !== undefined && !this.#isDue(state.issued, wanted)) return state.issued;
    try {
      state.issued = await this.#next(state, wanted);
    } catch (error) {
      if (state.issued === undefined || this.#d.clock.now() >= state.issued.notAfter) throw error;
      if (!wanted.signal.aborted) wanted.warn(error);
    }
    return state.issued;
  }

  forget(podUid: string): void {
    this.#states.delete(podUid);
  }

  #stateOf({ pod, projection }: CertificateFor): State {
    const uid = pod.metadata.uid ?? '';
    const states = this.#states.get(uid) ?? new Map<string, State>();
    this.#states.set(uid, states);
    const id = JSON.stringify(projection);
    const state = states.get(id) ?? {};
    states.set(id, state);
    return state;
  }

  #isDue({ refreshAt, addressed, chain }: Issued, wanted: CertificateFor): boolean {
    if (this.#d.clock.now() >= refreshAt) return true;
    if (wanted.projection.signerName !== POD_SERVING_SIGNER) return false;
    return (!addressed && isAddressed(wanted)) || !this.#d.isOfCurrentAuthority(chain);
  }

  async #next(state: State, wanted: CertificateFor): Promise<Issued> {
    const { clock } = this.#d;
    if (state.refused !== undefined && clock.now() < state.refused.until) throw refusal(state.refused.why);
    const waits = state.pending === undefined ? LOOK_AFTER_MS : [];
    const pending = state.pending ?? (await this.#ask(wanted));
    state.pending = pending;
    for (let look = 0; ; look++) {
      const outcome = await this.#look(pending, wanted);
      if (outcome !== 'pending') {
        delete state.pending;
        if ('refreshAt' in outcome) return outcome;
        state.refused = { until: clock.now() + ASK_AGAIN_MS, why: outcome.refused };
        throw refusal(outcome.refused);
      }
      const wait = waits[look];
      if (wait === undefined) {
        const why = `waits for the signer ${wanted.projection.signerName} to answer PodCertificateRequest ${pending.name}`;
        throw new CausewayError('Timeout', why);
      }
      await sleep(wait, wanted.signal);
      wanted.signal.throwIfAborted();
    }
  }

  async #ask({ pod, projection, ...rest }: CertificateFor) {
    const key = await newPodKey(projection.keyType);
    const request = makeStubRequest(key).toString('base64');
    const name = await this.#d.source.ask(pod, projection, request, rest.signal);
    return { name, key, addressed: isAddressed({ pod, addresses: rest.addresses }) };
  }

  async #look(
    pending: NonNullable<State['pending']>,
    { pod, signal }: CertificateFor,
  ): Promise<Issued | 'pending' | { readonly refused: string }> {
    const { key, name, addressed } = pending;
    const request = await this.#d.source.request(pod.metadata.namespace ?? '', name, signal);
    if (request === undefined) return { refused: `PodCertificateRequest ${name} is gone` };
    const end = podCertificateEnd(request);
    if (end === undefined) return 'pending';
    const { conditions, certificateChain = '', beginRefreshAt = '', notAfter = '' } = request.status ?? {};
    if (end !== 'Issued') {
      const [condition] = conditions ?? [];
      return { refused: `PodCertificateRequest ${name} is ${end}: ${condition?.reason}: ${condition?.message}` };
    }
    if (!isChainOf(certificateChain, key.reveal())) return { refused: `the certificate of ${name} is for another key` };
    const chain = certificatesIn(certificateChain).join('');
    return { key, chain, refreshAt: Date.parse(beginRefreshAt), notAfter: Date.parse(notAfter), addressed };
  }
}

function isAddressed({ pod, addresses }: Pick<CertificateFor, 'pod' | 'addresses'>): boolean {
  return pod.spec?.hostNetwork === true || addresses.podIPs.length > 0;
}

function refusal(why: string): CausewayError {
  return new CausewayError('Forbidden', why);
}
