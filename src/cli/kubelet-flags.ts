import type { Command } from 'commander';

/** Adds the flags of a node's kubelet, by the names that Kubernetes' kubelet has for them. */
export function withKubeletFlags(command: Command): Command {
  return command
    .option('--pod-manifest-path <directory>', 'files of static pods, which this node runs by itself')
    .option(
      '--eviction-hard <thresholds>',
      'below these, pods are evicted at once (default: memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs.inodesFree<5%; empty: none)',
    )
    .option('--eviction-soft <thresholds>', 'below these for longer than their grace period, pods are evicted')
    .option('--eviction-soft-grace-period <periods>', 'of each soft threshold: memory.available=1m30s')
    .option('--eviction-max-pod-grace-period <seconds>', 'for pods that a soft threshold evicts (default: 0)')
    .option(
      '--eviction-minimum-reclaim <amounts>',
      'how much more than its threshold to get back: nodefs.available=1Gi',
    )
    .option(
      '--eviction-pressure-transition-period <period>',
      'how long the node says that it is under pressure after it was last (default: 5m0s)',
    )
    .option(
      '--shutdown-grace-period <period>',
      'end pods for good when the node stops, within this time (default: 0, they go on when it comes back)',
    )
    .option('--shutdown-grace-period-critical-pods <period>', 'what of it is kept for critical pods, which end last');
}
