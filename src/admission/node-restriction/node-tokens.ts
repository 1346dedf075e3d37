import type { Pod, TokenRequestSpec } from '../../api/generated/types.ts';
import type { Authorizer } from '../../authz/authorizer.ts';
import type { AdmissionAttributes, ObjectReader } from '../plugin.ts';
import { refusal } from '../refuse.ts';
import { existingPod } from './node-pods.ts';

/** A node's token request must be bound to a pod that runs on it, and ask for an audience that this pod uses. */
export async function admitToken(
  reader: ObjectReader,
  authorizer: Authorizer,
  node: string,
  attributes: AdmissionAttributes,
): Promise<void> {
  if (attributes.operation !== 'CREATE' || attributes.subresource !== 'token') return;
  const spec = attributes.object?.['spec'] as TokenRequestSpec | undefined;
  const ref = spec?.boundObjectRef;
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) {
    throw refusal(attributes, 'node requested token not bound to a pod');
  }
  if (!ref.uid) throw refusal(attributes, 'node requested token with a pod binding without a uid');
  const pod = await existingPod(reader, attributes, ref.name);
  if (ref.uid !== pod.metadata?.uid) {
    throw refusal(
      attributes,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  if (pod.spec?.nodeName !== node) {
    throw refusal(attributes, 'node requested token bound to a pod scheduled on a different node');
  }
  // The Node authoriser compared the account with some pod of the node; the token's pod must be the one that runs as it.
  if ((pod.spec.serviceAccountName || 'default') !== attributes.name) {
    throw refusal(attributes, 'node requested token for a service account that its pod does not run as');
  }
  await checkAudience(reader, authorizer, attributes, pod, spec?.audiences ?? []);
}

/** KEP-4412: a node that was broken into gets no token that another service would believe. */
async function checkAudience(
  reader: ObjectReader,
  authorizer: Authorizer,
  attributes: AdmissionAttributes,
  pod: Pod,
  audiences: readonly string[],
): Promise<void> {
  if (audiences.length > 1) throw refusal(attributes, 'node may only request 0 or 1 audiences');
  const audience = audiences[0] ?? '';
  if (await usesAudience(reader, pod, audience)) return;
  const { verdict, reason } = await authorizer.authorize({
    user: attributes.user,
    verb: 'request-serviceaccounts-token-audience',
    resourceRequest: true,
    namespace: attributes.namespace,
    apiGroup: '',
    apiVersion: 'v1',
    resource: audience,
    subresource: '',
    name: attributes.name,
    path: '',
  });
  if (verdict === 'allow') return;
  const why = reason === '' ? '' : `, ${reason}`;
  throw refusal(attributes, `audience ${JSON.stringify(audience)} not found in pod spec volume${why}`);
}

async function usesAudience(reader: ObjectReader, pod: Pod, audience: string): Promise<boolean> {
  for (const volume of pod.spec?.volumes ?? []) {
    for (const { serviceAccountToken } of volume.projected?.sources ?? []) {
      if (serviceAccountToken && (serviceAccountToken.audience ?? '') === audience) return true;
    }
    if (!volume.csi) continue;
    const driver = await reader.get('storage.k8s.io', 'csidrivers', '', volume.csi.driver);
    const spec = driver?.['spec'] as { tokenRequests?: readonly { audience?: string }[] } | undefined;
    if ((spec?.tokenRequests ?? []).some((request) => (request.audience ?? '') === audience)) return true;
  }
  return false;
}
