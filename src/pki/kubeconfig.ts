import type { IssuedCertificate } from './issued-certificate.ts';

export interface KubeconfigOptions {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  readonly caPem: string;
  readonly identity: IssuedCertificate;
  /** Default `causeway`. */
  readonly clusterName?: string;
  /** Default `admin`. */
  readonly userName?: string;
  readonly namespace?: string;
}

/** A kubeconfig as YAML with all data inside and no file paths. It holds a private key: write it with `writeSecretFile`. */
export declare function kubeconfig(options: KubeconfigOptions): string;
