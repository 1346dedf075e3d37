import type { UserInfo } from '../api/user-info.ts';
import type { Clock } from '../lib/clock.ts';
import { type CausewayError, ProtocolError } from '../lib/errors.ts';
import type { ServiceAccountKeys } from '../pki/service-account-keys.ts';
import type { Authenticator } from './authenticator.ts';
import type { BoundObject, BoundObjectReader } from './bound-object-reader.ts';
import type { CredentialAnchor } from './credential-anchor.ts';
import { parseToken, verifyToken } from './json-web-token.ts';
import { MAX_TOKEN_BYTES } from './limits.ts';
import {
  type BoundReference,
  readClaims,
  type ServiceAccountClaims,
  serviceAccountName,
} from './service-account-claims.ts';
import type { ReviewedToken, TokenReviewer } from './token-reviewer.ts';
import { unauthorized } from './unauthorized.ts';
import { VerifiedTokens } from './verified-tokens.ts';

export interface ServiceAccountOptions {
  readonly issuer: string;
  /** Audiences that this apiserver answers to; usually the issuer. */
  readonly apiAudiences: readonly string[];
  readonly keys: Pick<ServiceAccountKeys, 'publicKey'>;
  readonly objects: BoundObjectReader;
  readonly clock: Clock;
}

/** How far another signer's clock may be ahead, and how long after its deletion an object's token still holds, as in Kubernetes. */
const LEEWAY_MS = 60_000;

const EXTRA = 'authentication.kubernetes.io/';

/** Tokens that `TokenIssuer` made: good while the service account, and the pod, secret or node they are bound to, exist with the same UID. */
export function serviceAccountAuthenticator(options: ServiceAccountOptions): Authenticator & TokenReviewer {
  const verified = new VerifiedTokens<ServiceAccountClaims>();

  /** Signature and shape: what never changes for a token, so it is remembered. */
  const claimsOf = (token: string): ServiceAccountClaims | undefined => {
    if (token.length > MAX_TOKEN_BYTES) return undefined;
    const known = verified.get(token);
    if (known !== undefined) return known;
    const parsed = parseToken(token);
    if (parsed === undefined || parsed.claims['iss'] !== options.issuer) return undefined;
    verifyToken(parsed, (keyId) => options.keys.publicKey(keyId));
    const claims = readClaims(parsed.claims);
    verified.set(token, claims);
    return claims;
  };

  const review = async (token: string, asked: readonly string[]): Promise<ReviewedToken | undefined> => {
    const claims = orUnauthorized(() => claimsOf(token));
    if (claims === undefined) return undefined;
    const now = options.clock.now();
    if (now >= claims.expires * 1000) throw unauthorized('token: it has expired');
    if (now + LEEWAY_MS < claims.notBefore * 1000) throw unauthorized('token: it is not valid yet');
    const wanted = asked.length === 0 ? options.apiAudiences : asked;
    const audiences = wanted.filter((audience) => claims.audiences.includes(audience));
    if (audiences.length === 0) throw unauthorized('token: it is for another audience');
    await checkBindings(claims, options.objects, now);
    return {
      user: userOf(claims),
      method: 'service-account',
      expiresAt: claims.expires * 1000,
      anchors: anchorsOf(claims),
      audiences,
    };
  };

  return {
    name: 'service-account',
    authenticate: async ({ bearerToken }) => {
      if (bearerToken === undefined) return undefined;
      const found = await review(bearerToken, options.apiAudiences);
      if (found === undefined) return undefined;
      const { audiences: _, ...result } = found;
      return result;
    },
    reviewToken: review,
  };
}

/** An object that a token is bound to, and what it is called in a refusal. */
interface Binding extends BoundReference {
  readonly what: string;
  readonly resource: CredentialAnchor['resource'];
  readonly namespace: string;
}

function bindingsOf(claims: ServiceAccountClaims): readonly Binding[] {
  const { namespace, serviceAccount, secret, pod, node } = claims;
  return [
    { what: 'service account', resource: 'serviceaccounts', namespace, ...serviceAccount },
    ...(secret === undefined ? [] : [{ what: 'secret', resource: 'secrets', namespace, ...secret } as const]),
    ...(pod === undefined ? [] : [{ what: 'pod', resource: 'pods', namespace, ...pod } as const]),
    // A pod's token names its node for information; the pod's end is its end.
    ...(pod !== undefined || node === undefined
      ? []
      : [{ what: 'node', resource: 'nodes', namespace: '', ...node } as const]),
  ];
}

/** Throws `Unauthorized` when the service account, or what the token is bound to, is gone or was made anew. */
async function checkBindings(claims: ServiceAccountClaims, objects: BoundObjectReader, now: number): Promise<void> {
  const bindings = bindingsOf(claims);
  const found = await Promise.all(
    bindings.map(({ resource, namespace, name }) => objects.get(resource, namespace, name)),
  );
  for (const [i, binding] of bindings.entries()) {
    const refused = refusal(binding, found[i], now);
    if (refused !== undefined) throw refused;
  }
}

function refusal({ what, uid }: Binding, found: BoundObject | undefined, now: number): CausewayError | undefined {
  if (found === undefined) return unauthorized(`token: its ${what} does not exist`);
  if (found.uid !== uid) return unauthorized(`token: its ${what} was deleted and made again`);
  return now < endOf(found.deletionTimestamp) ? undefined : unauthorized(`token: its ${what} is being deleted`);
}

/** When the token of an object that is being deleted ends. A time that cannot be parsed has passed. */
function endOf(deletionTimestamp: string | undefined): number {
  if (deletionTimestamp === undefined) return Number.POSITIVE_INFINITY;
  const deleted = Date.parse(deletionTimestamp);
  return Number.isNaN(deleted) ? 0 : deleted + LEEWAY_MS;
}

/** The same for what lasts longer than a request: it ends as soon as the token would be refused. */
function anchorsOf(claims: ServiceAccountClaims): readonly CredentialAnchor[] {
  return bindingsOf(claims).map(({ resource, namespace, name, uid }) => ({
    resource,
    namespace,
    name,
    endsAt: (object) => (object?.metadata.uid === uid ? endOf(object.metadata.deletionTimestamp) : 0),
  }));
}

function userOf(claims: ServiceAccountClaims): UserInfo {
  const { namespace, serviceAccount, pod, node, id } = claims;
  const extra = {
    ...(pod && { [`${EXTRA}pod-name`]: [pod.name], [`${EXTRA}pod-uid`]: [pod.uid] }),
    ...(node && { [`${EXTRA}node-name`]: [node.name], [`${EXTRA}node-uid`]: [node.uid] }),
    ...(id && { [`${EXTRA}credential-id`]: [`JTI=${id}`] }),
  };
  return {
    username: serviceAccountName(namespace, serviceAccount.name),
    uid: serviceAccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

function orUnauthorized<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtocolError) throw unauthorized(error.message);
    throw error;
  }
}
