import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  type BootstrapToken,
  bootstrapTokenSecretName,
  hasExpired,
  isBootstrapTokenId,
  readBootstrapToken,
  TOKEN_KEYS,
} from '../api/core/bootstrap-token.ts';
import type { Secret } from '../api/generated/types.ts';
import { SECRETS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { type Clock, rfc3339, systemClock } from '../lib/clock.ts';
import { CausewayError, isCode } from '../lib/errors.ts';

/** How long a token that was used still authenticates: the node has yet to fetch its certificate. */
const USED_TOKEN_MS = 60_000;
const MAX_ATTEMPTS = 10;

export interface TokenUse {
  /** metadata.uid of the CertificateSigningRequest. */
  readonly csrUid: string;
  /** The node that the certificate is for. */
  readonly nodeName: string;
}

/** `boundToName`: the token was made for this very node. `why` is a sentence for the request's condition. */
export type TokenClaim =
  | { readonly claimed: true; readonly boundToName: boolean }
  | { readonly claimed: false; readonly why: string };

/**
 * Takes a bootstrap token for one certificate request, before that is approved. A single-use token is marked by compare-and-swap, so of
 * two requests one gets it; the same request gets it again. Throws what the apiserver answered when it cannot be asked: nothing is
 * claimed then, or it is this request's.
 */
export async function claimBootstrapToken(
  client: Pick<RestClient, 'get' | 'update'>,
  tokenId: string,
  use: TokenUse,
  { clock = systemClock, signal }: { readonly clock?: Clock; readonly signal?: AbortSignal } = {},
): Promise<TokenClaim> {
  if (!isBootstrapTokenId(tokenId)) return { claimed: false, why: 'the bootstrap token has no valid id' };
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const secret = await find(client, tokenId, signal);
    const token = secret === undefined ? undefined : readBootstrapToken(secret);
    if (secret === undefined || token === undefined) {
      return { claimed: false, why: `bootstrap token ${tokenId} does not exist` };
    }
    const why = whyNot(token, use, clock.now());
    if (why !== undefined) return { claimed: false, why: `bootstrap token ${tokenId} ${why}` };
    const claim = { claimed: true, boundToName: token.nodeName !== undefined } as const;
    if (!token.singleUse || token.usedBy !== undefined) return claim;
    try {
      await client.update(SECRETS, markUsed(secret, token, use, clock.now()), undefined, signal);
      return claim;
    } catch (error) {
      // Somebody changed or deleted it since: what it says now counts.
      if (!isCode(error, 'Conflict') && !isCode(error, 'NotFound')) throw error;
    }
  }
  throw new CausewayError('Conflict', `bootstrap token ${tokenId} changes all the time`);
}

async function find(
  client: Pick<RestClient, 'get'>,
  tokenId: string,
  signal: AbortSignal | undefined,
): Promise<Secret | undefined> {
  try {
    return await client.get(SECRETS, BOOTSTRAP_TOKEN_NAMESPACE, bootstrapTokenSecretName(tokenId), signal);
  } catch (error) {
    if (isCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

function whyNot(token: BootstrapToken, { csrUid, nodeName }: TokenUse, now: number): string | undefined {
  if (hasExpired(token, now)) return 'has expired';
  if (!token.usages.includes('authentication')) return 'is not for authentication';
  if (token.nodeName !== undefined && token.nodeName !== nodeName) return `is for node ${token.nodeName} only`;
  if (token.usedBy !== undefined && token.usedBy !== csrUid) return 'was used before';
  return undefined;
}

function markUsed(secret: Secret, { expiresAt }: BootstrapToken, { csrUid }: TokenUse, now: number): Secret {
  const until = Math.min(expiresAt ?? Number.POSITIVE_INFINITY, now + USED_TOKEN_MS);
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return {
    ...secret,
    data: { ...secret.data, [TOKEN_KEYS.usedBy]: base64(csrUid), [TOKEN_KEYS.expiration]: base64(rfc3339(until)) },
  };
}
