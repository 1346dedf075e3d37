import { resolve } from 'node:path';

/** What a node's kubelet is told by flags, as they are written: each has the name that Kubernetes' kubelet has for it. */
export interface KubeletFlags {
  readonly podManifestPath?: string;
}

/** The same, checked. */
export interface KubeletSettings {
  readonly podManifestPath: string | undefined;
}

/** Reads the flags of a kubelet. Throws one line that names the flag and says what is wrong with it. */
export function kubeletSettings({ podManifestPath }: KubeletFlags): KubeletSettings {
  return {
    podManifestPath: podManifestPath === undefined ? undefined : resolve(podManifestPath),
  };
}
