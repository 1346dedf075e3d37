import type { InformerFactory } from '../client/informer.ts';
import type { CausewayError } from '../lib/errors.ts';
import type { CertificateSource } from '../pki/issued-certificate.ts';
import type { TrustSource } from '../pki/trust.ts';

/** A node's certificates and its trust, wherever they come from: issued in this process, or by the control plane on request. */
export interface NodeCredentials {
  /** The Node object that both certificates are for; another one of the same name is another node. */
  nodeUid(): string;
  /** What the kubelet shows to the apiserver. */
  readonly identity: CertificateSource;
  /** What it shows to those who call it. */
  readonly serving: CertificateSource;
  /** Whom the apiserver's certificate must come from. */
  readonly serverCa: TrustSource;
  /** Whom the certificates of the kubelet's clients must come from. */
  readonly kubeletClientCas: TrustSource;
  /** Asks for what of the cluster changes the trust: before the informers start. */
  follow(informers: InformerFactory): void;
  /**
   * The apiserver refuses this node (`NotFound`, `Forbidden`: its Node object is gone; `Unauthorized`). Resolves when it makes sense to go on, with
   * other certificates maybe; rejects when a person has to join the node again.
   */
  refused(error: CausewayError): Promise<void>;
  close(): void;
}
