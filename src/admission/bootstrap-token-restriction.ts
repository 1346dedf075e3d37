import { KUBELET_CLIENT_SIGNER } from '../api/certificates/signers.ts';
import { isBootstrapUser } from '../api/core/bootstrap-token.ts';
import type { CertificateSigningRequest } from '../api/generated/types.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { groupResource, refusal } from './refuse.ts';

const REQUESTS = 'certificatesigningrequests.certificates.k8s.io';

/** Questions about oneself: nothing is stored. */
const SELF_REVIEWS: ReadonlySet<string> = new Set([
  'selfsubjectreviews.authentication.k8s.io',
  'selfsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectrulesreviews.authorization.k8s.io',
]);

/** A bootstrap token is for asking for a node's client certificate and writes nothing else, whatever roles its groups were given. */
export const bootstrapTokenRestriction: AdmissionPlugin = {
  name: 'BootstrapTokenRestriction',
  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { user, operation, subresource, object } = attributes;
    if (!isBootstrapUser(user.username)) return;
    const resource = groupResource(attributes);
    if (operation === 'CREATE' && subresource === '') {
      if (SELF_REVIEWS.has(resource)) return;
      const request = resource === REQUESTS ? (object as unknown as CertificateSigningRequest | undefined) : undefined;
      if (request?.spec.signerName === KUBELET_CLIENT_SIGNER) return;
    }
    throw refusal(
      attributes,
      `a bootstrap token may only create certificate signing requests for the signer ${KUBELET_CLIENT_SIGNER}`,
    );
  },
};
