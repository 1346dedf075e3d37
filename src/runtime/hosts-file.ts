import { readFileSync } from 'node:fs';
import type { PodSandboxConfig } from './runtime.ts';

const LOCAL_HOSTS = `# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;

/** A pod's `/etc/hosts`. Without an address of its own the host's names are its names. */
export function hostsFileOf(
  { hostNetwork, hostname, hostAliases }: PodSandboxConfig,
  address: string | undefined,
): string {
  const hosts = hostNetwork || address === undefined ? hostFile('/etc/hosts') : LOCAL_HOSTS;
  const own = address === undefined || hostname === '' ? '' : `${address}\t${hostname}\n`;
  const aliases = hostAliases.map(({ ip, hostnames }) => `${ip}\t${hostnames.join('\t')}\n`);
  return `${hosts}${hosts.endsWith('\n') ? '' : '\n'}${own}${aliases.join('')}`;
}

/** A file of the host's; empty when there is none. */
export function hostFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
