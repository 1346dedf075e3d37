import type { ErrorCause } from '../../lib/errors.ts';
import { forbidden, invalidEach, invalidValue, notSupported, required, together } from '../field-error.ts';
import type { PodDNSConfig, PodSpec, PodTemplateSpec } from '../generated/types.ts';
import { validateIp } from '../ip-address.ts';
import { validateAnnotations, validateLabels } from '../metadata.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName, rangeError } from '../names.ts';
import {
  type ContainerScope,
  validateContainers,
  validateEphemeralContainers,
  validateInitContainers,
} from './container-validation.ts';
import { validateQuantityOf } from './resource-requirements.ts';
import {
  validateAffinity,
  validateSchedulingGates,
  validateTolerations,
  validateTopologySpread,
} from './scheduling-validation.ts';
import { validatePodSecurityContext } from './security-context.ts';
import { validateVolumes } from './volume-validation.ts';

const restartPolicies = ['Always', 'OnFailure', 'Never'];
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const int32Max = 2_147_483_647;

/** A pod's spec, or a template's: `inPod` adds what only pods must keep. */
export function validatePodSpec(spec: PodSpec, path: string, inPod: boolean): ErrorCause[] {
  const scope: ContainerScope = {
    volumeNames: namesOf(spec.volumes),
    claimNames: namesOf(spec.resourceClaims),
    grace: spec.terminationGracePeriodSeconds,
    podRestartPolicy: spec.restartPolicy,
    hostUsers: spec.hostUsers !== false,
  };
  const causes: ErrorCause[] = [];
  if (spec.terminationGracePeriodSeconds === undefined) {
    causes.push(required(`${path}.terminationGracePeriodSeconds`));
  }
  return together(
    causes,
    validateVolumes(spec.volumes, `${path}.volumes`),
    validateContainers(spec, scope, `${path}.containers`),
    validateInitContainers(spec, scope, `${path}.initContainers`),
    validateEphemeralContainers(spec, scope, `${path}.ephemeralContainers`),
    validateHostNetwork(spec, path, inPod),
    oneOf(spec.restartPolicy, restartPolicies, `${path}.restartPolicy`),
    oneOf(spec.dnsPolicy, dnsPolicies, `${path}.dnsPolicy`),
    validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    validatePodSecurityContext(spec, `${path}.securityContext`),
    validateAffinity(spec.affinity, `${path}.affinity`),
    validateDnsConfig(spec.dnsConfig, spec.dnsPolicy, `${path}.dnsConfig`),
    (spec.readinessGates ?? []).flatMap(({ conditionType: type }, i) =>
      invalidEach(`${path}.readinessGates[${i}].conditionType`, type, qualifiedName(type ?? '')),
    ),
    validateSchedulingGates(spec, `${path}.schedulingGates`),
    validateTopologySpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`),
    validateHostUsers(spec, path),
    validateNames(spec, path),
    validateTolerations(spec.tolerations, `${path}.tolerations`),
    validateHostAliases(spec, `${path}.hostAliases`),
    validateScalars(spec, path),
  );
}

const NO_NAMES: ReadonlySet<string> = new Set();

function namesOf(named: readonly { readonly name: string }[] | undefined): ReadonlySet<string> {
  const all = named ?? [];
  return all.length === 0 ? NO_NAMES : new Set(all.map(({ name }) => name));
}

/** `template` of a workload. */
export function validatePodTemplate(template: PodTemplateSpec | undefined, path: string): ErrorCause[] {
  const spec = template?.spec ?? ({} as PodSpec);
  const causes = [
    ...validateLabels(template?.metadata?.labels, `${path}.labels`),
    ...validateAnnotations(template?.metadata?.annotations, `${path}.annotations`),
    ...validatePodSpec(spec, `${path}.spec`, false),
  ];
  if ((spec.ephemeralContainers ?? []).length > 0) {
    causes.push(forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'));
  }
  return causes;
}

function oneOf(value: string | undefined, supported: readonly string[], field: string): ErrorCause[] {
  if (value === undefined || value === '') return [required(field)];
  return supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

function validateHostNetwork(spec: PodSpec, path: string, inPod: boolean): ErrorCause[] {
  if (spec.hostNetwork !== true) return [];
  return (spec.containers ?? []).flatMap((container, c) =>
    (container.ports ?? []).flatMap((port, p) => {
      const host = port.hostPort ?? 0;
      if (host === port.containerPort || (!inPod && host === 0)) return [];
      const text = 'must match `containerPort` when `hostNetwork` is true';
      return [invalidValue(`${path}.containers[${c}].ports[${p}].hostPort`, host, text)];
    }),
  );
}

function validateHostUsers(spec: PodSpec, path: string): ErrorCause[] {
  if (spec.hostUsers !== false) return [];
  const text = 'when `pod.Spec.HostUsers` is false';
  const causes: ErrorCause[] = [];
  if (spec.hostNetwork === true) causes.push(forbidden(`${path}.hostNetwork`, text));
  if (spec.hostPID === true) causes.push(forbidden(`${path}.HostPID`, text));
  if (spec.hostIPC === true) causes.push(forbidden(`${path}.HostIPC`, text));
  return causes;
}

function validateNames(spec: PodSpec, path: string): ErrorCause[] {
  const subdomains = ['serviceAccountName', 'nodeName', 'priorityClassName', 'runtimeClassName'] as const;
  const labels = ['hostname', 'subdomain'] as const;
  return [
    ...subdomains.flatMap((field) => {
      const name = spec[field] ?? '';
      return name === '' ? [] : invalidEach(`${path}.${field}`, name, dns1123Subdomain(name));
    }),
    ...labels.flatMap((field) => {
      const name = spec[field] ?? '';
      return name === '' ? [] : invalidEach(`${path}.${field}`, name, dns1123Label(name));
    }),
  ];
}

function validateScalars(spec: PodSpec, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > int32Max)) {
    causes.push(invalidValue(`${path}.activeDeadlineSeconds`, deadline, rangeError(1, int32Max)));
  }
  const preemption = spec.preemptionPolicy;
  if (preemption !== undefined && preemption !== 'PreemptLowerPriority' && preemption !== 'Never') {
    causes.push(notSupported(`${path}.preemptionPolicy`, preemption, ['PreemptLowerPriority', 'Never']));
  }
  for (const [name, quantity] of Object.entries(spec.overhead ?? {})) {
    causes.push(...validateQuantityOf(name, quantity, `${path}.overhead[${name}]`));
  }
  const os: string | undefined = spec.os?.name;
  if (spec.os !== undefined) {
    if (os === undefined || os === '') causes.push(required(`${path}.os.name`, 'cannot be empty'));
    else if (os !== 'linux' && os !== 'windows') causes.push(notSupported(`${path}.os`, os, ['linux', 'windows']));
  }
  return causes;
}

function validateHostAliases(spec: PodSpec, path: string): ErrorCause[] {
  return (spec.hostAliases ?? []).flatMap((alias, i) => [
    ...validateIp(`${path}[${i}].ip`, alias.ip ?? ''),
    ...(alias.hostnames ?? []).flatMap((name, n) =>
      invalidEach(`${path}[${i}].hostnames[${n}]`, name, dns1123Subdomain(name)),
    ),
  ]);
}

function validateDnsConfig(config: PodDNSConfig | undefined, policy: string | undefined, path: string): ErrorCause[] {
  const servers = config?.nameservers ?? [];
  if (policy === 'None') {
    if (config === undefined) return [required(path, 'must provide `dnsConfig` when `dnsPolicy` is None')];
    if (servers.length === 0) {
      const text = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
      return [required(`${path}.nameservers`, text)];
    }
  }
  const causes: ErrorCause[] = [];
  if (servers.length > 3) {
    causes.push(invalidValue(`${path}.nameservers`, servers, 'must not have more than 3 nameservers'));
  }
  for (const [i, server] of servers.entries()) causes.push(...validateIp(`${path}.nameservers[${i}]`, server));
  const searches = config?.searches ?? [];
  if (searches.length > 32) {
    causes.push(invalidValue(`${path}.searches`, searches, 'must not have more than 32 search paths'));
  }
  if (searches.join(' ').length > 2048) {
    const text = 'must not have more than 2048 characters (including spaces) in the search list';
    causes.push(invalidValue(`${path}.searches`, searches, text));
  }
  for (const [i, search] of searches.entries()) {
    if (search === '.') continue;
    const name = search.replace(/\.$/, '');
    // Underscores are allowed here, as service discovery by SRV records needs them.
    causes.push(...invalidEach(`${path}.searches[${i}]`, name, dns1123Subdomain(name.replaceAll('_', ''))));
  }
  for (const [i, option] of (config?.options ?? []).entries()) {
    if ((option.name ?? '') === '') causes.push(required(`${path}.options[${i}]`, 'must not be empty'));
  }
  return causes;
}
