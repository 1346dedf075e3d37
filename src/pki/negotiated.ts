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

/** Of either side's socket, after the handshake. */
export function negotiated(socket: Pick<TLSSocket, 'getProtocol' | 'getCipher' | 'getSession'>): Negotiated {
  const session = socket.getSession();
  try {
    return {
      tlsVersion: socket.getProtocol() ?? 'unknown',
      tlsGroup: session === undefined ? 'unknown' : groupOf(session),
      cipher: socket.getCipher()?.name ?? 'unknown',
    };
  } finally {
    session?.fill(0); // it holds the session's secret
  }
}

/**
 * Node names the group to clients only, but the session that OpenSSL keeps has it on both sides, in field [19] of its
 * SSL_SESSION_ASN1 (`kex_group`, openssl/ssl/ssl_asn1.c).
 */
const KEX_GROUP_FIELD = contextTag(19, true);

function groupOf(session: Buffer): string {
  try {
    const fields = readElements(expectElement(readElement(session), TAG.sequence, 'session').content);
    const field = fields.find(({ tag }) => tag === KEX_GROUP_FIELD);
    if (field === undefined) return 'unknown';
    const { content } = expectElement(readElement(field.content), TAG.integer, 'kex_group');
    if (content.length > 4) return 'unknown';
    const code = content.readUIntBE(0, content.length);
    return GROUPS.get(code) ?? `0x${code.toString(16).padStart(4, '0')}`;
  } catch (error) {
    if (error instanceof ProtocolError) return 'unknown';
    throw error;
  }
}
