import { isDeepStrictEqual } from 'node:util';
import type { CertificateSigningRequest } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import { nodeNameOf } from '../authz/node/node-identity.ts';
import { ProtocolError } from '../lib/errors.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { groupResource, refusal } from './refuse.ts';

const resource = 'certificatesigningrequests.certificates.k8s.io';
const podRequests = 'podcertificaterequests.certificates.k8s.io';
const trustBundles = 'clustertrustbundles.certificates.k8s.io';
const clientSigner = 'kubernetes.io/kube-apiserver-client';

/** The organizations in the subject of a PKCS#10 request, given as base64 of its PEM. Throws `ProtocolError` when it cannot be read. */
export type CertificateRequestOrganizations = (request: string) => readonly string[];

/** Nobody becomes a superuser by a certificate request, not even with an approver who does not look. */
export class CertificateSubjectRestriction implements AdmissionPlugin {
  readonly name = 'CertificateSubjectRestriction';
  readonly resources = [resource];
  readonly #organizations: CertificateRequestOrganizations;

  constructor(organizations: CertificateRequestOrganizations) {
    this.#organizations = organizations;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, subresource, object } = attributes;
    if (operation !== 'CREATE' || subresource !== '' || groupResource(attributes) !== resource) return;
    const csr = object as unknown as CertificateSigningRequest | undefined;
    if (csr?.spec.signerName !== clientSigner) return;
    let organizations: readonly string[];
    try {
      organizations = this.#organizations(csr.spec.request);
    } catch (error) {
      throw refusal(
        attributes,
        `failed to parse CSR: ${error instanceof ProtocolError ? error.message : 'not readable'}`,
      );
    }
    if (organizations.includes('system:masters')) {
      throw refusal(attributes, `use of ${clientSigner} signer with system:masters group is not allowed`);
    }
  }
}

/** Approving or denying a request needs the right to `approve` for its signer. */
export class CertificateApproval implements AdmissionPlugin {
  readonly name = 'CertificateApproval';
  readonly resources = [resource];
  readonly #authorizer: Authorizer;

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, subresource, oldObject } = attributes;
    if (operation !== 'UPDATE' || subresource !== 'approval' || groupResource(attributes) !== resource) return;
    const signer = (oldObject as unknown as CertificateSigningRequest | undefined)?.spec.signerName ?? '';
    if (await mayUseSigner(this.#authorizer, attributes, 'approve', signer)) return;
    throw refusal(attributes, `user not permitted to approve requests with signerName ${JSON.stringify(signer)}`);
  }
}

/** Writing a certificate (or a failure) into a request, be it a pod's, needs the right to `sign` for its signer. */
export class CertificateSigning implements AdmissionPlugin {
  readonly name = 'CertificateSigning';
  readonly resources = [resource, podRequests];
  readonly #authorizer: Authorizer;

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, subresource, object, oldObject } = attributes;
    if (operation !== 'UPDATE' || subresource !== 'status' || !this.resources.includes(groupResource(attributes)))
      return;
    if (sameAnswer(object, oldObject)) return;
    const signer = signerOf(oldObject);
    if (await mayUseSigner(this.#authorizer, attributes, 'sign', signer)) return;
    throw refusal(attributes, `user not permitted to sign requests with signerName ${JSON.stringify(signer)}`);
  }
}

/** Of a CertificateSigningRequest the certificate and the conditions, of a pod's request everything. */
function sameAnswer(now: KubeObject | undefined, before: KubeObject | undefined): boolean {
  const answerOf = (object: KubeObject | undefined) => ({ conditions: [], ...(object?.status as object | undefined) });
  return isDeepStrictEqual(answerOf(now), answerOf(before));
}

function signerOf(object: KubeObject | undefined): string {
  return (object as unknown as { spec?: { signerName?: string } } | undefined)?.spec?.signerName ?? '';
}

/** Saying who a signer's authorities are needs the right to `attest` for it. */
export class ClusterTrustBundleAttest implements AdmissionPlugin {
  readonly name = 'ClusterTrustBundleAttest';
  readonly resources = [trustBundles];
  readonly #authorizer: Authorizer;

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, object, oldObject } = attributes;
    if (operation !== 'CREATE' && operation !== 'UPDATE') return;
    if (groupResource(attributes) !== trustBundles) return;
    // Metadata alone tells nobody whom to trust; but labels do, for pods choose bundles by them.
    const told = (one: KubeObject | undefined) => [one?.['spec'], one?.metadata.labels ?? {}];
    if (operation === 'UPDATE' && isDeepStrictEqual(told(object), told(oldObject))) return;
    for (const signer of new Set([signerOf(object), signerOf(oldObject)])) {
      if (signer === '' || (await mayUseSigner(this.#authorizer, attributes, 'attest', signer))) continue;
      throw refusal(attributes, `user not permitted to attest for signerName ${JSON.stringify(signer)}`);
    }
  }
}

/** A pod's certificate is asked for by the kubelet that runs it, whoever has what right: it alone keeps the key where no one else is. */
export const podCertificateRequester: AdmissionPlugin = {
  name: 'PodCertificateRequester',
  resources: [podRequests],
  async validate(attributes) {
    const { operation, subresource, user } = attributes;
    if (operation !== 'CREATE' || subresource !== '' || groupResource(attributes) !== podRequests) return;
    if ((nodeNameOf(user) ?? '') !== '') return;
    throw refusal(
      attributes,
      'only the node of a pod asks for its certificate: add a podCertificate volume to the pod',
    );
  },
};

/** Asked for the signer's name, then for all signers of its domain: `example.com/*`. */
async function mayUseSigner(
  authorizer: Authorizer,
  attributes: AdmissionAttributes,
  verb: 'approve' | 'sign' | 'attest',
  signer: string,
): Promise<boolean> {
  for (const name of [signer, `${signer.split('/')[0]}/*`]) {
    const decision = await authorizer.authorize({
      user: attributes.user,
      verb,
      resourceRequest: true,
      namespace: '',
      apiGroup: 'certificates.k8s.io',
      apiVersion: '*',
      resource: 'signers',
      subresource: '',
      name,
      path: '',
    });
    if (decision.verdict === 'allow') return true;
  }
  return false;
}
