import { realpathSync } from 'node:fs';

/**
 * What a pod does not see of the host although its file system is the image: other people's credentials and data that no image has.
 * Home directories, /mnt, /media and /boot are empty anyway; /tmp and /run are the container's own.
 */
const ALWAYS_MASKED = [
  '/etc/shadow',
  '/etc/shadow-',
  '/etc/gshadow',
  '/etc/gshadow-',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/etc/security/opasswd',
  '/etc/krb5.keytab',
  '/etc/machine-id',
  '/etc/ssh/ssh_host_rsa_key',
  '/etc/ssh/ssh_host_ecdsa_key',
  '/etc/ssh/ssh_host_ed25519_key',
  '/etc/ssl/private',
  '/etc/kubernetes',
  '/etc/rancher',
  '/etc/wireguard',
  '/var/backups',
  '/var/crash',
  '/var/lib/containerd',
  '/var/lib/containers',
  '/var/lib/docker',
  '/var/lib/etcd',
  '/var/lib/kubelet',
  '/var/lib/private',
  '/var/lib/rancher',
  '/var/log',
  '/var/mail',
  '/var/spool',
];

/** Without symbolic links, and without what is not there. */
export function canonical(paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    try {
      found.add(realpathSync(path));
    } catch {
      // Not there.
    }
  }
  return [...found];
}

/** Canonical paths to mask, outermost first, those inside of another left out. */
export function masksFor(hidden: readonly string[]): string[] {
  const all = canonical([...ALWAYS_MASKED, ...hidden]).sort();
  return all.filter((path) => !all.some((other) => other !== path && path.startsWith(`${other}/`)));
}
