import { createPublicKey, generateKeyPair, type KeyObject, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { CausewayError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import { weakness } from './request-key.ts';

const generate = promisify(generateKeyPair);
const pkcs8 = (key: KeyObject): Secret => new Secret(key.export({ type: 'pkcs8', format: 'pem' }) as string);
const ec = (namedCurve: string) => async (): Promise<Secret> =>
  pkcs8((await generate('ec', { namedCurve })).privateKey);
const rsa = (modulusLength: number) => async (): Promise<Secret> =>
  pkcs8((await generate('rsa', { modulusLength })).privateKey);

/** The keys that pods may have, as Kubernetes calls them. */
const KEY_TYPES: ReadonlyMap<string, () => Promise<Secret>> = new Map([
  ['RSA3072', rsa(3072)],
  ['RSA4096', rsa(4096)],
  ['ECDSAP256', ec('P-256')],
  ['ECDSAP384', ec('P-384')],
  ['ECDSAP521', ec('P-521')],
  ['ED25519', async () => pkcs8((await generate('ed25519')).privateKey)],
]);
const RSA_BITS: readonly (number | undefined)[] = [3072, 4096];

/** A new key as PKCS #8 PEM. Throws `Invalid` for a type that is not one of the six. */
export function newPodKey(keyType: string): Promise<Secret> {
  const make = KEY_TYPES.get(keyType);
  if (make === undefined)
    throw new CausewayError('Invalid', `the key type ${JSON.stringify(keyType)} is not supported`);
  return make();
}

/** Why no pod gets a certificate for a key; undefined when one can. */
export function podKeyRefusal(key: KeyObject): string | undefined {
  const weak = weakness(key);
  if (weak !== undefined) return weak;
  const { modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== 'rsa' || RSA_BITS.includes(modulusLength)) return undefined;
  return 'RSA keys must have modulus size 3072 or 4096';
}

/** Whether the first certificate of a chain is for this key, private or public, in PEM. */
export function isChainOf(chain: string, keyPem: string): boolean {
  const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
  try {
    return spki(new X509Certificate(chain).publicKey).equals(spki(createPublicKey(keyPem)));
  } catch {
    return false;
  }
}
