import type { UserInfo } from '../../api/user-info.ts';
import type { AuthenticationResult, Authenticator, Credentials } from '../../authn/authenticator.ts';
import { unauthorized } from '../../authn/unauthorized.ts';
import type { Attributes, Authorizer } from '../../authz/authorizer.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { PeerIdentity } from '../../pki/peer-identity.ts';
import { nodeAttributes } from './node-attributes.ts';

export interface GuardedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly upgrade: boolean;
  readonly authorization: string | undefined;
  readonly peer: PeerIdentity;
}

export interface Admitted {
  readonly user: UserInfo;
  /** How the client was verified: `x509`, `token-review`. */
  readonly method: string;
  readonly expiresAt: number | undefined;
}

/** How a client was verified and what allowed its request, as it is told so: `x509; SubjectAccessReview`. */
export function verificationOf({ method }: Admitted): string {
  return `${method}; SubjectAccessReview`;
}

/**
 * The first thing that happens to every request: who is it, and may they. There is no anonymous access, and no path that is open to all: not being known is 401, not being
 * allowed 403.
 */
export class RequestGuard {
  readonly #authenticator: Authenticator;
  readonly #authorizer: Authorizer;
  readonly #nodeName: string;

  constructor(options: {
    readonly authenticator: Authenticator;
    readonly authorizer: Authorizer;
    readonly nodeName: string;
  }) {
    this.#authenticator = options.authenticator;
    this.#authorizer = options.authorizer;
    this.#nodeName = options.nodeName;
  }

  /** Throws `Unauthorized` or `Forbidden`. */
  async admit(request: GuardedRequest): Promise<Admitted> {
    const result = await this.#authenticator.authenticate(credentialsOf(request));
    if (result === undefined) throw unauthorized('no credential was shown');
    if (result.user.username === 'system:anonymous') throw unauthorized('anonymous requests are not served');
    await this.#authorize(result, request);
    return { user: result.user, method: result.method, expiresAt: result.expiresAt };
  }

  async #authorize({ user }: AuthenticationResult, request: GuardedRequest): Promise<void> {
    const asked = nodeAttributes(user, request, this.#nodeName);
    for (const attributes of asked) {
      const { verdict } = await this.#authorizer.authorize(attributes);
      if (verdict === 'allow') return;
      if (verdict === 'deny') break;
    }
    throw new CausewayError('Forbidden', forbiddenSentence(asked));
  }
}

function credentialsOf({ authorization, peer }: GuardedRequest): Credentials {
  const bearerToken = authorization === undefined ? undefined : bearerTokenOf(authorization);
  return {
    ...(bearerToken === undefined ? {} : { bearerToken }),
    ...(peer.peerCertificate === undefined ? {} : { peerCertificate: peer.peerCertificate }),
    certificateState: peer.certificateState,
    remoteAddress: peer.remoteAddress,
  };
}

/** Any other scheme is a credential that nobody accepts. */
function bearerTokenOf(authorization: string): string {
  const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (token === undefined) throw unauthorized('the Authorization header is no bearer token');
  return token;
}

/** As the kubelet words it. */
function forbiddenSentence(asked: readonly Attributes[]): string {
  const first = asked[0]!;
  const names = asked.map(({ subresource }) => subresource).join(' ');
  return `Forbidden (user=${first.user.username}, verb=${first.verb}, resource=${first.resource}, subresource(s)=[${names}])\n`;
}
