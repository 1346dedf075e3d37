import type { X509Certificate } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { ClientRequest, IssuedCertificate, ServingRequest } from './issued-certificate.ts';
import type { ServiceAccountKeys } from './service-account-keys.ts';

export interface CertificateAuthority {
  readonly certificatePem: string;
  readonly certificate: X509Certificate;
  issueServing(request: ServingRequest): IssuedCertificate;
  issueClient(request: ClientRequest): IssuedCertificate;
}

export interface KubeletServingRequest {
  readonly nodeName: string;
  /** Known once the Node object exists: renew the certificate then. */
  readonly nodeUid?: string;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

export declare class ClusterPki {
  static open(
    directory: string,
    options: { readonly clock: Clock; readonly random?: (size: number) => Buffer },
  ): Promise<ClusterPki>;
  /** Signs every serving certificate, and the client certificates towards the apiserver. */
  readonly clusterCa: CertificateAuthority;
  /** Signs only the apiserver's client certificate towards kubelets. */
  readonly kubeletClientCa: CertificateAuthority;
  readonly frontProxyCa: CertificateAuthority;
  readonly serviceAccountKeys: ServiceAccountKeys;
  /** By the cluster CA. */
  issueServing(request: ServingRequest): IssuedCertificate;
  /** By the cluster CA. */
  issueClient(request: ClientRequest): IssuedCertificate;
  issueKubeletServing(request: KubeletServingRequest): IssuedCertificate;
  /** By the kubelet-client CA: what the apiserver shows to kubelets. */
  issueKubeletClient(request: ClientRequest): IssuedCertificate;
  issueFrontProxyClient(request: ClientRequest): IssuedCertificate;
}
