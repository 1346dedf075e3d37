import { big, bool, int32, int64, message, type Output, repeated, string, stringMap } from './grpc/message.ts';

/*
 * The messages of CRI v1 (k8s.io/cri-api, pkg/apis/runtime/v1/api.proto), with the fields that are used here and their numbers there.
 * Bytes that may not be text (`ExecSync`) are not among them.
 */

const int64Value = message({ value: [1, int64] });
const counter = message({ value: [1, big] });

export const namespaceMode = { pod: 0, container: 1, node: 2, target: 3 } as const;
const namespaceOption = message({ network: [1, int32], pid: [2, int32], ipc: [3, int32], targetId: [4, string] });

export const profileType = { runtimeDefault: 0, unconfined: 1, localhost: 2 } as const;
const securityProfile = message({ profileType: [1, int32], localhostRef: [2, string] });

const linuxSandboxSecurityContext = message({
  namespaceOptions: [1, namespaceOption],
  supplementalGroups: [5, repeated(int64)],
  privileged: [6, bool],
  seccomp: [9, securityProfile],
});
const sandboxMetadata = message({ name: [1, string], uid: [2, string], namespace: [3, string], attempt: [4, int32] });
const dnsConfig = message({
  servers: [1, repeated(string)],
  searches: [2, repeated(string)],
  options: [3, repeated(string)],
});
const linuxPodSandboxConfig = message({
  cgroupParent: [1, string],
  securityContext: [2, linuxSandboxSecurityContext],
  sysctls: [3, stringMap],
});
export const podSandboxConfig = message({
  metadata: [1, sandboxMetadata],
  hostname: [2, string],
  logDirectory: [3, string],
  dnsConfig: [4, dnsConfig],
  labels: [6, stringMap],
  annotations: [7, stringMap],
  linux: [8, linuxPodSandboxConfig],
});

const podIp = message({ ip: [1, string] });
const podSandboxStatus = message({
  id: [1, string],
  state: [3, int32],
  network: [5, message({ ip: [1, string], additionalIps: [2, repeated(podIp)] })],
});
const podSandbox = message({
  id: [1, string],
  metadata: [2, sandboxMetadata],
  state: [3, int32],
  createdAt: [4, big],
  labels: [5, stringMap],
  annotations: [6, stringMap],
});

const imageSpec = message({ image: [1, string], userSpecifiedImage: [18, string] });
export const image = message({
  id: [1, string],
  repoTags: [2, repeated(string)],
  repoDigests: [3, repeated(string)],
  size: [4, int64],
  uid: [5, int64Value],
  username: [6, string],
  pinned: [8, bool],
});

export const propagation = { None: 0, HostToContainer: 1, Bidirectional: 2 } as const;
const mount = message({
  containerPath: [1, string],
  hostPath: [2, string],
  readonly: [3, bool],
  propagation: [5, int32],
});

const capability = message({ add: [1, repeated(string)], drop: [2, repeated(string)] });
const linuxContainerSecurityContext = message({
  capabilities: [1, capability],
  privileged: [2, bool],
  namespaceOptions: [3, namespaceOption],
  runAsUser: [5, int64Value],
  runAsUsername: [6, string],
  readonlyRootfs: [7, bool],
  supplementalGroups: [8, repeated(int64)],
  noNewPrivs: [11, bool],
  runAsGroup: [12, int64Value],
  maskedPaths: [13, repeated(string)],
  readonlyPaths: [14, repeated(string)],
  seccomp: [15, securityProfile],
});
const linuxContainerResources = message({
  cpuPeriod: [1, int64],
  cpuQuota: [2, int64],
  cpuShares: [3, int64],
  memoryLimitInBytes: [4, int64],
  oomScoreAdj: [5, int64],
  unified: [9, stringMap],
});
const linuxContainerConfig = message({
  resources: [1, linuxContainerResources],
  securityContext: [2, linuxContainerSecurityContext],
});
const containerMetadata = message({ name: [1, string], attempt: [2, int32] });
export const containerConfig = message({
  metadata: [1, containerMetadata],
  image: [2, imageSpec],
  command: [3, repeated(string)],
  args: [4, repeated(string)],
  workingDir: [5, string],
  envs: [6, repeated(message({ key: [1, string], value: [2, string] }))],
  mounts: [7, repeated(mount)],
  labels: [9, stringMap],
  annotations: [10, stringMap],
  logPath: [11, string],
  stdin: [12, bool],
  stdinOnce: [13, bool],
  tty: [14, bool],
  linux: [15, linuxContainerConfig],
  stopSignal: [18, int32],
});

const container = message({
  id: [1, string],
  podSandboxId: [2, string],
  metadata: [3, containerMetadata],
  image: [4, imageSpec],
  imageRef: [5, string],
  state: [6, int32],
  createdAt: [7, big],
  labels: [8, stringMap],
  annotations: [9, stringMap],
});
const containerStatus = message({
  id: [1, string],
  metadata: [2, containerMetadata],
  state: [3, int32],
  createdAt: [4, big],
  startedAt: [5, big],
  finishedAt: [6, big],
  exitCode: [7, int32],
  image: [8, imageSpec],
  imageRef: [9, string],
  reason: [10, string],
  message: [11, string],
  labels: [12, stringMap],
  annotations: [13, stringMap],
  logPath: [15, string],
  stopSignal: [19, int32],
});
const containerStats = message({
  attributes: [1, message({ id: [1, string] })],
  cpu: [2, message({ usageCoreNanoSeconds: [2, counter] })],
  memory: [3, message({ workingSetBytes: [1, counter], rssBytes: [4, counter] })],
  writableLayer: [4, message({ usedBytes: [3, counter], inodesUsed: [4, counter] })],
});

const empty = message({});
const sandboxId = message({ podSandboxId: [1, string] });
const containerId = message({ containerId: [1, string] });
const condition = message({ type: [1, string], status: [2, bool], reason: [3, string], message: [4, string] });
const streamUrl = message({ url: [1, string] });
const byImage = message({ image: [1, imageSpec] });
const authConfig = message({
  username: [1, string],
  password: [2, string],
  auth: [3, string],
  serverAddress: [4, string],
  identityToken: [5, string],
  registryToken: [6, string],
});

function of<In extends { encode(value: never): Buffer }, Out>(
  service: string,
  name: string,
  request: In,
  response: Out,
) {
  return { path: `/${service}/${name}`, request, response };
}
const RUNTIME = 'runtime.v1.RuntimeService';
const IMAGES = 'runtime.v1.ImageService';

/** The procedures that are called. */
export const cri = {
  version: of(
    RUNTIME,
    'Version',
    message({ version: [1, string] }),
    message({ runtimeName: [2, string], runtimeVersion: [3, string] }),
  ),
  status: of(RUNTIME, 'Status', empty, message({ status: [1, message({ conditions: [1, repeated(condition)] })] })),
  runPodSandbox: of(RUNTIME, 'RunPodSandbox', message({ config: [1, podSandboxConfig] }), sandboxId),
  stopPodSandbox: of(RUNTIME, 'StopPodSandbox', sandboxId, empty),
  removePodSandbox: of(RUNTIME, 'RemovePodSandbox', sandboxId, empty),
  podSandboxStatus: of(RUNTIME, 'PodSandboxStatus', sandboxId, message({ status: [1, podSandboxStatus] })),
  listPodSandbox: of(RUNTIME, 'ListPodSandbox', empty, message({ items: [1, repeated(podSandbox)] })),
  createContainer: of(
    RUNTIME,
    'CreateContainer',
    message({ podSandboxId: [1, string], config: [2, containerConfig], sandboxConfig: [3, podSandboxConfig] }),
    containerId,
  ),
  startContainer: of(RUNTIME, 'StartContainer', containerId, empty),
  stopContainer: of(RUNTIME, 'StopContainer', message({ containerId: [1, string], timeout: [2, int64] }), empty),
  removeContainer: of(RUNTIME, 'RemoveContainer', containerId, empty),
  listContainers: of(RUNTIME, 'ListContainers', empty, message({ containers: [1, repeated(container)] })),
  containerStatus: of(RUNTIME, 'ContainerStatus', containerId, message({ status: [1, containerStatus] })),
  listContainerStats: of(RUNTIME, 'ListContainerStats', empty, message({ stats: [1, repeated(containerStats)] })),
  reopenContainerLog: of(RUNTIME, 'ReopenContainerLog', containerId, empty),
  exec: of(
    RUNTIME,
    'Exec',
    message({
      containerId: [1, string],
      cmd: [2, repeated(string)],
      tty: [3, bool],
      stdin: [4, bool],
      stdout: [5, bool],
      stderr: [6, bool],
    }),
    streamUrl,
  ),
  attach: of(
    RUNTIME,
    'Attach',
    message({ containerId: [1, string], stdin: [2, bool], tty: [3, bool], stdout: [4, bool], stderr: [5, bool] }),
    streamUrl,
  ),
  portForward: of(
    RUNTIME,
    'PortForward',
    message({ podSandboxId: [1, string], port: [2, repeated(int32)] }),
    streamUrl,
  ),
  containerEvents: of(RUNTIME, 'GetContainerEvents', empty, message({ containerId: [1, string] })),
  listImages: of(IMAGES, 'ListImages', empty, message({ images: [1, repeated(image)] })),
  imageStatus: of(IMAGES, 'ImageStatus', byImage, message({ image: [1, image] })),
  pullImage: of(
    IMAGES,
    'PullImage',
    message({ image: [1, imageSpec], auth: [2, authConfig], sandboxConfig: [3, podSandboxConfig] }),
    message({ imageRef: [1, string] }),
  ),
  removeImage: of(IMAGES, 'RemoveImage', byImage, empty),
  imageFsInfo: of(
    IMAGES,
    'ImageFsInfo',
    empty,
    message({
      imageFilesystems: [
        1,
        repeated(
          message({ fsId: [2, message({ mountpoint: [1, string] })], usedBytes: [3, message({ value: [1, int64] })] }),
        ),
      ],
    }),
  ),
} as const;

/** containerd's own events (containerd.services.events.v1), for versions whose CRI tells of none: what happened is asked for by CRI. */
export const containerdEvents = of(
  'containerd.services.events.v1.Events',
  'Subscribe',
  message({ filters: [1, repeated(string)] }),
  message({ topic: [3, string] }),
);

export const sandboxReady = 0;
export const containerState = ['created', 'running', 'exited', 'unknown'] as const;

export type CriSandbox = Output<typeof podSandbox>;
export type CriContainer = Output<typeof container>;
export type CriContainerStatus = Output<typeof containerStatus>;
export type CriImage = Output<typeof image>;
