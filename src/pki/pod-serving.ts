import type { KeyObject } from 'node:crypto';
import { CausewayError } from '../lib/errors.ts';
import type { CertificateAuthority } from './authority.ts';
import { podKeyRefusal } from './pod-key.ts';
import { isOwnAddress, isOwnName, type ReservedNames } from './request-rules.ts';

const DAY_SECONDS = 86_400;
/** A pod's clock is its node's, which may be a little behind. */
const BACKDATE_SECONDS = 60;
/** RFC 1035 §2.3.4. */
const MAX_DNS_NAME = 253;

export interface PodServingContent {
  readonly publicKey: KeyObject;
  readonly podUid: string;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** The longest life, from its beginning to its end; a day at most. */
  readonly seconds: number;
}

/**
 * A serving certificate for a pod, as PEM. The control plane's own names and addresses are left out, whatever selects the pod: this CA is
 * also the one by which everybody verifies the apiserver. Throws `Forbidden` for a key that is too weak.
 */
export function signPodServing(
  authority: CertificateAuthority,
  reserved: ReservedNames,
  { publicKey, podUid, dnsNames, ipAddresses, seconds }: PodServingContent,
): string {
  const refusal = podKeyRefusal(publicKey);
  if (refusal !== undefined) throw new CausewayError('Forbidden', refusal);
  return authority.certify({
    use: 'server',
    // No client goes by it. A pod's name can be longer than a common name.
    subject: { commonName: `pod:${podUid}`, organizations: [] },
    names: {
      dnsNames: dnsNames.filter((name) => name.length <= MAX_DNS_NAME && !isOwnName(name, reserved)),
      ipAddresses: ipAddresses.filter((address) => !isOwnAddress(address, reserved)),
      uris: [],
    },
    publicKey,
    seconds: Math.min(seconds, DAY_SECONDS) - BACKDATE_SECONDS,
    backdateSeconds: BACKDATE_SECONDS,
  });
}
