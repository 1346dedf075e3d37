import { CausewayError } from '../lib/errors.ts';

/** OpenSSL's verification results and TLS alerts, in the words that Kubernetes' users know from Go. One row a code. */
const SENTENCES: ReadonlyMap<string, string> = new Map([
  ['CERT_HAS_EXPIRED', 'x509: certificate has expired or is not yet valid'],
  ['CERT_NOT_YET_VALID', 'x509: certificate has expired or is not yet valid'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'x509: certificate signed by unknown authority'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'x509: certificate signed by unknown authority'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'x509: certificate signed by unknown authority'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'x509: certificate signed by unknown authority'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'x509: certificate signed by unknown authority'],
  ['CERT_SIGNATURE_FAILURE', 'x509: certificate signature is not valid'],
  ['INVALID_PURPOSE', 'x509: certificate specifies an incompatible key usage'],
  ['INVALID_CA', 'x509: invalid certificate: its issuer is not allowed to issue certificates'],
  ['PATH_LENGTH_EXCEEDED', 'x509: too many intermediates for path length constraint'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'x509: certificate is not valid for the name of the server'],
]);

/** Why a certificate was refused, from the code that TLS gave. */
export function describeVerification(code: string): string {
  return SENTENCES.get(code) ?? `x509: ${code}`;
}

/** Why a TLS connection failed, without secrets: for Status messages, events and the catalogue of paths. */
export function describeTlsFailure(error: unknown): string {
  if (error instanceof CausewayError) return error.message;
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code !== 'string') return 'tls: handshake failed';
  const sentence = SENTENCES.get(code);
  if (sentence !== undefined) return `tls: failed to verify certificate: ${sentence}`;
  return (
    TRANSPORT.get(code) ??
    `tls: ${code
      .replace(/^ERR_(SSL|TLS)_/, '')
      .replaceAll('_', ' ')
      .toLowerCase()}`
  );
}

const TRANSPORT: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connect: connection refused'],
  ['ECONNRESET', 'connection reset by peer'],
  ['EPIPE', 'connection reset by peer'],
  ['ETIMEDOUT', 'connect: connection timed out'],
  ['EHOSTUNREACH', 'connect: no route to host'],
  ['ENETUNREACH', 'connect: network is unreachable'],
]);
