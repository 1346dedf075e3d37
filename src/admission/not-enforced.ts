import { SERVED_SIGNERS } from '../api/certificates/signers.ts';
import type { CertificateSigningRequest, Service } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { groupResource, refusal } from './refuse.ts';

/**
 * Kinds that restrict something, or make something be served, and that nothing in this cluster carries out yet. Stored, they would only
 * look as if they did: somebody would rely on them. So they are refused by name. A kind leaves this table when it is enforced.
 */
const refusedKinds: ReadonlyMap<string, string> = new Map([
  ['validatingwebhookconfigurations.admissionregistration.k8s.io', 'requests would pass without the webhook'],
  ['mutatingwebhookconfigurations.admissionregistration.k8s.io', 'objects would be stored without the webhook'],
  ['validatingadmissionpolicies.admissionregistration.k8s.io', 'requests would pass unchecked'],
  ['validatingadmissionpolicybindings.admissionregistration.k8s.io', 'requests would pass unchecked'],
  ['mutatingadmissionpolicies.admissionregistration.k8s.io', 'objects would be stored unchanged'],
  ['mutatingadmissionpolicybindings.admissionregistration.k8s.io', 'objects would be stored unchanged'],
  ['networkpolicies.networking.k8s.io', 'traffic would flow as if it were not there'],
  ['resourcequotas', 'nothing would be counted or limited'],
  ['limitranges', 'no default or limit would be applied'],
  ['flowschemas.flowcontrol.apiserver.k8s.io', 'requests would not be classified by it'],
  ['prioritylevelconfigurations.flowcontrol.apiserver.k8s.io', 'requests would not be limited by it'],
  ['customresourcedefinitions.apiextensions.k8s.io', 'its resources would not be served'],
  ['apiservices.apiregistration.k8s.io', 'its group would not be served'],
]);

/** Kinds that are stored and wait for somebody to act on them, where it may be that nobody does: whoever makes one is told. */
const unattendedKinds: ReadonlyMap<string, (object: KubeObject | undefined) => string | undefined> = new Map([
  ['certificatesigningrequests.certificates.k8s.io', unservedSigner],
]);

function unservedSigner(object: KubeObject | undefined): string | undefined {
  const { signerName = '' } = (object as unknown as CertificateSigningRequest | undefined)?.spec ?? {};
  return SERVED_SIGNERS.has(signerName) ? undefined : `nothing is issued for the signer ${JSON.stringify(signerName)}`;
}

/** Fields that restrict and that nothing carries out yet, in kinds that are served otherwise. */
const refusedFields: ReadonlyMap<string, (object: KubeObject) => readonly string[]> = new Map([
  ['services', serviceFields],
]);

/** What `spec.loadBalancerSourceRanges` was before it was a field; it still counts. */
const sourceRanges = 'service.beta.kubernetes.io/load-balancer-source-ranges';

function serviceFields(object: KubeObject): readonly string[] {
  const { metadata, spec } = object as unknown as Service;
  const annotated = (metadata.annotations?.[sourceRanges] ?? '') !== '';
  return [
    ...((spec?.loadBalancerSourceRanges ?? []).length > 0 ? ['spec.loadBalancerSourceRanges'] : []),
    ...(annotated ? [`metadata.annotations[${sourceRanges}]`] : []),
  ];
}

/** Refuses what would fail open. Deleting is always allowed. */
export const notEnforced: AdmissionPlugin = {
  name: 'NotEnforced',
  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, kind, object, oldObject } = attributes;
    if (operation !== 'CREATE' && operation !== 'UPDATE') return;
    const resource = groupResource(attributes);
    const consequence = refusedKinds.get(resource);
    if (consequence !== undefined) {
      throw refusal(attributes, `${kind} is not enforced by this cluster yet: ${consequence}`);
    }
    const unattended = operation === 'CREATE' ? unattendedKinds.get(resource)?.(object) : undefined;
    if (unattended !== undefined) {
      attributes.warn(`${kind} is not acted on by this cluster itself: ${unattended}`);
    }
    const fields = refusedFields.get(resource);
    if (fields === undefined || object === undefined) return;
    const before = new Set(oldObject === undefined ? [] : fields(oldObject));
    const added = fields(object).filter((field) => !before.has(field));
    if (added.length > 0) throw refusal(attributes, `${added.join(', ')} is not enforced by this cluster yet`);
  },
};
