import type { PodSpec, Volume } from '../../api/generated/types.ts';
import { procMount, seccompField } from './baseline-checks.ts';
import {
  badContainers,
  type Check,
  type CheckPod,
  containers,
  containersOf,
  hasUserNamespace,
  isSet,
  isWindows,
  plural,
  quoted,
  setters,
  sortedUnique,
} from './check.ts';

const unless =
  (exempt: (spec: PodSpec) => boolean, check: CheckPod): CheckPod =>
  (pod) =>
    exempt(pod.spec) ? undefined : check(pod);

const allowPrivilegeEscalation: CheckPod = ({ spec }) => {
  const names = badContainers(spec, (c) => c.securityContext?.allowPrivilegeEscalation !== false);
  if (names.length === 0) return undefined;
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containers(names)} must set securityContext.allowPrivilegeEscalation=false`,
  };
};

const capabilities: CheckPod = ({ spec }) => {
  const keeps = badContainers(spec, (c) => !(c.securityContext?.capabilities?.drop ?? []).includes('ALL'));
  const bad = (name: string): boolean => name !== 'NET_BIND_SERVICE';
  const adds = badContainers(spec, (c) => (c.securityContext?.capabilities?.add ?? []).some(bad));
  const added = sortedUnique(
    containersOf(spec).flatMap((c) => (c.securityContext?.capabilities?.add ?? []).filter(bad)),
  );
  const details = [
    ...(keeps.length === 0 ? [] : [`${containers(keeps)} must set securityContext.capabilities.drop=["ALL"]`]),
    ...(adds.length === 0
      ? []
      : [`${containers(adds)} must not include ${quoted(added)} in securityContext.capabilities.add`]),
  ];
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') };
};

const volumeTypes: readonly (keyof Volume)[] = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

/** A volume without any type is an emptyDir by default, but not one that was said to be; it is counted as unknown. */
const restrictedVolumes: CheckPod = ({ spec }) => {
  const bad = (spec.volumes ?? []).filter((volume) => !volumeTypes.some((type) => isSet(volume[type])));
  if (bad.length === 0) return undefined;
  const names = bad.map(({ name }) => name);
  const types = sortedUnique(bad.map(typeOf));
  return {
    reason: 'restricted volume types',
    detail: `${plural(names, 'volume', 'volumes')} ${quoted(names)} ${plural(names, 'uses', 'use')} restricted volume ${plural(types, 'type', 'types')} ${quoted(types)}`,
  };
};

function typeOf(volume: Volume): string {
  const set = Object.entries(volume).find(([field, value]) => field !== 'name' && isSet(value));
  return set?.[0] ?? 'unknown';
}

const runAsNonRoot: CheckPod = ({ spec }) => {
  const of = (context: { runAsNonRoot?: boolean | undefined } | undefined): boolean | undefined =>
    context?.runAsNonRoot ?? undefined;
  const pod = of(spec.securityContext);
  const explicit = badContainers(spec, (c) => of(c.securityContext) === false);
  if (pod === false || explicit.length > 0) {
    return {
      reason: 'runAsNonRoot != true',
      detail: `${setters(pod === false, explicit)} must not set securityContext.runAsNonRoot=false`,
    };
  }
  const implicit = pod === true ? [] : badContainers(spec, (c) => of(c.securityContext) === undefined);
  if (implicit.length === 0) return undefined;
  return {
    reason: 'runAsNonRoot != true',
    detail: `pod or ${containers(implicit)} must set securityContext.runAsNonRoot=true`,
  };
};

const runAsUser: CheckPod = ({ spec }) => {
  const pod = spec.securityContext?.runAsUser === 0;
  const names = badContainers(spec, (c) => c.securityContext?.runAsUser === 0);
  if (!pod && names.length === 0) return undefined;
  return { reason: 'runAsUser=0', detail: `${setters(pod, names)} must not set runAsUser=0` };
};

const seccomp: CheckPod = (pod) => {
  const explicit = seccompField(pod);
  if (explicit !== undefined) return explicit;
  const { spec } = pod;
  if (isSet(spec.securityContext?.seccompProfile)) return undefined;
  const names = badContainers(spec, (c) => !isSet(c.securityContext?.seccompProfile));
  if (names.length === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `pod or ${containers(names)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  };
};

/** What restricted adds to baseline in Kubernetes 1.36, in the order in which violations are listed. */
export const restrictedChecks: readonly Check[] = [
  {
    id: 'allowPrivilegeEscalation',
    level: 'restricted',
    versions: [
      { from: 8, check: allowPrivilegeEscalation },
      { from: 25, check: unless(isWindows, allowPrivilegeEscalation) },
    ],
  },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    overrides: ['capabilities_baseline'],
    versions: [
      { from: 22, check: capabilities },
      { from: 25, check: unless(isWindows, capabilities) },
    ],
  },
  {
    id: 'procMount_restricted',
    level: 'restricted',
    overrides: ['procMount'],
    versions: [{ from: 35, check: procMount }],
  },
  {
    id: 'restrictedVolumes',
    level: 'restricted',
    overrides: ['hostPathVolumes'],
    versions: [{ from: 0, check: restrictedVolumes }],
  },
  {
    id: 'runAsNonRoot',
    level: 'restricted',
    versions: [
      { from: 0, check: runAsNonRoot },
      { from: 35, check: unless(hasUserNamespace, runAsNonRoot) },
    ],
  },
  {
    id: 'runAsUser',
    level: 'restricted',
    versions: [
      { from: 23, check: runAsUser },
      { from: 35, check: unless(hasUserNamespace, runAsUser) },
    ],
  },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    overrides: ['seccompProfile_baseline'],
    versions: [
      { from: 19, check: seccomp },
      { from: 25, check: unless(isWindows, seccomp) },
    ],
  },
];
