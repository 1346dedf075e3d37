/** The kinds of `certificates.k8s.io/v1beta1` in Kubernetes 1.36, of which no package has the words. */
import type { DescribedDefinition, DescribedProperty } from './definition.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const certificates = 'io.k8s.api.certificates.v1beta1';
const gv = { group: 'certificates.k8s.io', version: 'v1beta1' } as const;

type Properties = Readonly<Record<string, DescribedProperty>>;

function text(description: string): DescribedProperty {
  return { type: 'string', description };
}

function bytes(description: string): DescribedProperty {
  return { type: 'string', format: 'byte', description };
}

function time(description: string): DescribedProperty {
  return { ref: `${meta}.Time`, description };
}

const shared: Properties = {
  apiVersion: text('APIVersion names the group and version: certificates.k8s.io/v1beta1.'),
  kind: text('Kind names the type of this object in CamelCase.'),
};

function kind(name: string, description: string, parts: Properties): DescribedDefinition[] {
  return [
    {
      name: `${certificates}.${name}`,
      type: 'object',
      description,
      properties: {
        ...shared,
        metadata: { ref: `${meta}.ObjectMeta`, description: "Standard object's metadata." },
        ...parts,
      },
      required: ['spec'],
      gvk: [{ ...gv, kind: name }],
    },
    {
      name: `${certificates}.${name}List`,
      type: 'object',
      description: `${name}List is a list of ${name}.`,
      properties: {
        ...shared,
        metadata: { ref: `${meta}.ListMeta`, description: 'Standard list metadata.' },
        items: { type: 'array', items: { ref: `${certificates}.${name}` }, description: 'items is the list.' },
      },
      required: ['items'],
      gvk: [{ ...gv, kind: `${name}List` }],
    },
  ];
}

const requestSpec: Properties = {
  signerName: text('signerName says who shall issue the certificate.'),
  podName: text('podName is the pod into whose volume the certificate goes.'),
  podUID: text('podUID is the UID of that pod.'),
  serviceAccountName: text('serviceAccountName is the service account that the pod runs as.'),
  serviceAccountUID: text('serviceAccountUID is the UID of that service account.'),
  nodeName: text('nodeName is the node that the pod is on.'),
  nodeUID: text('nodeUID is the UID of that node.'),
  maxExpirationSeconds: {
    type: 'integer',
    format: 'int32',
    description:
      'maxExpirationSeconds is the longest life of the certificate: 3600 (an hour) up to 7862400 (91 days), for kubernetes.io signers 86400. Default 86400.',
  },
  pkixPublicKey: bytes('pkixPublicKey is deprecated, and refused: use stubPKCS10Request.'),
  proofOfPossession: bytes('proofOfPossession is deprecated, and refused: use stubPKCS10Request.'),
  stubPKCS10Request: bytes(
    'stubPKCS10Request is a PKCS#10 request in DER, signed by the private key: the key, and the proof of having it. Its other contents mean nothing. The key is RSA3072, RSA4096, ECDSAP256, ECDSAP384, ECDSAP521 or ED25519.',
  ),
  unverifiedUserAnnotations: {
    type: 'object',
    additionalProperties: { type: 'string' },
    description:
      "unverifiedUserAnnotations is what the pod's author wants the signer to know. Signers deny keys that they do not know.",
  },
};

const requestStatus: Properties = {
  conditions: {
    type: 'array',
    items: { ref: `${meta}.Condition` },
    description: 'conditions holds at most one of Issued, Denied and Failed, with the status True.',
  },
  certificateChain: text('certificateChain is the certificate as PEM, and what is sent along with it.'),
  notBefore: time('notBefore is when the certificate begins, as in the certificate.'),
  beginRefreshAt: time('beginRefreshAt is when the kubelet should ask for the next one.'),
  notAfter: time('notAfter is when the certificate ends, as in the certificate.'),
};

export const certificatesDefinitions: readonly DescribedDefinition[] = [
  ...kind('ClusterTrustBundle', 'ClusterTrustBundle is a set of CA certificates for everybody in the cluster.', {
    spec: { ref: `${certificates}.ClusterTrustBundleSpec`, description: 'spec holds the certificates.' },
  }),
  {
    name: `${certificates}.ClusterTrustBundleSpec`,
    type: 'object',
    description: 'ClusterTrustBundleSpec holds the certificates, and whose they are.',
    properties: {
      signerName: text(
        "signerName is the signer that these are the authorities of. The object's name then begins with it, with ':' for '/', and writing it needs the right to attest for that signer. Otherwise the name has no ':'.",
      ),
      trustBundle: text('trustBundle is PEM: certificates of authorities, each once, and nothing else.'),
    },
    required: ['trustBundle'],
  },
  ...kind('PodCertificateRequest', 'PodCertificateRequest is how a kubelet asks for the certificate of a pod.', {
    spec: {
      ref: `${certificates}.PodCertificateRequestSpec`,
      description: 'spec says what is asked; it never changes.',
    },
    status: { ref: `${certificates}.PodCertificateRequestStatus`, description: "status is the signer's answer." },
  }),
  {
    name: `${certificates}.PodCertificateRequestSpec`,
    type: 'object',
    description: 'PodCertificateRequestSpec says for which pod a certificate is asked, and of whom.',
    properties: requestSpec,
    required: Object.keys(requestSpec).filter(
      (name) =>
        !['maxExpirationSeconds', 'pkixPublicKey', 'proofOfPossession', 'unverifiedUserAnnotations'].includes(name),
    ),
  },
  {
    name: `${certificates}.PodCertificateRequestStatus`,
    type: 'object',
    description: 'PodCertificateRequestStatus is the answer: the certificate, or why there is none.',
    properties: requestStatus,
  },
];
