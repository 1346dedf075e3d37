import { join } from 'node:path';
import type { Pod } from '../../api/generated/types.ts';
import type { ContainerStats, Runtime } from '../../runtime/runtime.ts';
import { podLogDirectory } from '../pod-logs.ts';
import type { RuntimeView } from '../runtime-view.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import { diskUse } from './disk-use.ts';
import { type ContainerUse, type DiskUse, NO_DISK, type PodUse } from './pod-usage.ts';

export interface MeasureDependencies {
  readonly runtime: Pick<Runtime, 'containerStats'>;
  readonly view: Pick<RuntimeView, 'ofPod'>;
  readonly volumes: Pick<VolumeManager, 'emptyDirectory'>;
  readonly logsDirectory: string;
}

/** What pods use, by UID: memory as the runtime counts it, and, with `withDisk`, the disk of their logs and volumes. */
export async function measurePods(
  dependencies: MeasureDependencies,
  pods: readonly Pod[],
  withDisk: boolean,
): Promise<ReadonlyMap<string, PodUse>> {
  const stats = new Map((await dependencies.runtime.containerStats()).map((each) => [each.id, each]));
  const found = new Map<string, PodUse>();
  for (const pod of pods) found.set(pod.metadata.uid ?? '', await measurePod(dependencies, pod, stats, withDisk));
  return found;
}

async function measurePod(
  { view, volumes, logsDirectory }: MeasureDependencies,
  pod: Pod,
  stats: ReadonlyMap<string, ContainerStats>,
  withDisk: boolean,
): Promise<PodUse> {
  const uid = pod.metadata.uid ?? '';
  const containers = new Map<string, ContainerUse>();
  for (const { id, config, state } of view.ofPod(uid).containers) {
    if (state !== 'running') continue;
    const own = stats.get(id);
    const logs = withDisk ? await diskUse(join(podLogDirectory(logsDirectory, pod), config.name)) : NO_DISK;
    const layer = own?.writableLayer ?? NO_DISK;
    const disk = { bytes: logs.bytes + layer.bytes, inodes: logs.inodes + layer.inodes };
    containers.set(config.name, { memoryBytes: own?.memoryBytes ?? 0, disk });
  }
  const used = new Map<string, DiskUse>();
  for (const { name, emptyDir } of withDisk ? (pod.spec?.volumes ?? []) : []) {
    if (emptyDir !== undefined) used.set(name, await diskUse(volumes.emptyDirectory(uid, name)));
  }
  const memoryBytes = [...containers.values()].reduce((sum, each) => sum + each.memoryBytes, 0);
  return { memoryBytes, containers, volumes: used };
}
