import { createHash } from 'node:crypto';
import type { UserInfo } from '../api/user-info.ts';
import type { AuthenticationResult, Authenticator } from '../authn/authenticator.ts';
import { parseToken } from '../authn/json-web-token.ts';
import { unauthorized } from '../authn/unauthorized.ts';
import type { Attributes, Authorizer, Decision } from '../authz/authorizer.ts';
import type { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../lib/clock.ts';

/** Kubernetes' kubelet defaults: how long an answer of the apiserver counts. */
const TOKEN_MS = 120_000;
const ALLOWED_MS = 300_000;
const DENIED_MS = 30_000;
/** Answers that are kept: stops a flood of different questions from filling memory. */
const MAX_ANSWERS = 1024;

/** Answers that hold for a while, the oldest forgotten first. */
class Answers<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly until: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.until > this.#clock.now() ? entry.value : undefined;
  }

  set(key: string, value: T, ms: number): void {
    this.#entries.delete(key);
    if (this.#entries.size >= MAX_ANSWERS) this.#entries.delete(this.#entries.keys().next().value ?? '');
    this.#entries.set(key, { value, until: this.#clock.now() + ms });
  }
}

/** Bearer tokens, judged by the apiserver. */
export function tokenReviewAuthenticator(client: RestClient, clock: Clock): Authenticator {
  const answers = new Answers<AuthenticationResult>(clock);
  return {
    name: 'token-review',
    authenticate: async ({ bearerToken }) => {
      if (bearerToken === undefined) return undefined;
      const key = createHash('sha256').update(bearerToken).digest('base64');
      const known = answers.get(key);
      if (known !== undefined && clock.now() < (known.expiresAt ?? Number.POSITIVE_INFINITY)) return known;
      const review = await client.json<{ status?: { authenticated?: boolean; user?: Partial<UserInfo> } }>(
        'POST',
        '/apis/authentication.k8s.io/v1/tokenreviews',
        { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: bearerToken } },
      );
      const { authenticated, user } = review.status ?? {};
      if (authenticated !== true || user?.username === undefined) throw unauthorized('the token is not accepted');
      const expiresAt = expiryOf(bearerToken);
      const result = {
        user: { ...user, username: user.username, groups: user.groups ?? [] },
        method: 'token-review',
        ...(expiresAt === undefined ? {} : { expiresAt }),
      };
      answers.set(key, result, TOKEN_MS);
      return result;
    },
  };
}

/** When a token that the apiserver accepted says that it ends; the review does not say it. What is open then ends with it. */
function expiryOf(token: string): number | undefined {
  const seconds = parseToken(token)?.claims['exp'];
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds * 1000 : undefined;
}

/** Whether a user may, decided by the apiserver. When it cannot be asked, the answer is no. */
export function subjectAccessReviewAuthorizer(client: RestClient, clock: Clock): Authorizer {
  const answers = new Answers<Decision>(clock);
  return {
    name: 'SubjectAccessReview',
    authorize: async (attributes) => {
      const spec = reviewSpec(attributes);
      const key = JSON.stringify(spec);
      const known = answers.get(key);
      if (known !== undefined) return known;
      const review = await client.json<{ status?: { allowed?: boolean; reason?: string } }>(
        'POST',
        '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec },
      );
      const allowed = review.status?.allowed === true;
      const decision: Decision = { verdict: allowed ? 'allow' : 'no-opinion', reason: review.status?.reason ?? '' };
      answers.set(key, decision, allowed ? ALLOWED_MS : DENIED_MS);
      return decision;
    },
  };
}

function reviewSpec(a: Attributes): Readonly<Record<string, unknown>> {
  const { user } = a;
  return {
    user: user.username,
    groups: user.groups,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    ...(user.extra === undefined ? {} : { extra: user.extra }),
    ...(a.resourceRequest
      ? {
          resourceAttributes: {
            verb: a.verb,
            group: a.apiGroup,
            version: a.apiVersion,
            resource: a.resource,
            subresource: a.subresource,
            name: a.name,
            namespace: a.namespace,
          },
        }
      : { nonResourceAttributes: { verb: a.verb, path: a.path } }),
  };
}
