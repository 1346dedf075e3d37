/** What is told of a certificate that an end of a connection showed. */
export interface CertificateEvidence {
  /** `O=system:nodes, CN=system:node:n1`. */
  readonly subject: string;
  readonly issuer: string;
  /** RFC 3339. */
  readonly notAfter: string;
}

/** What listeners and dialers report of each connection: the evidence behind `CommunicationPath`. */
export interface ConnectionEvidence {
  /** A row of the catalogue (`paths/catalogue.ts`), for example `apiserver-to-kubelet`. */
  readonly path: string;
  /** Who the two ends are, as proved: `system:node:n1`, `system:kube-apiserver`. */
  readonly from: string;
  readonly to: string;
  readonly transport: 'tls' | 'plain' | 'unix' | 'in-process';
  /** `TLSv1.3`, and the group that the key exchange used: `X25519MLKEM768`. */
  readonly tlsVersion?: string;
  readonly tlsGroup?: string;
  readonly cipher?: string;
  /** How the client verified the server: `CA causeway, name system:node:n1, UID …`. */
  readonly serverVerifiedBy?: string;
  /** How the server verified the client: `x509`, `service-account`, … */
  readonly clientVerifiedBy?: string;
  /** What the server showed, and what the client showed if it did so. */
  readonly serverCertificate?: CertificateEvidence;
  readonly clientCertificate?: CertificateEvidence;
  /**
   * Which end reports. A connection whose two ends are both ours is reported by both, and counted once. Default `server` for the
   * paths to the apiserver, `client` for the others.
   */
  readonly reportedBy?: 'client' | 'server';
}

export interface PathObserver {
  /** A connection whose handshake succeeded. Call the answer once when it ends. */
  opened(evidence: ConnectionEvidence): () => void;
  /** A connection that was refused or failed; `reason` holds no secret. */
  failed(path: string, from: string, to: string, reason: string): void;
  /** An authorisation made on that path: `RBAC`, `Node`, `SubjectAccessReview`. */
  authorised(path: string, from: string, to: string, how: string): void;
}
