import { rfc3339 } from '../../lib/clock.ts';
import type { CpuRates } from './cpu-rates.ts';
import type { PodUsage, Usage } from './usage.ts';

/** `/stats/summary` (k8s.io/kubelet/pkg/apis/stats/v1alpha1), with what is measured here; of disks not with `onlyCpuAndMemory`. */
export function statsSummary(usage: Usage, nodeName: string, rates: CpuRates, onlyCpuAndMemory: boolean): object {
  const { node, atMs } = usage;
  const time = rfc3339(atMs);
  const keys = new Set(['node']);
  const cpu = (key: string, nanoseconds: bigint): object => {
    keys.add(key);
    return { time, usageNanoCores: rates.rate(key, nanoseconds, atMs), usageCoreNanoSeconds: Number(nanoseconds) };
  };
  const pods = usage.pods.filter(({ containers }) => containers.length > 0).map((pod) => podSummary(pod, time, cpu));
  const summary = {
    node: {
      nodeName,
      startTime: rfc3339(node.bootedAt),
      cpu: cpu('node', node.cpuNanoseconds),
      memory: {
        time,
        availableBytes: node.memoryTotalBytes - node.memoryUsedBytes,
        usageBytes: node.memoryUsedBytes,
        workingSetBytes: node.memoryUsedBytes,
      },
      ...(onlyCpuAndMemory
        ? {}
        : {
            fs: {
              time,
              availableBytes: node.fsAvailableBytes,
              capacityBytes: node.fsCapacityBytes,
              usedBytes: node.fsCapacityBytes - node.fsAvailableBytes,
              inodesFree: node.fsInodesFree,
              inodes: node.fsInodes,
              inodesUsed: node.fsInodes - node.fsInodesFree,
            },
          }),
    },
    pods,
  };
  rates.keep(keys);
  return summary;
}

function podSummary({ pod, containers }: PodUsage, time: string, cpu: (key: string, total: bigint) => object): object {
  const { status } = pod.object as { status?: { startTime?: string } };
  const startTime = status?.startTime ?? time;
  const total = containers.reduce((sum, { stats }) => sum + stats.cpuNanoseconds, 0n);
  const memory = containers.reduce((sum, { stats }) => sum + stats.memoryBytes, 0);
  return {
    podRef: { name: pod.name, namespace: pod.namespace, uid: pod.uid },
    startTime,
    containers: containers.map(({ name, startedAt, stats }) => ({
      name,
      startTime: rfc3339(startedAt),
      cpu: cpu(stats.id, stats.cpuNanoseconds),
      memory: { time, usageBytes: stats.memoryBytes, workingSetBytes: stats.memoryBytes },
    })),
    cpu: cpu(pod.uid, total),
    memory: { time, usageBytes: memory, workingSetBytes: memory },
  };
}
