import type { Probe, SELinuxOptions } from '../../api/generated/types.ts';
import {
  badContainers,
  type Check,
  type CheckPod,
  containers,
  containersOf,
  hasUserNamespace,
  isSet,
  NONE,
  plural,
  quoted,
  setters,
  sortedUnique,
} from './check.ts';

const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';

const appArmor: CheckPod = ({ annotations, spec }) => {
  const bad = (type: string | undefined): boolean => isSet(type) && type !== 'RuntimeDefault' && type !== 'Localhost';
  const types: readonly (string | undefined)[] = [
    spec.securityContext?.appArmorProfile?.type,
    ...containersOf(spec).map((c) => c.securityContext?.appArmorProfile?.type),
  ];
  const annotated = Object.entries(annotations)
    .filter(([key, value]) => key.startsWith(appArmorPrefix) && !/^(|runtime\/default|localhost\/.*)$/s.test(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  if (annotated.length === 0 && !types.some(bad)) return undefined;
  const values = [...sortedUnique(types.filter((type): type is string => bad(type))), ...annotated.sort()];
  const who = [
    setters(
      bad(spec.securityContext?.appArmorProfile?.type),
      badContainers(spec, (c) => bad(c.securityContext?.appArmorProfile?.type)),
    ),
    ...(annotated.length === 0 ? [] : [plural(annotated, 'annotation', 'annotations')]),
  ].filter((part) => part !== '');
  return {
    reason: plural(values, 'forbidden AppArmor profile', 'forbidden AppArmor profiles'),
    detail: `${who.join(' and ')} must not set AppArmor profile type to ${quoted(values)}`,
  };
};

const defaultCapabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

const capabilities: CheckPod = ({ spec }) => {
  const added = containersOf(spec).flatMap((c) => c.securityContext?.capabilities?.add ?? []);
  const bad = sortedUnique(added.filter((name) => !defaultCapabilities.has(name)));
  if (bad.length === 0) return undefined;
  const names = badContainers(spec, (c) =>
    (c.securityContext?.capabilities?.add ?? []).some((name) => !defaultCapabilities.has(name)),
  );
  return {
    reason: 'non-default capabilities',
    detail: `${containers(names)} must not include ${quoted(bad)} in securityContext.capabilities.add`,
  };
};

const hostNamespaces: CheckPod = ({ spec }) => {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field] === true);
  if (used.length === 0) return undefined;
  return { reason: 'host namespaces', detail: used.map((field) => `${field}=true`).join(', ') };
};

const hostPathVolumes: CheckPod = ({ spec }) => {
  const names = (spec.volumes ?? []).flatMap((volume) => (isSet(volume.hostPath) ? [volume.name] : []));
  if (names.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural(names, 'volume', 'volumes')} ${quoted(names)}` };
};

const hostPorts: CheckPod = ({ spec }) => {
  const used = (ports: readonly { hostPort?: number | undefined }[] | undefined): number[] =>
    (ports ?? NONE).map(({ hostPort }) => hostPort ?? 0).filter((port) => port !== 0);
  const names = badContainers(spec, (c) => used(c.ports).length > 0);
  if (names.length === 0) return undefined;
  const ports = sortedUnique(containersOf(spec).flatMap((c) => used(c.ports).map(String)));
  const verb = `${plural(names, 'uses', 'use')} ${plural(ports, 'hostPort', 'hostPorts')}`;
  return { reason: 'hostPort', detail: `${containers(names)} ${verb} ${ports.join(', ')}` };
};

type Handler = Pick<Probe, 'httpGet' | 'tcpSocket'> | undefined;

/** A probe or hook with a host makes the kubelet send requests anywhere, from the node. */
const probeHosts: CheckPod = ({ spec }) => {
  const hosts = (handlers: readonly Handler[]): string[] => {
    const found: string[] = [];
    for (const handler of handlers) {
      if (!isSet(handler)) continue;
      for (const host of [handler.httpGet?.host, handler.tcpSocket?.host])
        if (isSet(host) && host !== '') found.push(host);
    }
    return found;
  };
  const of = (c: ReturnType<typeof containersOf>[number]): string[] =>
    hosts([c.livenessProbe, c.readinessProbe, c.startupProbe, c.lifecycle?.postStart, c.lifecycle?.preStop]);
  const names = sortedUnique(badContainers(spec, (c) => of(c).length > 0));
  if (names.length === 0) return undefined;
  const all = sortedUnique(containersOf(spec).flatMap(of));
  const what = `${plural(names, 'uses', 'use')} ${plural(all, 'probe or lifecycle host', 'probe or lifecycle hosts')}`;
  return { reason: 'probe or lifecycle host', detail: `${containers(names)} ${what} ${quoted(all)}` };
};

const privileged: CheckPod = ({ spec }) => {
  const names = badContainers(spec, (c) => c.securityContext?.privileged === true);
  if (names.length === 0) return undefined;
  return { reason: 'privileged', detail: `${containers(names)} must not set securityContext.privileged=true` };
};

export const procMount: CheckPod = ({ spec }) => {
  const bad = (type: string | undefined): type is string => isSet(type) && type !== 'Default';
  const names = badContainers(spec, (c) => bad(c.securityContext?.procMount));
  if (names.length === 0) return undefined;
  const set: readonly (string | undefined)[] = containersOf(spec).map((c) => c.securityContext?.procMount);
  const types = sortedUnique(set.filter(bad));
  return {
    reason: 'procMount',
    detail: `${containers(names)} must not set securityContext.procMount to ${quoted(types)}`,
  };
};

const seLinux =
  (allowed: readonly string[]): CheckPod =>
  ({ spec }) => {
    const badType = ({ type }: SELinuxOptions): boolean => isSet(type) && type !== '' && !allowed.includes(type);
    const bad = (options: SELinuxOptions | undefined): options is SELinuxOptions =>
      isSet(options) && (badType(options) || Boolean(options.user) || Boolean(options.role));
    const pod = bad(spec.securityContext?.seLinuxOptions);
    const names = badContainers(spec, (c) => bad(c.securityContext?.seLinuxOptions));
    if (!pod && names.length === 0) return undefined;
    const options = [
      spec.securityContext?.seLinuxOptions,
      ...containersOf(spec).map((c) => c.securityContext?.seLinuxOptions),
    ].filter(bad);
    const types = sortedUnique(options.flatMap((one) => (badType(one) ? [one.type ?? ''] : [])));
    const what = [
      ...(types.length === 0 ? [] : [`${plural(types, 'type', 'types')} ${quoted(types)}`]),
      ...(options.some((one) => Boolean(one.user)) ? ['user may not be set'] : []),
      ...(options.some((one) => Boolean(one.role)) ? ['role may not be set'] : []),
    ];
    return {
      reason: 'seLinuxOptions',
      detail: `${setters(pod, names)} set forbidden securityContext.seLinuxOptions: ${what.join('; ')}`,
    };
  };

const seccompPodAnnotation = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainerPrefix = 'container.seccomp.security.alpha.kubernetes.io/';

/** Before the field existed. */
const seccompAnnotations: CheckPod = ({ annotations, spec }) => {
  const keys = [seccompPodAnnotation, ...containersOf(spec).map((c) => `${seccompContainerPrefix}${c.name}`)];
  const bad = sortedUnique(
    keys.flatMap((key) => {
      const value = Object.hasOwn(annotations, key) ? annotations[key] : undefined;
      const fine = value === undefined || /^(runtime\/default|docker\/default|localhost\/.*)$/s.test(value);
      return fine ? [] : [`${key}=${JSON.stringify(value)}`];
    }),
  );
  if (bad.length === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `forbidden ${plural(bad, 'annotation', 'annotations')} ${bad.join(', ')}`,
  };
};

export const seccompField: CheckPod = ({ spec }) => {
  const bad = (type: string | undefined): type is string =>
    isSet(type) && type !== 'RuntimeDefault' && type !== 'Localhost';
  const pod = bad(spec.securityContext?.seccompProfile?.type);
  const names = badContainers(spec, (c) => bad(c.securityContext?.seccompProfile?.type));
  if (!pod && names.length === 0) return undefined;
  const set: readonly (string | undefined)[] = [
    spec.securityContext?.seccompProfile?.type,
    ...containersOf(spec).map((c) => c.securityContext?.seccompProfile?.type),
  ];
  const types = sortedUnique(set.filter(bad));
  return {
    reason: 'seccompProfile',
    detail: `${setters(pod, names)} must not set securityContext.seccompProfile.type to ${quoted(types)}`,
  };
};

const safeSysctls: readonly (readonly [number, readonly string[]])[] = [
  [
    0,
    [
      'kernel.shm_rmid_forced',
      'net.ipv4.ip_local_port_range',
      'net.ipv4.tcp_syncookies',
      'net.ipv4.ping_group_range',
      'net.ipv4.ip_unprivileged_port_start',
    ],
  ],
  [27, ['net.ipv4.ip_local_reserved_ports']],
  [
    29,
    [
      'net.ipv4.tcp_keepalive_time',
      'net.ipv4.tcp_fin_timeout',
      'net.ipv4.tcp_keepalive_intvl',
      'net.ipv4.tcp_keepalive_probes',
    ],
  ],
  [32, ['net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem']],
];

function sysctls(minor: number): CheckPod {
  const safe = new Set(safeSysctls.flatMap(([from, names]) => (from <= minor ? names : [])));
  return ({ spec }) => {
    const bad = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !safe.has(name));
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') };
  };
}

const windowsHostProcess: CheckPod = ({ spec }) => {
  const pod = spec.securityContext?.windowsOptions?.hostProcess === true;
  const names = badContainers(spec, (c) => c.securityContext?.windowsOptions?.hostProcess === true);
  if (!pod && names.length === 0) return undefined;
  return {
    reason: 'hostProcess',
    detail: `${setters(pod, names)} must not set securityContext.windowsOptions.hostProcess=true`,
  };
};

const selinuxTypes = ['container_t', 'container_init_t', 'container_kvm_t'];

/** The baseline standard of Kubernetes 1.36, in the order in which violations are listed. */
export const baselineChecks: readonly Check[] = [
  { id: 'appArmorProfile', level: 'baseline', versions: [{ from: 0, check: appArmor }] },
  { id: 'capabilities_baseline', level: 'baseline', versions: [{ from: 0, check: capabilities }] },
  { id: 'hostNamespaces', level: 'baseline', versions: [{ from: 0, check: hostNamespaces }] },
  { id: 'hostPathVolumes', level: 'baseline', versions: [{ from: 0, check: hostPathVolumes }] },
  { id: 'hostPorts', level: 'baseline', versions: [{ from: 0, check: hostPorts }] },
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', versions: [{ from: 34, check: probeHosts }] },
  { id: 'privileged', level: 'baseline', versions: [{ from: 0, check: privileged }] },
  {
    id: 'procMount',
    level: 'baseline',
    versions: [
      { from: 0, check: procMount },
      { from: 35, check: (pod) => (hasUserNamespace(pod.spec) ? undefined : procMount(pod)) },
    ],
  },
  {
    id: 'seLinuxOptions',
    level: 'baseline',
    versions: [
      { from: 0, check: seLinux(selinuxTypes) },
      { from: 31, check: seLinux([...selinuxTypes, 'container_engine_t']) },
    ],
  },
  {
    id: 'seccompProfile_baseline',
    level: 'baseline',
    versions: [
      { from: 0, check: seccompAnnotations },
      { from: 19, check: seccompField },
    ],
  },
  {
    id: 'sysctls',
    level: 'baseline',
    versions: [0, 27, 29, 32].map((from) => ({ from, check: sysctls(from) })),
  },
  { id: 'windowsHostProcess', level: 'baseline', versions: [{ from: 0, check: windowsHostProcess }] },
];
