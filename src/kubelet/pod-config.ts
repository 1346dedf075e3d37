import type { Container, EphemeralContainer, Pod } from '../api/generated/types.ts';
import { tryParseQuantity } from '../api/quantity.ts';
import { CausewayError } from '../lib/errors.ts';
import type { ContainerConfig, ContainerSecurity, Mount, PodSandboxConfig } from '../runtime/runtime.ts';
import { expandVariables } from './environment.ts';
import { podLogDirectory } from './pod-logs.ts';
import { type PreparedVolume, SUPPORTED_VOLUMES, subPathOf } from './volumes/volume-manager.ts';

/** Labels that the kubelet puts on what it asks of the runtime, as Kubernetes' does. */
const POD_NAME_LABEL = 'io.kubernetes.pod.name';
const POD_NAMESPACE_LABEL = 'io.kubernetes.pod.namespace';
const POD_UID_LABEL = 'io.kubernetes.pod.uid';
const CONTAINER_NAME_LABEL = 'io.kubernetes.container.name';
/** Changes with whatever makes it right to restart a container when the pod's spec changes: its image. */
export const CONTAINER_HASH_ANNOTATION = 'io.kubernetes.container.hash';

/** `terminationGracePeriodSeconds` default of `core/v1 PodSpec`. */
const DEFAULT_GRACE_SECONDS = 30;

/** Init containers and sidecars first, then the main ones. */
export function containersOf(pod: Pod): readonly Container[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
}

/** How long the pod's containers have to end: what the deletion says, or the pod itself. */
export function gracePeriodSeconds(pod: Pod): number {
  const { deletionGracePeriodSeconds } = pod.metadata;
  return deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

function podLabels(pod: Pod): Record<string, string> {
  return {
    [POD_NAME_LABEL]: pod.metadata.name ?? '',
    [POD_NAMESPACE_LABEL]: pod.metadata.namespace ?? '',
    [POD_UID_LABEL]: pod.metadata.uid ?? '',
  };
}

export function sandboxConfig(pod: Pod, attempt: number, logsDirectory: string): PodSandboxConfig {
  const spec = pod.spec;
  const security = spec?.securityContext;
  return {
    podName: pod.metadata.name ?? '',
    podNamespace: pod.metadata.namespace ?? '',
    podUid: pod.metadata.uid ?? '',
    attempt,
    hostname: hostnameOf(pod),
    logDirectory: podLogDirectory(logsDirectory, pod),
    hostNetwork: spec?.hostNetwork === true,
    hostPID: spec?.hostPID === true,
    hostIPC: spec?.hostIPC === true,
    shareProcessNamespace: spec?.shareProcessNamespace === true,
    hostAliases: (spec?.hostAliases ?? []).map((a) => ({ ip: a.ip, hostnames: a.hostnames ?? [] })),
    ...(spec?.dnsPolicy === 'None' || spec?.dnsConfig !== undefined
      ? {
          dns: {
            servers: spec.dnsConfig?.nameservers ?? [],
            searches: spec.dnsConfig?.searches ?? [],
            options: (spec.dnsConfig?.options ?? []).map((o) =>
              o.value === undefined ? (o.name ?? '') : `${o.name}:${o.value}`,
            ),
          },
        }
      : {}),
    sysctls: Object.fromEntries((security?.sysctls ?? []).map((s) => [s.name, s.value])),
    ...(security?.fsGroup === undefined ? {} : { fsGroup: security.fsGroup }),
    supplementalGroups: security?.supplementalGroups ?? [],
    labels: podLabels(pod),
    annotations: pod.metadata.annotations ?? {},
  };
}

function hostnameOf(pod: Pod): string {
  const name = pod.spec?.hostnameOverride ?? pod.spec?.hostname ?? pod.metadata.name ?? '';
  // Linux allows 64 bytes; Kubernetes cuts at 63 and drops what must not end a host name.
  return name.slice(0, 63).replace(/[-.]+$/, '');
}

/** What a container is made of beside its spec. */
export interface ContainerInputs {
  readonly attempt: number;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly volumes: ReadonlyMap<string, PreparedVolume>;
  /** The file that becomes the container's termination log. */
  readonly terminationLog: string;
  /** The image's id, where the runtime has images. */
  readonly imageRef?: string;
}

export async function containerConfig(
  pod: Pod,
  container: Container | EphemeralContainer,
  inputs: ContainerInputs,
): Promise<ContainerConfig> {
  const known = new Map(inputs.env.map((e) => [e.name, e.value]));
  const limits = container.resources?.limits ?? {};
  const cpu = tryParseQuantity(limits['cpu'])?.toNumber();
  const requestedCpu = tryParseQuantity(container.resources?.requests?.['cpu'])?.toNumber();
  const memory = tryParseQuantity(limits['memory'])?.toNumber();
  const mounts = await volumeMounts(container, inputs.volumes, known);
  const security = containerSecurity(pod, container);
  if (security.runAsNonRoot && security.runAsUser === 0) {
    const { name, namespace, uid } = pod.metadata;
    throw new CausewayError(
      'Invalid',
      `container's runAsUser breaks non-root policy (pod: "${name}_${namespace}(${uid})", container: ${container.name})`,
    );
  }
  return {
    name: container.name,
    attempt: inputs.attempt,
    image: container.image ?? '',
    ...(inputs.imageRef === undefined ? {} : { imageRef: inputs.imageRef }),
    command: (container.command ?? []).map((part) => expandVariables(part, known)),
    args: (container.args ?? []).map((part) => expandVariables(part, known)),
    workingDir: container.workingDir ?? '',
    env: inputs.env,
    mounts: [
      ...mounts,
      {
        containerPath: container.terminationMessagePath ?? '/dev/termination-log',
        hostPath: inputs.terminationLog,
        readOnly: false,
      },
    ],
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    ...(container.lifecycle?.stopSignal === undefined ? {} : { stopSignal: container.lifecycle.stopSignal }),
    security,
    resources: {
      ...(cpu === undefined ? {} : { cpuMillis: Math.ceil(cpu * 1000) }),
      ...(memory === undefined ? {} : { memoryBytes: memory }),
      ...(requestedCpu === undefined ? {} : { cpuRequestMillis: Math.ceil(requestedCpu * 1000) }),
    },
    labels: { ...podLabels(pod), [CONTAINER_NAME_LABEL]: container.name },
    annotations: { [CONTAINER_HASH_ANNOTATION]: containerHash(container) },
  };
}

/** Only the image of a running pod's container can change; a change restarts it. */
export function containerHash(container: Pick<Container, 'image'>): string {
  return container.image ?? '';
}

async function volumeMounts(
  container: Pick<Container, 'volumeMounts'>,
  volumes: ReadonlyMap<string, PreparedVolume>,
  env: ReadonlyMap<string, string>,
): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const volume = volumes.get(mount.name);
    if (volume === undefined) throw new CausewayError('NotFound', `cannot find volume "${mount.name}" to mount`);
    const subPath = mount.subPathExpr === undefined ? mount.subPath : expandVariables(mount.subPathExpr, env);
    const hostPath = subPath === undefined || subPath === '' ? volume.hostPath : await subPathOf(volume, subPath);
    mounts.push({ containerPath: mount.mountPath, hostPath, readOnly: volume.readOnly || mount.readOnly === true });
  }
  return mounts;
}

/** The container's own security context over the pod's. */
export function containerSecurity(pod: Pod, container: Pick<Container, 'securityContext'>): ContainerSecurity {
  const own = container.securityContext;
  const shared = pod.spec?.securityContext;
  const user = own?.runAsUser ?? shared?.runAsUser;
  const group = own?.runAsGroup ?? shared?.runAsGroup;
  const seccomp = own?.seccompProfile ?? shared?.seccompProfile;
  return {
    ...(user === undefined ? {} : { runAsUser: user }),
    ...(group === undefined ? {} : { runAsGroup: group }),
    runAsNonRoot: own?.runAsNonRoot ?? shared?.runAsNonRoot ?? false,
    privileged: own?.privileged === true,
    readOnlyRootFilesystem: own?.readOnlyRootFilesystem === true,
    allowPrivilegeEscalation: own?.allowPrivilegeEscalation ?? true,
    addCapabilities: own?.capabilities?.add ?? [],
    dropCapabilities: own?.capabilities?.drop ?? [],
    ...(seccomp === undefined
      ? {}
      : { seccomp: seccomp.type === 'Localhost' ? `Localhost/${seccomp.localhostProfile ?? ''}` : seccomp.type }),
  };
}

/**
 * Fields of a pod that this kubelet itself does not honour, by their paths; the runtime names its own. Such a pod is
 * refused: a field that restricts and is ignored would fail open.
 */
export function unsupportedByKubelet(pod: Pod): readonly string[] {
  const spec = pod.spec;
  const found: string[] = [];
  (spec?.volumes ?? []).forEach((volume, i) => {
    for (const kind of Object.keys(volume)) {
      if (kind !== 'name' && !SUPPORTED_VOLUMES.has(kind)) found.push(`spec.volumes[${i}].${kind}`);
    }
    if ((volume.emptyDir?.medium ?? '') !== '') found.push(`spec.volumes[${i}].emptyDir.medium`);
  });
  if ((spec?.ephemeralContainers ?? []).length > 0) found.push('spec.ephemeralContainers');
  if (spec?.runtimeClassName !== undefined) found.push('spec.runtimeClassName');
  if ((spec?.resourceClaims ?? []).length > 0) found.push('spec.resourceClaims');
  if (spec?.os?.name === 'windows') found.push('spec.os.name');
  if (spec?.hostUsers === false) found.push('spec.hostUsers');
  if (spec?.resources !== undefined && Object.keys(spec.resources).length > 0) found.push('spec.resources');
  const security = spec?.securityContext;
  if (security?.seLinuxOptions !== undefined) found.push('spec.securityContext.seLinuxOptions');
  if (security?.windowsOptions !== undefined) found.push('spec.securityContext.windowsOptions');
  if (security?.appArmorProfile !== undefined && security.appArmorProfile.type !== 'Unconfined') {
    found.push('spec.securityContext.appArmorProfile');
  }
  for (const list of ['initContainers', 'containers'] as const) {
    (spec?.[list] ?? []).forEach((container, i) => {
      found.push(...unsupportedInContainer(container, `spec.${list}[${i}]`, spec?.containers.length ?? 0, pod));
    });
  }
  return found;
}

/** A policy of its own is that of a sidecar, or else the pod's: no other is followed. */
function hasOwnRestartPolicy(pod: Pod, { name, restartPolicy = '' }: Container): boolean {
  if (restartPolicy === '') return false;
  const isInit = (pod.spec?.initContainers ?? []).some((c) => c.name === name);
  return restartPolicy !== (isInit ? 'Always' : (pod.spec?.restartPolicy ?? 'Always'));
}

function unsupportedInContainer(container: Container, path: string, containers: number, pod: Pod): string[] {
  const found: string[] = [];
  if ((container.volumeDevices ?? []).length > 0) found.push(`${path}.volumeDevices`);
  if ((container.restartPolicyRules ?? []).length > 0) found.push(`${path}.restartPolicyRules`);
  if ((container.resources?.claims ?? []).length > 0) found.push(`${path}.resources.claims`);
  (container.env ?? []).forEach((variable, i) => {
    if (variable.valueFrom?.fileKeyRef !== undefined) found.push(`${path}.env[${i}].valueFrom.fileKeyRef`);
  });
  if (hasOwnRestartPolicy(pod, container)) found.push(`${path}.restartPolicy`);
  const security = container.securityContext;
  if (security?.seLinuxOptions !== undefined) found.push(`${path}.securityContext.seLinuxOptions`);
  if (security?.windowsOptions !== undefined) found.push(`${path}.securityContext.windowsOptions`);
  if (security?.procMount === 'Unmasked') found.push(`${path}.securityContext.procMount`);
  if (security?.appArmorProfile !== undefined && security.appArmorProfile.type !== 'Unconfined') {
    found.push(`${path}.securityContext.appArmorProfile`);
  }
  (container.volumeMounts ?? []).forEach((mount, i) => {
    const at = `${path}.volumeMounts[${i}]`;
    if (mount.mountPropagation !== undefined && mount.mountPropagation !== 'None') found.push(`${at}.mountPropagation`);
    if (mount.recursiveReadOnly !== undefined && mount.recursiveReadOnly !== 'Disabled') {
      found.push(`${at}.recursiveReadOnly`);
    }
    // Another container of the pod could swap a directory for a link between the check and the mount.
    const volume = (pod.spec?.volumes ?? []).find((v) => v.name === mount.name);
    const writable = volume?.emptyDir !== undefined || volume?.hostPath !== undefined;
    const usesSubPath = mount.subPath !== undefined || mount.subPathExpr !== undefined;
    if (usesSubPath && writable && containers > 1) found.push(`${at}.subPath`);
  });
  return found;
}
