import type { PodSandboxConfig } from './runtime.ts';

/**
 * Sysctls that belong to a pod's own namespaces and can harm nobody else (Kubernetes' safe set, those of them that are namespaced in
 * the network or IPC namespace).
 */
const SAFE_SYSCTLS: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

/** Whether the pod may set it: its own, and not the host's. */
export function isOwnSysctl(sandbox: PodSandboxConfig, name: string): boolean {
  if (!SAFE_SYSCTLS.has(name)) return false;
  return name.startsWith('net.') ? !sandbox.hostNetwork : !sandbox.hostIPC;
}
