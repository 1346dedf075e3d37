import { createHash, type X509Certificate } from 'node:crypto';
import { REMOTE_ADDRESS_EXTRA } from '../api/user-info.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { ProtocolError } from '../lib/errors.ts';
import { canonicalIpAddress } from '../pki/ip-address-bytes.ts';
import { subjectOf } from '../pki/subject.ts';
import type { AuthenticationResult, Authenticator } from './authenticator.ts';
import { unauthorized } from './unauthorized.ts';

const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id';
const NODES = 'system:nodes';

/** The subject of a verified client certificate: CN is the user, each O a group, Kubernetes' own OID the UID. */
export function x509Authenticator(
  options: {
    readonly clock?: Clock;
    /** The server's own: a node that is seen at one of them is on the same machine, and no address is told of it. */
    readonly ownAddresses?: readonly string[];
  } = {},
): Authenticator {
  const clock = options.clock ?? systemClock;
  const ownAddresses = new Set(options.ownAddresses?.map(canonicalIpAddress));
  const addressOf = (remoteAddress: string): string | undefined => {
    const address = canonicalIpAddress(remoteAddress);
    return ownAddresses.has(address) ? undefined : address;
  };
  // One certificate object a connection: its requests share the answer, and it goes with the connection.
  const answers = new WeakMap<X509Certificate, AuthenticationResult>();
  return {
    name: 'x509',
    authenticate: async ({ certificateState, peerCertificate, remoteAddress }) => {
      switch (certificateState) {
        case 'none':
          return undefined;
        case 'invalid':
          throw unauthorized('the client certificate is not valid');
        case 'verified': {
          if (peerCertificate === undefined) throw unauthorized('the client certificate is missing');
          const answer = answers.get(peerCertificate) ?? identify(peerCertificate, addressOf(remoteAddress));
          answers.set(peerCertificate, answer);
          // It was valid when the connection began; the connection may live longer.
          if (clock.now() >= (answer.expiresAt ?? 0)) throw unauthorized('the client certificate has expired');
          return answer;
        }
      }
    },
  };
}

function identify(certificate: X509Certificate, address: string | undefined): AuthenticationResult {
  try {
    const { commonName, organizations, uid } = subjectOf(certificate);
    if (commonName === '') throw unauthorized('the client certificate has no common name');
    const fingerprint = createHash('sha256').update(certificate.raw).digest('hex');
    return {
      user: {
        username: commonName,
        groups: organizations,
        ...(uid === undefined ? {} : { uid }),
        extra: {
          [CREDENTIAL_ID]: [`X509SHA256=${fingerprint}`],
          ...(address === undefined || !organizations.includes(NODES) ? {} : { [REMOTE_ADDRESS_EXTRA]: [address] }),
        },
      },
      method: 'x509',
      expiresAt: certificate.validToDate.getTime(),
    };
  } catch (error) {
    if (error instanceof ProtocolError) throw unauthorized(`the client certificate's subject: ${error.message}`);
    throw error;
  }
}
