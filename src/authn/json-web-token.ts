import { type KeyObject, sign, verify } from 'node:crypto';
import { ProtocolError } from '../lib/errors.ts';
import type { SigningKey } from '../pki/service-account-keys.ts';
import { MAX_TOKEN_BYTES } from './limits.ts';

/**
 * JWS compact serialisation (RFC 7515 §3.1) with ES256 alone (RFC 7518 §3.4). The key decides the algorithm, never the header: a header
 * that names another one, or brings a key along (`jwk`, `jku`, `x5c`, …), is refused.
 */
export interface ParsedToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly signed: string;
  readonly signature: Buffer;
}

/** r and s, 32 bytes each. */
const SIGNATURE_BYTES = 64;

/** undefined when it does not look like a JWT. Nothing in it is verified yet. */
export function parseToken(token: string): ParsedToken | undefined {
  if (token.length > MAX_TOKEN_BYTES) return undefined;
  const parts = token.split('.');
  const [header, claims, signature] = parts;
  if (parts.length !== 3 || header === undefined || claims === undefined || signature === undefined) return undefined;
  const parsedHeader = parseObject(header);
  const parsedClaims = parseObject(claims);
  const signatureBytes = decode(signature);
  if (parsedHeader === undefined || parsedClaims === undefined || signatureBytes === undefined) return undefined;
  return {
    header: parsedHeader,
    claims: parsedClaims,
    signed: token.slice(0, header.length + 1 + claims.length),
    signature: signatureBytes,
  };
}

/** Throws `ProtocolError` unless one of our keys signed the token. */
export function verifyToken(token: ParsedToken, publicKey: (keyId: string) => KeyObject | undefined): void {
  const { alg, kid, typ, ...rest } = token.header;
  if (alg !== 'ES256') throw new ProtocolError('token: its algorithm is not ES256');
  if (typ !== undefined && typ !== 'JWT') throw new ProtocolError('token: its type is not JWT');
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw new ProtocolError(`token: its header has an unsupported field ${JSON.stringify(unknown)}`);
  if (typeof kid !== 'string') throw new ProtocolError('token: it names no key');
  const key = publicKey(kid);
  if (key === undefined) throw new ProtocolError('token: it names a key that is not ours');
  if (token.signature.length !== SIGNATURE_BYTES) throw new ProtocolError('token: its signature has the wrong length');
  if (!verify('sha256', Buffer.from(token.signed), { key, dsaEncoding: 'ieee-p1363' }, token.signature)) {
    throw new ProtocolError('token: its signature is wrong');
  }
}

export function signToken(claims: Readonly<Record<string, unknown>>, { keyId, privateKey }: SigningKey): string {
  const signed = `${encode({ alg: 'ES256', kid: keyId })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Strict base64url: one text for one value, so that a token cannot be varied and still pass. */
function decode(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}

function parseObject(part: string): Readonly<Record<string, unknown>> | undefined {
  const bytes = decode(part);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
