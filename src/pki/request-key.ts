import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { ProtocolError } from '../lib/errors.ts';
import { type DerElement, expectElement, readElements, TAG } from './der.ts';
import { MAX_RSA_BITS, MIN_RSA_BITS } from './limits.ts';
import { OID, oid } from './oids.ts';

interface SignatureAlgorithm {
  readonly keyType: 'ec' | 'rsa' | 'ed25519';
  /** `null`: the algorithm has its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
}

/** SHA-1 and what is older prove nothing any more, so they are not here. */
const SIGNATURES: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  [OID.ecdsaWithSha256, { keyType: 'ec', hash: 'sha256' }],
  [OID.ecdsaWithSha384, { keyType: 'ec', hash: 'sha384' }],
  [OID.ecdsaWithSha512, { keyType: 'ec', hash: 'sha512' }],
  [OID.rsaWithSha256, { keyType: 'rsa', hash: 'sha256' }],
  [OID.rsaWithSha384, { keyType: 'rsa', hash: 'sha384' }],
  [OID.rsaWithSha512, { keyType: 'rsa', hash: 'sha512' }],
  [OID.ed25519, { keyType: 'ed25519', hash: null }],
]);

const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const MIN_RSA_EXPONENT = 65_537n;
const MAX_RSA_EXPONENT = 1n << 32n;

/** The key of a `SubjectPublicKeyInfo`. Throws `ProtocolError`. */
export function readPublicKey(spki: DerElement): KeyObject {
  const [algorithm] = readElements(spki.content);
  const [type, parameters] = readElements(expectElement(algorithm, TAG.sequence, 'public key algorithm').content);
  expectElement(type, TAG.oid, 'public key algorithm');
  // A curve by its parameters instead of its name can look like a known one and have another base point (CVE-2020-0601).
  if (parameters?.tag === TAG.sequence) throw new ProtocolError('the public key has parameters of its own');
  try {
    return createPublicKey({ key: spki.bytes, format: 'der', type: 'spki' });
  } catch {
    throw new ProtocolError('the public key cannot be read');
  }
}

/** Throws `ProtocolError` unless `signature` was made over `bytes` by who has the private key of `key`. */
export function checkProof(key: KeyObject, algorithm: DerElement, bytes: Buffer, signature: DerElement): void {
  const [type] = readElements(algorithm.content);
  const known = [...SIGNATURES].find(([dotted]) => type !== undefined && oid(dotted).equals(type.bytes))?.[1];
  if (known === undefined) {
    throw new ProtocolError('the signature algorithm is not supported: use ECDSA or RSA with SHA-2, or Ed25519');
  }
  if (signature.content[0] !== 0) throw new ProtocolError('the signature is not whole bytes');
  const proven = known.keyType === key.asymmetricKeyType && holds(key, known, bytes, signature.content.subarray(1));
  if (!proven) throw new ProtocolError('the signature does not belong to the public key');
}

function holds(key: KeyObject, { hash }: SignatureAlgorithm, bytes: Buffer, signature: Buffer): boolean {
  try {
    return verify(hash, bytes, key, signature);
  } catch {
    return false;
  }
}

/** Why a key is too weak for a certificate, or of a kind that no client here uses; undefined for a good one. */
export function weakness(key: KeyObject): string | undefined {
  const { namedCurve = 'unknown', modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return undefined;
    case 'ec':
      return CURVES.has(namedCurve) ? undefined : `the curve ${namedCurve} is not allowed: use P-256, P-384 or P-521`;
    case 'rsa':
      if (modulusLength < MIN_RSA_BITS) {
        return `an RSA key of ${modulusLength} bits is too weak: it needs ${MIN_RSA_BITS} or more`;
      }
      if (modulusLength > MAX_RSA_BITS) return `an RSA key of ${modulusLength} bits is too long: use ${MAX_RSA_BITS}`;
      return publicExponent >= MIN_RSA_EXPONENT && publicExponent < MAX_RSA_EXPONENT && publicExponent % 2n === 1n
        ? undefined
        : 'the public exponent of the RSA key is not allowed: use 65537';
    default:
      return `keys of type ${key.asymmetricKeyType ?? 'unknown'} are not supported: use ECDSA, Ed25519 or RSA`;
  }
}
