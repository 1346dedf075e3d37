import { randomBytes } from 'node:crypto';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  type BootstrapToken,
  bootstrapTokenSecret,
  bootstrapTokenSecretName,
  hasExpired,
  isBootstrapGroup,
  parseBootstrapToken,
  readBootstrapToken,
} from '../api/core/bootstrap-token.ts';
import type { Secret as SecretObject } from '../api/generated/types.ts';
import type { UserInfo } from '../api/user-info.ts';
import type { Clock } from '../lib/clock.ts';
import { forApiAudiences } from './api-audiences.ts';
import type { AuthenticationResult, Authenticator } from './authenticator.ts';
import type { CredentialAnchor } from './credential-anchor.ts';
import type { TokenReviewer } from './token-reviewer.ts';
import { unauthorized } from './unauthorized.ts';

/** How the authenticator sees tokens; `compose/` reads them from the watch cache. */
export interface BootstrapTokenReader {
  /** The Secret `kube-system/bootstrap-token-ID`; undefined when it does not exist. */
  get(tokenId: string): Promise<SecretObject | undefined>;
}

export interface BootstrapTokenOptions {
  readonly apiAudiences: readonly string[];
  readonly tokens: BootstrapTokenReader;
  readonly clock: Clock;
}

const BOOTSTRAPPERS = 'system:bootstrappers';

/**
 * Bootstrap tokens, by Kubernetes' rules: a node that joins shows one until it has a certificate. Anything that is not `ID.SECRET` in form is
 * left to others; a guess is answered alike whether the id exists or not. A token ends with its time or its Secret.
 */
export function bootstrapTokenAuthenticator(options: BootstrapTokenOptions): Authenticator & TokenReviewer {
  const { apiAudiences, tokens, clock } = options;
  // Read and compared where there is no Secret of that name, so that a guess takes as long.
  const decoy = bootstrapTokenSecret({
    id: 'nobody',
    secret: randomBytes(8).toString('hex'),
    expiresAt: undefined,
    description: '',
    extraGroups: [],
    nodeName: undefined,
    singleUse: true,
  });

  const judge = async (text: string): Promise<AuthenticationResult | undefined> => {
    const given = parseBootstrapToken(text);
    if (given === undefined) return undefined;
    const found = await tokens.get(given.id);
    const token = readBootstrapToken(found ?? decoy);
    const isRight = token?.secret.equals(given.secret) === true && found !== undefined;
    const why = token === undefined || !isRight ? 'no such token' : whyRefused(token, clock.now());
    if (token === undefined || why !== undefined) throw unauthorized(`bootstrap token ${given.id}: ${why}`);
    return {
      user: userOf(token),
      method: 'bootstrap-token',
      ...(token.expiresAt === undefined ? {} : { expiresAt: token.expiresAt }),
      anchors: [anchorOf(token, clock)],
    };
  };

  return {
    name: 'bootstrap-token',
    authenticate: async ({ bearerToken }) => (bearerToken === undefined ? undefined : judge(bearerToken)),
    reviewToken: async (token, audiences) => {
      const result = await judge(token);
      return result && forApiAudiences(result, audiences, apiAudiences);
    },
  };
}

/** What lasts longer than a request ends with the Secret, when that says so, and when the token's time is made shorter. */
function anchorOf(token: BootstrapToken, clock: Clock): CredentialAnchor {
  return {
    resource: 'secrets',
    namespace: BOOTSTRAP_TOKEN_NAMESPACE,
    name: bootstrapTokenSecretName(token.id),
    endsAt: (object) => {
      const now = object === undefined ? undefined : readBootstrapToken(object as unknown as SecretObject);
      if (now === undefined || !now.secret.equals(token.secret.reveal())) return 0;
      return whyRefused(now, clock.now()) === undefined ? (now.expiresAt ?? Number.POSITIVE_INFINITY) : 0;
    },
  };
}

function whyRefused(token: BootstrapToken, now: number): string | undefined {
  if (hasExpired(token, now)) return 'it has expired';
  if (!token.usages.includes('authentication')) return 'it is not for authentication';
  const other = token.extraGroups.find((group) => !isBootstrapGroup(group));
  return other === undefined ? undefined : `it asks for the group ${JSON.stringify(other)}`;
}

function userOf({ id, extraGroups }: BootstrapToken): UserInfo {
  return { username: `system:bootstrap:${id}`, groups: [...new Set([BOOTSTRAPPERS, ...extraGroups])].sort() };
}
