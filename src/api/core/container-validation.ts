import type { ErrorCause } from '../../lib/errors.ts';
import {
  duplicate,
  forbidden,
  invalidEach,
  invalidValue,
  notFoundValue,
  notSupported,
  required,
  together,
} from '../field-error.ts';
import type {
  Container,
  ContainerPort,
  EnvFromSource,
  EnvVar,
  EphemeralContainer,
  PodSpec,
  VolumeMount,
} from '../generated/types.ts';
import {
  configMapKey,
  dns1123Label,
  dns1123Subdomain,
  envVarName,
  maskTrailingDash,
  portName,
  portNumber,
} from '../names.ts';
import { envFieldPaths, validateFieldRef, validateResourceFieldRef } from './downward-validation.ts';
import { validateLifecycle, validateProbe } from './handler-validation.ts';
import { validateDescendingPath } from './paths.ts';
import { validateResources } from './resource-requirements.ts';
import { validateSecurityContext } from './security-context.ts';

const protocols = ['SCTP', 'TCP', 'UDP'];

/** What a container is checked against: its pod. */
export interface ContainerScope {
  readonly volumeNames: ReadonlySet<string>;
  readonly claimNames: ReadonlySet<string>;
  readonly grace: number | undefined;
  readonly podRestartPolicy: string | undefined;
  readonly hostUsers: boolean;
}

/** `spec.containers`. */
export function validateContainers(spec: PodSpec, scope: ContainerScope, path: string): ErrorCause[] {
  const containers = spec.containers ?? [];
  if (containers.length === 0) return [required(path)];
  const names = new Set<string>();
  const causes = containers.flatMap((container, i) => {
    const field = `${path}[${i}]`;
    const own = validateCommon(container, scope, field);
    if (names.has(container.name)) own.push(duplicate(`${field}.name`, container.name));
    names.add(container.name);
    own.push(...validateLife(container, scope, field));
    if (container.restartPolicy !== undefined && container.restartPolicyRules === undefined) {
      if (!['Always', 'OnFailure', 'Never'].includes(container.restartPolicy)) {
        own.push(notSupported(`${field}.restartPolicy`, container.restartPolicy, ['Always', 'OnFailure', 'Never']));
      }
    }
    return own;
  });
  return [...causes, ...hostPortConflicts(containers, path)];
}

/** `spec.initContainers`: those that restart always are sidecars and may have probes and hooks. */
export function validateInitContainers(spec: PodSpec, scope: ContainerScope, path: string): ErrorCause[] {
  const initContainers = spec.initContainers ?? [];
  if (initContainers.length === 0) return [];
  const names = new Set((spec.containers ?? []).map((container) => container.name));
  return initContainers.flatMap((container, i) => {
    const field = `${path}[${i}]`;
    const causes = validateCommon(container, scope, field);
    if (names.has(container.name)) causes.push(duplicate(`${field}.name`, container.name));
    else if (container.name !== '') names.add(container.name);
    const policies = ['Always', 'OnFailure', 'Never'];
    if (container.restartPolicy !== undefined && !policies.includes(container.restartPolicy)) {
      causes.push(notSupported(`${field}.restartPolicy`, container.restartPolicy, policies));
    }
    causes.push(...hostPortConflicts([container], path));
    if (container.restartPolicy === 'Always') causes.push(...validateLife(container, scope, field));
    else {
      for (const what of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        if (container[what] === undefined) continue;
        const text = 'may not be set for init containers without restartPolicy=Always';
        causes.push(forbidden(`${field}.${what}`, text));
      }
    }
    return causes;
  });
}

/** What an ephemeral container may have; all else would make it part of the workload. */
const ephemeralFields = new Set([
  'name',
  'image',
  'command',
  'args',
  'workingDir',
  'env',
  'envFrom',
  'volumeMounts',
  'volumeDevices',
  'terminationMessagePath',
  'terminationMessagePolicy',
  'imagePullPolicy',
  'securityContext',
  'stdin',
  'stdinOnce',
  'tty',
  'targetContainerName',
]);

export function validateEphemeralContainers(spec: PodSpec, scope: ContainerScope, path: string): ErrorCause[] {
  const ephemeral = spec.ephemeralContainers ?? [];
  if (ephemeral.length === 0) return [];
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((c) => c.name));
  const names = new Set(others);
  return ephemeral.flatMap((container, i) => {
    const field = `${path}[${i}]`;
    const causes = [...validateCommon(container, scope, field), ...validateImageSpace(container.image, field)];
    if (names.has(container.name)) causes.push(duplicate(`${field}.name`, container.name));
    names.add(container.name);
    const target = container.targetContainerName ?? '';
    if (target !== '' && !others.has(target)) causes.push(notFoundValue(`${field}.targetContainerName`, target));
    for (const [name, value] of Object.entries(container)) {
      if (ephemeralFields.has(name) || isUnset(value)) continue;
      causes.push(forbidden(`${field}.${name}`, 'cannot be set for an Ephemeral Container'));
    }
    for (const [m, mount] of (container.volumeMounts ?? []).entries()) {
      for (const name of ['subPath', 'subPathExpr'] as const) {
        if ((mount[name] ?? '') === '') continue;
        causes.push(forbidden(`${field}.volumeMounts[${m}].${name}`, 'cannot be set for an Ephemeral Container'));
      }
    }
    return causes;
  });
}

function isUnset(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** A pod's own rule, which templates do not have. */
export function validateImageSpace(image: string | undefined, field: string): ErrorCause[] {
  return image === undefined || image.trim() === image
    ? []
    : [invalidValue(`${field}.image`, image, 'must not have leading or trailing whitespace')];
}

function validateLife(container: Container, scope: ContainerScope, field: string): ErrorCause[] {
  return together(
    validateLifecycle(container.lifecycle, scope.grace, `${field}.lifecycle`),
    validateProbe(container.livenessProbe, 'livenessProbe', `${field}.livenessProbe`),
    validateProbe(container.readinessProbe, 'readinessProbe', `${field}.readinessProbe`),
    validateProbe(container.startupProbe, 'startupProbe', `${field}.startupProbe`),
  );
}

function validateCommon(container: Container | EphemeralContainer, scope: ContainerScope, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const name = container.name ?? '';
  if (name === '') causes.push(required(`${path}.name`));
  else causes.push(...invalidEach(`${path}.name`, name, dns1123Label(name)));
  if ((container.image ?? '') === '') causes.push(required(`${path}.image`));
  return together(
    causes,
    oneOf(container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError'], `${path}.terminationMessagePolicy`),
    validatePorts(container.ports, `${path}.ports`),
    validateEnv(container.env, `${path}.env`),
    validateEnvFrom(container.envFrom, `${path}.envFrom`),
    validateMounts(container, scope.volumeNames, `${path}.volumeMounts`),
    oneOf(container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never'], `${path}.imagePullPolicy`),
    validateResources(container.resources, scope.claimNames, `${path}.resources`),
    validateResizePolicy(container, scope, `${path}.resizePolicy`),
    validateSecurityContext(container.securityContext, scope.hostUsers, `${path}.securityContext`),
  );
}

function oneOf(value: string | undefined, supported: readonly string[], field: string): ErrorCause[] {
  if (value === undefined || value === '') return [required(field)];
  return supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

function validatePorts(ports: readonly ContainerPort[] | undefined, path: string): ErrorCause[] {
  const all = ports ?? [];
  if (all.length === 0) return [];
  const names = new Set<string>();
  return all.flatMap((port, i) => {
    const field = `${path}[${i}]`;
    const causes: ErrorCause[] = [];
    const name = port.name ?? '';
    if (name !== '') {
      const errors = portName(name);
      if (errors.length > 0) causes.push(...invalidEach(`${field}.name`, name, errors));
      else if (names.has(name)) causes.push(duplicate(`${field}.name`, name));
      else names.add(name);
    }
    if ((port.containerPort ?? 0) === 0) causes.push(required(`${field}.containerPort`));
    else causes.push(...invalidEach(`${field}.containerPort`, port.containerPort, portNumber(port.containerPort)));
    if ((port.hostPort ?? 0) !== 0) {
      causes.push(...invalidEach(`${field}.hostPort`, port.hostPort, portNumber(port.hostPort ?? 0)));
    }
    causes.push(...oneOf(port.protocol, protocols, `${field}.protocol`));
    return causes;
  });
}

function hostPortConflicts(containers: readonly Container[], path: string): ErrorCause[] {
  if (containers.every(({ ports }) => (ports ?? []).length === 0)) return [];
  const seen = new Set<string>();
  return containers.flatMap((container, c) =>
    (container.ports ?? []).flatMap((port, p) => {
      if ((port.hostPort ?? 0) === 0) return [];
      const text = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (seen.has(text)) return [duplicate(`${path}[${c}].ports[${p}].hostPort`, text)];
      seen.add(text);
      return [];
    }),
  );
}

function validateEnv(variables: readonly EnvVar[] | undefined, path: string): ErrorCause[] {
  return (variables ?? []).flatMap((variable, i) => {
    const field = `${path}[${i}]`;
    const name = variable.name ?? '';
    const causes = name === '' ? [required(`${field}.name`)] : invalidEach(`${field}.name`, name, envVarName(name));
    return [...causes, ...validateValueFrom(variable, `${field}.valueFrom`)];
  });
}

function validateValueFrom({ value, valueFrom }: EnvVar, path: string): ErrorCause[] {
  if (valueFrom === undefined) return [];
  const causes: ErrorCause[] = [];
  if (valueFrom.fieldRef !== undefined) {
    causes.push(...validateFieldRef(valueFrom.fieldRef, envFieldPaths, `${path}.fieldRef`));
  }
  if (valueFrom.resourceFieldRef !== undefined) {
    causes.push(...validateResourceFieldRef(valueFrom.resourceFieldRef, false, `${path}.resourceFieldRef`));
  }
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const reference = valueFrom[kind];
    if (reference === undefined) continue;
    causes.push(...invalidEach(`${path}.${kind}.name`, reference.name ?? '', dns1123Subdomain(reference.name ?? '')));
    if ((reference.key ?? '') === '') causes.push(required(`${path}.${kind}.key`));
    else causes.push(...invalidEach(`${path}.${kind}.key`, reference.key, configMapKey(reference.key)));
  }
  const sources = Object.keys(valueFrom).length;
  if (sources === 0) {
    const text = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';
    causes.push(invalidValue(path, '', text));
  } else if ((value ?? '') !== '') {
    causes.push(invalidValue(path, '', 'may not be specified when `value` is not empty'));
  } else if (sources > 1) {
    causes.push(invalidValue(path, '', 'may not have more than one field specified at a time'));
  }
  return causes;
}

function validateEnvFrom(sources: readonly EnvFromSource[] | undefined, path: string): ErrorCause[] {
  return (sources ?? []).flatMap((source, i) => {
    const field = `${path}[${i}]`;
    const prefix = source.prefix ?? '';
    const causes = prefix === '' ? [] : invalidEach(`${field}.prefix`, prefix, envVarName(prefix));
    const kinds = (['configMapRef', 'secretRef'] as const).filter((kind) => source[kind] !== undefined);
    for (const kind of kinds) {
      const name = source[kind]?.name ?? '';
      if (name === '') causes.push(required(`${field}.${kind}.name`));
      else causes.push(...invalidEach(`${field}.${kind}.name`, name, dns1123Subdomain(maskTrailingDash(name))));
    }
    if (kinds.length === 0) {
      causes.push(invalidValue(path, '', 'must specify one of: `configMapRef` or `secretRef`'));
    } else if (kinds.length > 1) {
      causes.push(invalidValue(path, '', 'may not have more than one field specified at a time'));
    }
    return causes;
  });
}

function validateMounts(
  container: Container | EphemeralContainer,
  volumeNames: ReadonlySet<string>,
  path: string,
): ErrorCause[] {
  const paths = new Set<string>();
  const devices = container.volumeDevices ?? [];
  return (container.volumeMounts ?? []).flatMap((mount, i) => {
    const field = `${path}[${i}]`;
    const causes: ErrorCause[] = [];
    if ((mount.name ?? '') === '') causes.push(required(`${field}.name`));
    if (!volumeNames.has(mount.name)) causes.push(notFoundValue(`${field}.name`, mount.name));
    if ((mount.mountPath ?? '') === '') causes.push(required(`${field}.mountPath`));
    if (paths.has(mount.mountPath)) causes.push(invalidValue(`${field}.mountPath`, mount.mountPath, 'must be unique'));
    paths.add(mount.mountPath);
    if (devices.some((device) => device.name === mount.name)) {
      causes.push(invalidValue(`${field}.name`, mount.name, 'must not already exist in volumeDevices'));
    }
    if (devices.some((device) => device.devicePath === mount.mountPath)) {
      const text = 'must not already exist as a path in volumeDevices';
      causes.push(invalidValue(`${field}.mountPath`, mount.mountPath, text));
    }
    causes.push(...validateSubPaths(mount, path, field));
    causes.push(...validatePropagation(mount, container, path));
    return causes;
  });
}

function validateSubPaths(mount: VolumeMount, path: string, field: string): ErrorCause[] {
  const { subPath = '', subPathExpr = '' } = mount;
  const causes = subPath === '' ? [] : validateDescendingPath(subPath, `${path}.subPath`);
  if (subPathExpr !== '') {
    if (subPath !== '') {
      causes.push(invalidValue(`${field}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
    }
    causes.push(...validateDescendingPath(subPathExpr, `${path}.subPathExpr`));
  }
  return causes;
}

function validatePropagation(
  mount: VolumeMount,
  container: Container | EphemeralContainer,
  path: string,
): ErrorCause[] {
  const mode = mount.mountPropagation;
  if (mode === undefined) return [];
  const supported = ['Bidirectional', 'HostToContainer', 'None'];
  if (!supported.includes(mode)) return [notSupported(`${path}.mountPropagation`, mode, supported)];
  if (mode === 'Bidirectional' && container.securityContext?.privileged !== true) {
    const text = 'Bidirectional mount propagation is available only to privileged containers';
    return [forbidden(`${path}.mountPropagation`, text)];
  }
  return [];
}

function validateResizePolicy(
  container: Container | EphemeralContainer,
  scope: ContainerScope,
  path: string,
): ErrorCause[] {
  const seen = new Set<string>();
  return (container.resizePolicy ?? []).flatMap(({ resourceName, restartPolicy }, i) => {
    const causes = seen.has(resourceName) ? [duplicate(`${path}[${i}]`, resourceName)] : [];
    seen.add(resourceName);
    causes.push(...oneOf(resourceName, ['cpu', 'memory'], path));
    causes.push(...oneOf(restartPolicy, ['NotRequired', 'RestartContainer'], path));
    if (scope.podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      causes.push(invalidValue(path, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'"));
    }
    return causes;
  });
}
