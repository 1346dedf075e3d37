import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { OID } from './oids.ts';

/** What people are told of a certificate. */
export interface CertificateSummary {
  /** `O=system:nodes, CN=system:node:n1, UID=…`. */
  readonly subject: string;
  readonly issuer: string;
  /** RFC 3339. */
  readonly notAfter: string;
}

export function certificateSummary(certificate: X509Certificate): CertificateSummary {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    notAfter: certificate.validToDate.toISOString().replace('.000Z', 'Z'),
  };
}

/** What the server of a client's connection showed, as `ConnectionEvidence` has it. */
export function shownCertificate(socket: TLSSocket): { readonly serverCertificate?: CertificateSummary } {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? {} : { serverCertificate: certificateSummary(certificate) };
}

/** Node writes a name with one attribute a line, each escaped, and leaves it out where there is none. */
function oneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ').replace(`${OID.kubernetesUid}=`, 'UID=');
}
