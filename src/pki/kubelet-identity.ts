import type { X509Certificate } from 'node:crypto';
import type { CausewayError } from '../lib/errors.ts';

/** What a kubelet's serving certificate must say, besides being issued by the cluster CA. */
export interface ExpectedKubelet {
  readonly nodeName: string;
  /** The Node object's UID; when given, a certificate without it is refused. */
  readonly nodeUid?: string;
}

/** undefined when the certificate is that node's; otherwise why not. For `clientTls({verify})`. */
export declare function verifyKubelet(
  certificate: X509Certificate,
  expected: ExpectedKubelet,
): CausewayError | undefined;
