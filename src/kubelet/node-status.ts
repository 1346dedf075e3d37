import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { arch, availableParallelism, release, totalmem } from 'node:os';
import type { NodeCondition, NodeStatus } from '../api/generated/types.ts';
import { rfc3339 } from '../lib/clock.ts';
import type { RuntimeStatus } from '../runtime/runtime.ts';
import type { PressureCondition } from './eviction/signals.ts';

/** Kubernetes' default for `--max-pods`. */
const MAX_PODS = 110;
/** What of the memory is kept back from pods. */
const RESERVED_MEMORY_BYTES = 100 << 20;

export interface NodeFacts {
  readonly nodeName: string;
  readonly addresses: readonly { readonly type: 'InternalIP' | 'Hostname'; readonly address: string }[];
  readonly kubeletPort: number;
  readonly kubeletVersion: string;
  readonly runtimeVersion: string;
  /** Where pods' volumes and logs are: its file system counts as the node's disk. */
  readonly dataDirectory: string;
}

/** How the node does. */
export interface NodeHealth {
  readonly pressure: ReadonlySet<PressureCondition>;
  /** Its pods are being ended. */
  readonly shuttingDown: boolean;
}

function fileText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function osImage(): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(fileText('/etc/os-release'))?.[1] ?? 'Linux';
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** Kubernetes' name of this machine's architecture. */
export function nodeArchitecture(): string {
  return ARCHITECTURES[arch()] ?? arch();
}

/** What pods may ask for in all, by resource: the amounts of `status.allocatable`. */
export async function nodeRoom(dataDirectory: string): Promise<Record<string, string>> {
  const disk = await statfs(dataDirectory);
  return {
    cpu: String(availableParallelism()),
    memory: `${Math.floor((totalmem() - RESERVED_MEMORY_BYTES) / 1024)}Ki`,
    'ephemeral-storage': String(Math.floor(disk.blocks * disk.bsize * 0.9)),
    pods: String(MAX_PODS),
  };
}

function isolationText(runtime: RuntimeStatus): string {
  const own =
    runtime.isolation.length === 0
      ? 'pods share everything with this machine'
      : `pods have of their own: ${runtime.isolation.join(', ')}`;
  return runtime.message === '' ? own : `${own}; ${runtime.message}`;
}

/** The whole `status` of the Node, with the transition times of `previous` where a condition has not changed. */
export async function nodeStatus(
  facts: NodeFacts,
  runtime: RuntimeStatus,
  previous: readonly NodeCondition[],
  health: NodeHealth,
  now: number,
): Promise<NodeStatus> {
  const disk = await statfs(facts.dataDirectory);
  const room = await nodeRoom(facts.dataDirectory);
  const { pressure, shuttingDown } = health;
  const ready = runtime.ready && runtime.networkReady && !shuttingDown;
  const isolated = runtime.isolation.length > 0;
  const found: [type: string, status: boolean, reason: string, message: string][] = [
    pressure.has('MemoryPressure')
      ? ['MemoryPressure', true, 'KubeletHasInsufficientMemory', 'kubelet has insufficient memory available']
      : ['MemoryPressure', false, 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    pressure.has('DiskPressure')
      ? ['DiskPressure', true, 'KubeletHasDiskPressure', 'kubelet has disk pressure']
      : ['DiskPressure', false, 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    pressure.has('PIDPressure')
      ? ['PIDPressure', true, 'KubeletHasInsufficientPID', 'kubelet has insufficient PID available']
      : ['PIDPressure', false, 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
    ['PodsIsolated', isolated, isolated ? 'NamespacesInUse' : 'NoIsolation', isolationText(runtime)],
    ready
      ? ['Ready', true, 'KubeletReady', 'kubelet is posting ready status']
      : ['Ready', false, 'KubeletNotReady', shuttingDown ? 'node is shutting down' : runtime.message],
  ];
  return {
    addresses: facts.addresses.map((a) => ({ ...a })),
    capacity: {
      ...room,
      memory: `${Math.floor(totalmem() / 1024)}Ki`,
      'ephemeral-storage': `${Math.floor((disk.blocks * disk.bsize) / 1024)}Ki`,
    },
    allocatable: room,
    conditions: found.map(([type, status, reason, message]) => {
      const text = status ? 'True' : 'False';
      const known = previous.find((c) => c.type === type);
      const since = known?.status === text ? known.lastTransitionTime : undefined;
      return {
        type,
        status: text,
        reason,
        message,
        lastHeartbeatTime: rfc3339(now),
        lastTransitionTime: since ?? rfc3339(now),
      };
    }),
    daemonEndpoints: { kubeletEndpoint: { Port: facts.kubeletPort } },
    nodeInfo: {
      architecture: nodeArchitecture(),
      bootID: fileText('/proc/sys/kernel/random/boot_id'),
      containerRuntimeVersion: facts.runtimeVersion,
      kernelVersion: release(),
      kubeProxyVersion: '',
      kubeletVersion: facts.kubeletVersion,
      machineID: fileText('/etc/machine-id'),
      operatingSystem: 'linux',
      osImage: osImage(),
      systemUUID: fileText('/etc/machine-id'),
    },
  };
}
