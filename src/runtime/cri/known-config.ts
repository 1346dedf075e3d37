import type { ContainerConfig, PodSandboxConfig } from '../runtime.ts';
import type { CriContainerStatus, CriSandbox } from './cri-messages.ts';

/** Where the runtime keeps, for the kubelet that comes next, what was asked of it. */
const CONFIG_ANNOTATION = 'causeway.dev/config';
/** Whose sandbox it is: other nodes may use the same runtime. */
const OWNER_ANNOTATION = 'causeway.dev/owner';

/** What is not kept of a container: commands and variables may hold secrets, and nobody asks for them again. */
type KeptContainer = Pick<ContainerConfig, 'image' | 'stdin' | 'stdinOnce' | 'tty' | 'security' | 'resources'>;

const NO_SECURITY: ContainerConfig['security'] = {
  runAsNonRoot: false,
  privileged: false,
  readOnlyRootFilesystem: false,
  allowPrivilegeEscalation: false,
  addCapabilities: [],
  dropCapabilities: [],
};

export function sandboxAnnotations(config: PodSandboxConfig, owner: string): Record<string, string> {
  const { annotations, labels: _, ...kept } = config;
  return { ...annotations, [CONFIG_ANNOTATION]: JSON.stringify(kept), [OWNER_ANNOTATION]: owner };
}

export function containerAnnotations(config: ContainerConfig): Record<string, string> {
  const { image, stdin, stdinOnce, tty, security, resources } = config;
  const kept: KeptContainer = { image, stdin, stdinOnce, tty, security, resources };
  return { ...config.annotations, [CONFIG_ANNOTATION]: JSON.stringify(kept) };
}

/** The sandbox as it was asked for; undefined for one that is not ours. */
export function knownSandbox({ labels, annotations }: CriSandbox, owner: string): PodSandboxConfig | undefined {
  if (annotations[OWNER_ANNOTATION] !== owner) return undefined;
  const kept = parsed<PodSandboxConfig>(annotations);
  return kept === undefined ? undefined : { ...kept, labels, annotations: withoutConfig(annotations) };
}

/** The container as it was asked for, as far as that is kept; undefined for one that is not ours. */
export function knownContainer(status: CriContainerStatus): ContainerConfig | undefined {
  const { labels, annotations, metadata } = status;
  const kept = parsed<KeptContainer>(annotations);
  if (kept === undefined) return undefined;
  return {
    command: [],
    args: [],
    workingDir: '',
    env: [],
    mounts: [],
    ...kept,
    security: { ...NO_SECURITY, ...kept.security },
    name: metadata?.name ?? '',
    attempt: metadata?.attempt ?? 0,
    labels,
    annotations: withoutConfig(annotations),
  };
}

function parsed<T>(annotations: Readonly<Record<string, string>>): T | undefined {
  const text = annotations[CONFIG_ANNOTATION];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

function withoutConfig(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const { [CONFIG_ANNOTATION]: _, [OWNER_ANNOTATION]: __, ...rest } = annotations;
  return rest;
}
