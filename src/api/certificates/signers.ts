/** The signers that this cluster serves itself (https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/). */
export const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';
export const KUBELET_CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';
export const KUBELET_SERVING_SIGNER = 'kubernetes.io/kubelet-serving';

/** Serving certificates of pods, by PodCertificateRequests. */
export const POD_SERVING_SIGNER = 'causeway.dev/pod-serving';

export const SERVED_SIGNERS: ReadonlySet<string> = new Set([
  CLIENT_SIGNER,
  KUBELET_CLIENT_SIGNER,
  KUBELET_SERVING_SIGNER,
]);

/** Of a Node: addresses, separated by commas, that its serving certificate may name besides the one that the apiserver sees. */
export const ALLOWED_ADDRESSES_ANNOTATION = 'causeway.dev/allowed-addresses';

/** Of a Node: the uid of the certificate request for which it was made. A name is taken by who made the Node. */
export const JOINED_BY_ANNOTATION = 'causeway.dev/joined-by';
