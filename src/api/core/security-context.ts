import type { ErrorCause } from '../../lib/errors.ts';
import { duplicate, invalidEach, invalidValue, notSupported, required, tooLong } from '../field-error.ts';
import type { AppArmorProfile, PodSpec, SeccompProfile, SecurityContext } from '../generated/types.ts';
import { userId } from '../names.ts';
import { validateDescendingPath } from './paths.ts';

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined'];

/** `securityContext` of a container. */
export function validateSecurityContext(
  context: SecurityContext | undefined,
  hostUsers: boolean,
  path: string,
): ErrorCause[] {
  if (context === undefined) return [];
  const causes = [
    ...validateId(context.runAsUser, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, `${path}.runAsGroup`),
  ];
  const mount = context.procMount;
  if (mount !== undefined && mount !== 'Default' && mount !== 'Unmasked') {
    causes.push(notSupported(`${path}.procMount`, mount, ['Default', 'Unmasked']));
  }
  if (mount === 'Unmasked' && hostUsers) {
    causes.push(invalidValue(`${path}.procMount`, mount, '`hostUsers` must be false to use `Unmasked`'));
  }
  causes.push(...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`));
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged === true) {
      const text = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true';
      causes.push(invalidValue(path, context, text));
    }
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN') === true) {
      const text = 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN';
      causes.push(invalidValue(path, context, text));
    }
  }
  causes.push(...validateAppArmor(context.appArmorProfile, `${path}.appArmorProfile`));
  return causes;
}

/** `spec.securityContext`, and what of the spec goes with it. */
export function validatePodSecurityContext(spec: PodSpec, path: string): ErrorCause[] {
  const context = spec.securityContext;
  if (context === undefined) return [];
  const causes = [
    ...validateId(context.fsGroup, `${path}.fsGroup`),
    ...validateId(context.runAsUser, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, `${path}.runAsGroup`),
    ...(context.supplementalGroups ?? []).flatMap((id, i) => validateId(id, `${path}.supplementalGroups[${i}]`)),
  ];
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    const text = 'ShareProcessNamespace and HostPID cannot both be enabled';
    causes.push(invalidValue(`${path}.shareProcessNamespace`, true, text));
  }
  causes.push(...validateSysctls(spec, `${path}.sysctls`));
  causes.push(...oneOf(context.fsGroupChangePolicy, ['Always', 'OnRootMismatch'], `${path}.fsGroupChangePolicy`));
  causes.push(...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`));
  causes.push(...validateAppArmor(context.appArmorProfile, `${path}.appArmorProfile`));
  causes.push(...oneOf(context.supplementalGroupsPolicy, ['Merge', 'Strict'], `${path}.supplementalGroupsPolicy`));
  causes.push(...oneOf(context.seLinuxChangePolicy, ['MountOption', 'Recursive'], `${path}.seLinuxChangePolicy`));
  return causes;
}

function validateId(id: number | undefined, field: string): ErrorCause[] {
  return id === undefined ? [] : invalidEach(field, id, userId(id));
}

function oneOf(value: string | undefined, supported: readonly string[], field: string): ErrorCause[] {
  return value === undefined || supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

const sysctlPattern = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

function validateSysctls(spec: PodSpec, path: string): ErrorCause[] {
  const sysctls = spec.securityContext?.sysctls ?? [];
  if (sysctls.length === 0) return [];
  const seen = new Set<string>();
  return sysctls.flatMap(({ name }, i) => {
    const field = `${path}[${i}].name`;
    const causes: ErrorCause[] = [];
    if (name === '') causes.push(required(field));
    else if (name.length > 253 || !sysctlPattern.test(name)) {
      causes.push(
        invalidValue(field, name, `must have at most 253 characters and match regex ${sysctlPattern.source}`),
      );
    } else if (seen.has(name)) causes.push(duplicate(field, name));
    seen.add(name);
    const dotted = name.replaceAll('/', '.');
    if (spec.hostNetwork === true && dotted.startsWith('net.')) {
      causes.push(invalidValue(field, name, "may not be specified when 'hostNetwork' is true"));
    }
    if (spec.hostIPC === true && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted)) {
      causes.push(invalidValue(field, name, "may not be specified when 'hostIPC' is true"));
    }
    return causes;
  });
}

function validateSeccomp(profile: SeccompProfile | undefined, path: string): ErrorCause[] {
  if (profile === undefined) return [];
  const causes: ErrorCause[] = [];
  const type: string = profile.type ?? '';
  if (type === '') causes.push(required(`${path}.type`, 'type is required when seccompProfile is set'));
  else if (!profileTypes.includes(type)) causes.push(notSupported(`${path}.type`, type, profileTypes));
  if (type === 'Localhost') {
    if (profile.localhostProfile === undefined) {
      causes.push(required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost'));
    } else {
      causes.push(...validateDescendingPath(profile.localhostProfile, `${path}.localhostProfile`));
    }
  } else if (profile.localhostProfile !== undefined) {
    causes.push(invalidValue(`${path}.localhostProfile`, profile, 'can only be set when seccomp type is Localhost'));
  }
  return causes;
}

function validateAppArmor(profile: AppArmorProfile | undefined, path: string): ErrorCause[] {
  if (profile === undefined) return [];
  const type: string = profile.type ?? '';
  const name = profile.localhostProfile;
  const field = `${path}.localhostProfile`;
  if (type === '') return [required(`${path}.type`, 'type is required when appArmorProfile is set')];
  if (!profileTypes.includes(type)) return [notSupported(`${path}.type`, type, profileTypes)];
  if (type !== 'Localhost') {
    return name === undefined ? [] : [invalidValue(field, name, 'can only be set when AppArmor type is Localhost')];
  }
  if (name === undefined || name === '') return [required(field, 'must be set when AppArmor type is Localhost')];
  const causes = name.trim() === name ? [] : [invalidValue(field, name, 'must not be padded with whitespace')];
  if (Buffer.byteLength(name) > 4095) causes.push(tooLong(field, 4095));
  return causes;
}
