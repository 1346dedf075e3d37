import { X509Certificate } from 'node:crypto';
import { CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER } from '../../api/certificates/signers.ts';
import type { CertificateSigningRequest, Node, Secret } from '../../api/generated/types.ts';
import { CERTIFICATE_SIGNING_REQUESTS, NODES, SECRETS } from '../../client/resources.ts';
import { RestClient } from '../../client/rest-client.ts';
import { credentialsOf, until } from '../../client/testing/test-client.ts';
import { fixedCertificate } from '../../pki/issued-certificate.ts';
import { ecKey, requestPem, type TestKey, type TestRequest } from '../../pki/testing/test-requests.ts';
import type { TestCluster } from './test-cluster.ts';

/** For tests: who asks for certificates, and what they ask for. */

let count = 0;

/** A client with a certificate that says exactly this, whether or not anybody would issue it. */
export function clientAs(cluster: TestCluster, user: string, groups: readonly string[], uid?: string): RestClient {
  const { api } = cluster;
  const issued = api.pki.issueClient({ user, groups, ...(uid === undefined ? {} : { uid }) });
  const client = new RestClient(
    api.url,
    credentialsOf(api.pki.clusterCa.certificatePem, fixedCertificate(issued)),
    `test-${user}`,
  );
  cluster.onStop(async () => client.close());
  return client;
}

/** A node that has joined: its Node, and a client with the certificate of that. */
export async function joinedNode(cluster: TestCluster, name: string): Promise<{ node: Node; client: RestClient }> {
  const node = await cluster.admin.create(NODES, { metadata: { name } });
  return { node, client: clientAs(cluster, `system:node:${name}`, ['system:nodes'], node.metadata.uid) };
}

/** The token's Secret, and a client whose user is the token's. */
export async function bootstrapper(
  cluster: TestCluster,
  tokenId: string,
  data: Readonly<Record<string, string>> = {},
): Promise<RestClient> {
  const stringData = {
    'token-id': tokenId,
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    ...data,
  };
  const metadata = { name: `bootstrap-token-${tokenId}`, namespace: 'kube-system' };
  await cluster.admin.create(SECRETS, { metadata, type: 'bootstrap.kubernetes.io/token', stringData } as Secret);
  return clientAs(cluster, `system:bootstrap:${tokenId}`, ['system:bootstrappers']);
}

const USAGES: Readonly<Record<string, readonly string[]>> = {
  [KUBELET_CLIENT_SIGNER]: ['digital signature', 'client auth'],
  [KUBELET_SERVING_SIGNER]: ['digital signature', 'server auth'],
  [CLIENT_SIGNER]: ['client auth'],
};

export type Asked = TestRequest & {
  readonly usages?: readonly string[];
  readonly expirationSeconds?: number;
  /** The PEM itself. */
  readonly pem?: string;
};

/** Asks for a certificate. Node signers: of the node that the common name says. */
export function ask(client: RestClient, signerName: string, asked: Asked): Promise<CertificateSigningRequest> {
  const { usages = USAGES[signerName] ?? [], expirationSeconds, pem, ...request } = asked;
  const text = pem ?? requestPem(request);
  return client.create(CERTIFICATE_SIGNING_REQUESTS, {
    metadata: { name: `r${++count}` },
    spec: {
      request: Buffer.from(text).toString('base64'),
      signerName,
      usages: [...usages] as NonNullable<CertificateSigningRequest['spec']['usages']>,
      ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
    },
  });
}

export function nodeRequest(name: string, key: TestKey = ecKey()): TestRequest {
  return { commonName: `system:node:${name}`, organizations: ['system:nodes'], key };
}

export interface Decided {
  /** `Approved`, `Denied RequestRefused`, `Approved,Failed SignerValidationFailure`. */
  readonly words: string;
  readonly message: string;
  readonly certificate: X509Certificate | undefined;
}

/** Waits until a request is issued, denied or failed. */
export function decided(
  cluster: TestCluster,
  { metadata: { name = '' } }: CertificateSigningRequest,
): Promise<Decided> {
  return until(`${name} to be decided`, async () => {
    const { status } = await cluster.admin.get(CERTIFICATE_SIGNING_REQUESTS, '', name);
    const conditions = status?.conditions ?? [];
    const last = conditions.at(-1);
    if (last === undefined || (last.type === 'Approved' && status?.certificate === undefined)) return undefined;
    const pem = status?.certificate;
    return {
      words: `${conditions.map(({ type }) => type).join(',')} ${last.reason ?? ''}`,
      message: last.message ?? '',
      certificate: pem === undefined ? undefined : new X509Certificate(Buffer.from(pem, 'base64')),
    };
  });
}

/** As `kubectl certificate approve` or `deny` does it. */
export async function judgeByHand(
  client: RestClient,
  { metadata: { name = '' } }: CertificateSigningRequest,
  type: 'Approved' | 'Denied' = 'Approved',
): Promise<void> {
  const csr = await client.get(CERTIFICATE_SIGNING_REQUESTS, '', name);
  const condition = { type, status: 'True', reason: 'KubectlApprove', message: 'by a person' };
  const conditions = [...(csr.status?.conditions ?? []), condition];
  await client.update(CERTIFICATE_SIGNING_REQUESTS, { ...csr, status: { ...csr.status, conditions } }, 'approval');
}
