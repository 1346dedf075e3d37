import { resolve } from 'node:path';
import { type EvictionFlags, type EvictionSettings, evictionSettings } from '../kubelet/eviction/thresholds.ts';
import { type ShutdownFlags, type ShutdownSettings, shutdownSettings } from '../kubelet/node-shutdown.ts';

/** What a node's kubelet is told by flags, as they are written: each has the name that Kubernetes' kubelet has for it. */
export interface KubeletFlags extends EvictionFlags, ShutdownFlags {
  readonly podManifestPath?: string;
}

/** The same, checked. */
export interface KubeletSettings {
  readonly podManifestPath: string | undefined;
  readonly eviction: EvictionSettings;
  readonly shutdown: ShutdownSettings;
}

/** Reads the flags of a kubelet. Throws one line that names the flag and says what is wrong with it. */
export function kubeletSettings(flags: KubeletFlags): KubeletSettings {
  const { podManifestPath } = flags;
  return {
    podManifestPath: podManifestPath === undefined ? undefined : resolve(podManifestPath),
    eviction: evictionSettings(flags),
    shutdown: shutdownSettings(flags),
  };
}
