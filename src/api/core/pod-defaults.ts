import type { Container, EphemeralContainer, Pod, PodSpec, PodTemplateSpec } from '../generated/types.ts';
import { canonicalizeResourceList } from '../quantity.ts';
import { dropZeroes } from '../zero-values.ts';
import { defaultContainer, defaultRequests } from './container-defaults.ts';
import { defaultVolume } from './volume-defaults.ts';

const plainFields = [
  'hostNetwork',
  'hostPID',
  'hostIPC',
  'nodeName',
  'hostname',
  'subdomain',
  'priorityClassName',
  'serviceAccountName',
  'serviceAccount',
  'nodeSelector',
  'volumes',
  'initContainers',
  'ephemeralContainers',
  'imagePullSecrets',
  'tolerations',
  'hostAliases',
  'readinessGates',
  'topologySpreadConstraints',
  'schedulingGates',
  'resourceClaims',
  'overhead',
] as const;

/** What pods and pod templates have in common. */
export function defaultPodSpec(spec: PodSpec): void {
  dropZeroes(spec, plainFields);
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  // kubectl debug reads it without asking whether it is there.
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= 'default-scheduler';
  for (const container of allContainers(spec)) defaultContainer(container);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  canonicalizeResourceList(spec.overhead);
  canonicalizeResourceList(spec.resources?.limits);
  canonicalizeResourceList(spec.resources?.requests);
  mirrorServiceAccount(spec);
}

/** `serviceAccount` is the old name of `serviceAccountName`: both are always stored, and the new one wins. */
export function mirrorServiceAccount(spec: PodSpec): void {
  const name = spec.serviceAccountName || spec.serviceAccount;
  if (name === undefined || name === '') return;
  spec.serviceAccountName = name;
  spec.serviceAccount = name;
}

/** A pod has more defaults than a template: requests from limits, host ports on the host's network, service links. */
export function defaultPod(pod: Pod): void {
  pod.spec ??= { containers: [] };
  const { spec } = pod;
  defaultPodSpec(spec);
  const own = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  for (const container of own) defaultRequests(container);
  if (spec.resources !== undefined) defaultRequests(spec as { resources: NonNullable<Container['resources']> });
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork === true) {
    for (const port of own.flatMap((container) => container.ports ?? [])) port.hostPort ||= port.containerPort;
  }
}

/** The template of a workload; a missing one becomes the empty one, which validation then refuses field by field. */
export function defaultPodTemplate(owner: { template?: PodTemplateSpec | undefined }): void {
  owner.template ??= {};
  owner.template.metadata ??= {};
  owner.template.spec ??= { containers: [] };
  defaultPodSpec(owner.template.spec);
}

/** Init, ordinary and ephemeral containers. */
export function allContainers(spec: PodSpec): (Container | EphemeralContainer)[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}
