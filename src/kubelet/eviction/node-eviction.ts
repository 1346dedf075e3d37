import { rm } from 'node:fs/promises';
import type { Pod } from '../../api/generated/types.ts';
import type { EventRecorder } from '../../client/event-recorder.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { podLogDirectory } from '../pod-logs.ts';
import type { RuntimeView } from '../runtime-view.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import { type EvictablePod, EvictionManager } from './eviction-manager.ts';
import { measurePods } from './measure.ts';
import { observeNode } from './node-observations.ts';
import type { EvictionSettings } from './thresholds.ts';

export interface NodeEvictionDependencies {
  readonly nodeName: string;
  readonly settings: EvictionSettings;
  readonly runtime: Runtime;
  readonly view: RuntimeView;
  readonly volumes: VolumeManager;
  readonly podsDirectory: string;
  readonly logsDirectory: string;
  /** All pods of this node, those that have ended too. */
  readonly pods: () => readonly Pod[];
  readonly evictable: () => readonly EvictablePod[];
  /** Removes images that no container uses. */
  readonly reclaimImages: () => Promise<unknown>;
  readonly changed: () => void;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
}

/** The eviction of this very node: its disks, its runtime, its pods. */
export function nodeEviction(dependencies: NodeEvictionDependencies): EvictionManager {
  const { nodeName, settings, runtime, podsDirectory, events, evictable, changed, clock, log } = dependencies;
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: nodeName } };
  const imageFs = async (): Promise<string | undefined> => (await runtime.images?.usage())?.path;
  return new EvictionManager({
    settings,
    observe: () => observeNode({ nodeFs: podsDirectory, imageFs }),
    pods: evictable,
    measure: (pods, withDisk) => {
      const measured = pods.map(({ pod }) => pod);
      return measurePods(dependencies, measured, withDisk);
    },
    reclaim: async () => {
      await removeEndedLogs(dependencies);
      await dependencies.reclaimImages();
    },
    changed,
    tell: (reason, message) => events.record(node, 'Warning', reason, message),
    clock,
    log,
  });
}

/** Logs of pods that have ended, as Kubernetes removes their containers: nobody is to be ended for them. */
async function removeEndedLogs({ pods, logsDirectory }: NodeEvictionDependencies): Promise<void> {
  for (const pod of pods()) {
    const { phase } = pod.status ?? {};
    if (phase !== 'Failed' && phase !== 'Succeeded') continue;
    await rm(podLogDirectory(logsDirectory, pod), { recursive: true, force: true });
  }
}
