import type { Command } from 'commander';

/** Adds the flags of a node's kubelet, by the names that Kubernetes' kubelet has for them. */
export function withKubeletFlags(command: Command): Command {
  return command.option('--pod-manifest-path <directory>', 'files of static pods, which this node runs by itself');
}
