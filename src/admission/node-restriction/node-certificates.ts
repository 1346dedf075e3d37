import type { PodCertificateRequest } from '../../api/generated/types.ts';
import { isMirrorPod } from '../mirror-pod.ts';
import type { AdmissionAttributes, ObjectReader } from '../plugin.ts';
import { refusal } from '../refuse.ts';
import { existingPod } from './node-pods.ts';

/**
 * A node asks for certificates of the pods that it runs, and of the signers that these pods name: for another pod's it would get that
 * pod's names.
 */
export async function admitPodCertificateRequest(
  reader: ObjectReader,
  node: string,
  attributes: AdmissionAttributes,
): Promise<void> {
  const { operation, subresource, object, namespace, user } = attributes;
  if (operation !== 'CREATE' || subresource !== '') throw refusal(attributes, `unexpected operation "${operation}"`);
  const { spec } = object as unknown as PodCertificateRequest;
  const me = `node ${JSON.stringify(node)}`;
  if (spec.nodeName !== node) {
    throw refusal(
      attributes,
      `PodCertificateRequest.Spec.NodeName=${JSON.stringify(spec.nodeName)}, which is not ${me}`,
    );
  }
  // The user's UID is that of its Node, by now.
  if (spec.nodeUID !== user.uid) throw refusal(attributes, `${me} UID mismatch: got ${JSON.stringify(spec.nodeUID)}`);
  const pod = await existingPod(reader, attributes, spec.podName);
  const named = `pod ${JSON.stringify(`${namespace}/${spec.podName}`)}`;
  if (pod.spec?.nodeName !== node) throw refusal(attributes, `${named} is not on ${me}`);
  if (pod.metadata?.uid !== spec.podUID) {
    throw refusal(attributes, `${named} UID mismatch: got ${JSON.stringify(spec.podUID)}`);
  }
  if (isMirrorPod(pod.metadata)) throw refusal(attributes, `${named} is a mirror pod: it gets no certificate`);
  if (pod.spec.serviceAccountName !== spec.serviceAccountName) {
    throw refusal(attributes, `${named} does not run as service account ${JSON.stringify(spec.serviceAccountName)}`);
  }
  const account = await reader.get('', 'serviceaccounts', namespace, spec.serviceAccountName);
  if (account?.metadata.uid !== spec.serviceAccountUID) {
    const got = JSON.stringify(spec.serviceAccountUID);
    throw refusal(attributes, `service account ${JSON.stringify(spec.serviceAccountName)} UID mismatch: got ${got}`);
  }
  const sources = (pod.spec.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? []);
  if (!sources.some((source) => source.podCertificate?.signerName === spec.signerName)) {
    throw refusal(attributes, `${named} has no volume with a certificate of ${JSON.stringify(spec.signerName)}`);
  }
}
