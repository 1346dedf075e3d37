import { CausewayError } from '../lib/errors.ts';
import type { CertificateAuthority } from './authority.ts';
import type { CertificateRequest } from './certificate-request.ts';
import { canonicalIpAddress } from './ip-address-bytes.ts';
import { kubeletUidName } from './kubelet-identity.ts';
import { type PodServingContent, signPodServing } from './pod-serving.ts';
import { KEY_ENCIPHERMENT, type RequestProfile, type ReservedNames, requestRefusal } from './request-rules.ts';

const DAY_SECONDS = 86_400;

/**
 * The longest life of each, which is also what who asks for none gets. A node that is switched off for weeks still finds its client
 * certificate valid when it comes back; deleting the Node ends it at any time. It then renews the other one.
 */
const MAX_SECONDS: Readonly<Record<RequestProfile, number>> = {
  'kubelet-client': 90 * DAY_SECONDS,
  'kubelet-serving': 7 * DAY_SECONDS,
  client: 365 * DAY_SECONDS,
};

export interface SigningOptions {
  readonly usages: readonly string[];
  /** The Node that a kubelet's certificate is for: it is valid for no other one of that name. */
  readonly nodeUid?: string;
  /** What was asked for; it never makes a certificate longer. */
  readonly seconds?: number;
}

/** Certificates for the keys of others. The CA's key stays behind this. */
export class RequestSigner {
  readonly #authority: () => CertificateAuthority;
  readonly #reserved: ReservedNames;

  /** `authority` is asked at each signature: it changes when the authorities are rotated. */
  constructor(authority: () => CertificateAuthority, reserved: ReservedNames) {
    this.#authority = authority;
    const addresses = reserved.ipAddresses.map((address) => canonicalIpAddress(address) ?? address);
    const dnsNames = reserved.dnsNames.map((name) => name.toLowerCase());
    this.#reserved = { dnsNames, ipAddresses: addresses };
  }

  /** Why `sign` would refuse; undefined when it would not. */
  refusal(profile: RequestProfile, request: CertificateRequest, usages: readonly string[]): string | undefined {
    return requestRefusal(profile, request, usages, this.#reserved);
  }

  /** The certificate as PEM. Throws `Forbidden` for what breaks the profile's rules. */
  sign(profile: RequestProfile, request: CertificateRequest, options: SigningOptions): string {
    const { usages, nodeUid, seconds = Number.POSITIVE_INFINITY } = options;
    const refusal = this.refusal(profile, request, usages);
    if (refusal !== undefined) throw new CausewayError('Forbidden', refusal);
    const { subject, publicKey, names } = request;
    const isRsa = publicKey.asymmetricKeyType === 'rsa';
    const common = {
      publicKey,
      seconds: Math.min(seconds, MAX_SECONDS[profile]),
      keyEncipherment: isRsa && usages.includes(KEY_ENCIPHERMENT),
    };
    if (profile === 'client') return this.#authority().certify({ ...common, use: 'client', subject });
    if (nodeUid === undefined || nodeUid === '')
      throw new CausewayError('InternalError', 'the UID of the node is missing');
    if (profile === 'kubelet-client') {
      return this.#authority().certify({ ...common, use: 'client', subject: { ...subject, uid: nodeUid } });
    }
    const { dnsNames, ipAddresses } = names;
    const uris = [kubeletUidName(nodeUid)];
    return this.#authority().certify({ ...common, use: 'server', subject, names: { dnsNames, ipAddresses, uris } });
  }

  /** A pod's serving certificate as PEM, with names that the caller has checked. Throws `Forbidden` for a weak key. */
  signPodServing(content: PodServingContent): string {
    return signPodServing(this.#authority(), this.#reserved, content);
  }
}
