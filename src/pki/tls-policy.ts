import { constants } from 'node:crypto';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/**
 * Key exchange, best first. A slash ends a tuple of OpenSSL's group list: a server asks a client that supports the post-quantum hybrid
 * but sent a share of another group to try again with the hybrid (RFC 8446 §4.1.4) rather than settle for less.
 */
export const KEY_EXCHANGE_GROUPS = 'X25519MLKEM768/X25519:P-256:P-384:P-521';

/** TLS 1.3 suites are OpenSSL's own three; below them only ephemeral ECDH with AEAD (RFC 9325 §4.2). */
export const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');

/**
 * No session is ever resumed: a resumed session skips the check of the client's certificate against today's trust and clock on the
 * server, and in Node the check of the server's identity on the client. No renegotiation either (TLS 1.2).
 */
export const SECURE_OPTIONS = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;
