import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { CausewayError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';

export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: KeyObject;
}

/** A public key as `/openid/v1/jwks` shows it (RFC 7517). */
export interface JsonWebKey {
  readonly use: 'sig';
  readonly kty: 'EC';
  readonly kid: string;
  readonly alg: 'ES256';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
}

/** The keys of service-account tokens (ES256): the last signs, all verify. */
export class ServiceAccountKeys {
  readonly #signing: SigningKey;
  readonly #public = new Map<string, KeyObject>();

  /** `privateKeyPems`, oldest first, at least one. */
  constructor(privateKeyPems: readonly Secret[]) {
    let signing: SigningKey | undefined;
    for (const pem of privateKeyPems) {
      const privateKey = parseKey(pem);
      const publicKey = createPublicKey(privateKey);
      signing = { keyId: keyIdOf(publicKey), privateKey };
      this.#public.set(signing.keyId, publicKey);
    }
    if (signing === undefined) throw new CausewayError('InternalError', 'there is no service-account signing key');
    this.#signing = signing;
  }

  static generate(): Secret {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  }

  signingKey(): SigningKey {
    return this.#signing;
  }

  /** undefined for a key id that is not ours. */
  publicKey(keyId: string): KeyObject | undefined {
    return this.#public.get(keyId);
  }

  jwks(): { readonly keys: readonly JsonWebKey[] } {
    const keys: JsonWebKey[] = [];
    for (const [kid, key] of this.#public) {
      const { x = '', y = '' } = key.export({ format: 'jwk' }) as { x?: string; y?: string };
      keys.push({ use: 'sig', kty: 'EC', kid, alg: 'ES256', crv: 'P-256', x, y });
    }
    return { keys };
  }
}

/** As Kubernetes makes key ids: SHA-256 of the public key's DER, base64url. */
function keyIdOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

function parseKey(pem: Secret): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem.reveal());
  } catch {
    throw new CausewayError('InternalError', 'a service-account signing key cannot be parsed');
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new CausewayError('InternalError', 'a service-account signing key must be ECDSA P-256');
  }
  return key;
}
