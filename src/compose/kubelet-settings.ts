import { resolve } from 'node:path';
import { type EvictionFlags, type EvictionSettings, evictionSettings } from '../kubelet/eviction/thresholds.ts';
import { type ShutdownFlags, type ShutdownSettings, shutdownSettings } from '../kubelet/node-shutdown.ts';
import { CausewayError } from '../lib/errors.ts';
import { socketPathOf } from '../runtime/cri/find-socket.ts';

/** What a node's kubelet is told by flags, as they are written: each has the name that Kubernetes' kubelet has for it. */
export interface KubeletFlags extends EvictionFlags, ShutdownFlags {
  readonly podManifestPath?: string;
  readonly runtime?: string;
  readonly containerRuntimeEndpoint?: string;
}

/** The same, checked. */
export interface KubeletSettings {
  readonly podManifestPath: string | undefined;
  readonly eviction: EvictionSettings;
  readonly shutdown: ShutdownSettings;
  /** `cri`: the socket of a container runtime, or wherever one listens. */
  readonly runtime: { readonly name: 'process' } | { readonly name: 'cri'; readonly socketPath: string | undefined };
}

/** Reads the flags of a kubelet. Throws one line that names the flag and says what is wrong with it. */
export function kubeletSettings(flags: KubeletFlags): KubeletSettings {
  const { podManifestPath, runtime, containerRuntimeEndpoint: endpoint } = flags;
  if (endpoint !== undefined && runtime !== 'cri')
    throw new CausewayError('BadRequest', '--container-runtime-endpoint is for --runtime cri');
  const socketPath = endpoint === undefined ? undefined : socketPathOf(endpoint);
  return {
    podManifestPath: podManifestPath === undefined ? undefined : resolve(podManifestPath),
    eviction: evictionSettings(flags),
    shutdown: shutdownSettings(flags),
    runtime: runtime === 'cri' ? { name: 'cri', socketPath } : { name: 'process' },
  };
}
