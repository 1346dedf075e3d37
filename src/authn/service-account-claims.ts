import { ProtocolError } from '../lib/errors.ts';

/** An object that a token is bound to. */
export interface BoundReference {
  readonly name: string;
  readonly uid: string;
}

/** The claims of a service-account token, checked for shape. Times are in seconds, as in the token. */
export interface ServiceAccountClaims {
  readonly audiences: readonly string[];
  readonly expires: number;
  readonly notBefore: number;
  readonly id: string | undefined;
  readonly namespace: string;
  readonly serviceAccount: BoundReference;
  readonly pod: BoundReference | undefined;
  readonly node: BoundReference | undefined;
  readonly secret: BoundReference | undefined;
}

const PRIVATE_CLAIM = 'kubernetes.io';

export function serviceAccountName(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

/** Throws `ProtocolError` for a claim that is missing or has the wrong shape. */
export function readClaims(claims: Readonly<Record<string, unknown>>): ServiceAccountClaims {
  const own = object(claims[PRIVATE_CLAIM], PRIVATE_CLAIM);
  const namespace = text(own['namespace'], 'namespace');
  const serviceAccount = reference(own['serviceaccount'], 'serviceaccount');
  if (serviceAccount === undefined) throw new ProtocolError('token: the claim serviceaccount is missing');
  if (claims['sub'] !== serviceAccountName(namespace, serviceAccount.name)) {
    throw new ProtocolError('token: the claim sub is not that of its service account');
  }
  return {
    audiences: audiences(claims['aud']),
    expires: seconds(claims['exp'], 'exp'),
    notBefore: claims['nbf'] === undefined ? 0 : seconds(claims['nbf'], 'nbf'),
    id: claims['jti'] === undefined ? undefined : text(claims['jti'], 'jti'),
    namespace,
    serviceAccount,
    pod: reference(own['pod'], 'pod'),
    node: reference(own['node'], 'node'),
    secret: reference(own['secret'], 'secret'),
  };
}

/** The claims as they are signed, in Kubernetes' names. */
export function writeClaims(
  claims: ServiceAccountClaims,
  issuer: string,
  issuedAt: number,
  warnAfter: number | undefined,
): Record<string, unknown> {
  const { namespace, serviceAccount, pod, node, secret } = claims;
  return {
    aud: claims.audiences,
    exp: claims.expires,
    iat: issuedAt,
    iss: issuer,
    jti: claims.id,
    [PRIVATE_CLAIM]: {
      namespace,
      ...(node === undefined ? {} : { node: { name: node.name, uid: node.uid } }),
      ...(pod === undefined ? {} : { pod: { name: pod.name, uid: pod.uid } }),
      ...(secret === undefined ? {} : { secret: { name: secret.name, uid: secret.uid } }),
      serviceaccount: { name: serviceAccount.name, uid: serviceAccount.uid },
      ...(warnAfter === undefined ? {} : { warnafter: warnAfter }),
    },
    nbf: claims.notBefore,
    sub: serviceAccountName(namespace, serviceAccount.name),
  };
}

function object(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError(`token: the claim ${what} is missing or not an object`);
  }
  return value as Record<string, unknown>;
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '')
    throw new ProtocolError(`token: the claim ${what} is missing or not a text`);
  return value;
}

function seconds(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new ProtocolError(`token: the claim ${what} is missing or not a number`);
  }
  return value;
}

function reference(value: unknown, what: string): BoundReference | undefined {
  if (value === undefined) return undefined;
  const found = object(value, what);
  return { name: text(found['name'], `${what}.name`), uid: text(found['uid'], `${what}.uid`) };
}

function audiences(value: unknown): readonly string[] {
  const list = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list) || !list.every((one) => typeof one === 'string')) {
    throw new ProtocolError('token: the claim aud is missing or not a list of texts');
  }
  return list;
}
