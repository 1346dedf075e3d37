import type { TLSSocket } from 'node:tls';
import { ProtocolError } from '../lib/errors.ts';
import { contextTag, expectElement, readElement, readElements, TAG } from './der.ts';

/** What TLS negotiated, as the library recorded it; `unknown` where it does not say. */
export interface Negotiated {
  /** `TLSv1.3` */
  readonly tlsVersion: string;
  /** `X25519MLKEM768` */
  readonly tlsGroup: string;
  readonly cipher: string;
}

/** https://www.iana.org/assignments/tls-parameters: TLS Supported Groups. */
const GROUPS: ReadonlyMap<number, string> = new Map([
  [0x0017, 'P-256'],
  [0x0018, 'P-384'],
  [0x0019, 'P-521'],
  [0x001d, 'X25519'],
  [0x001e, 'X448'],
  [0x11eb, 'SecP256r1MLKEM768'],
  [0x11ec, 'X25519MLKEM768'],
  [0x11ed, 'SecP384r1MLKEM1024'],
]);

/** What Node calls the groups that it names to clients by their OpenSSL name. */
const NODE_NAMES: ReadonlyMap<string, string> = new Map([
  ['prime256v1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
]);

type NegotiatedSocket = Pick<TLSSocket, 'getProtocol' | 'getCipher' | 'getSession' | 'getEphemeralKeyInfo'>;

/** Of either side's socket, after the handshake. */
export function negotiated(socket: NegotiatedSocket): Negotiated {
  return {
    tlsVersion: socket.getProtocol() ?? 'unknown',
    tlsGroup: clientsGroup(socket) ?? serversGroup(socket) ?? 'unknown',
    cipher: socket.getCipher()?.name ?? 'unknown',
  };
}

/** Node names the group to clients only: null on a server, `{}` when there was none. */
function clientsGroup(socket: NegotiatedSocket): string | undefined {
  const info: object | null = socket.getEphemeralKeyInfo();
  if (info === null || !('name' in info) || typeof info.name !== 'string') return undefined;
  return NODE_NAMES.get(info.name) ?? info.name;
}

/** On a server the session that OpenSSL keeps has it: field [19] of SSL_SESSION_ASN1, `kex_group` (openssl/ssl/ssl_asn1.c). */
const KEX_GROUP_FIELD = contextTag(19, true);

function serversGroup(socket: NegotiatedSocket): string | undefined {
  const session = socket.getSession();
  if (session === undefined) return undefined;
  try {
    const fields = readElements(expectElement(readElement(session), TAG.sequence, 'session').content);
    const field = fields.find(({ tag }) => tag === KEX_GROUP_FIELD);
    if (field === undefined) return undefined;
    const { content } = expectElement(readElement(field.content), TAG.integer, 'kex_group');
    if (content.length > 4) return undefined;
    const code = content.readUIntBE(0, content.length);
    return GROUPS.get(code) ?? `0x${code.toString(16).padStart(4, '0')}`;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  } finally {
    session.fill(0); // it holds the session's secret
  }
}
