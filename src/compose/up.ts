import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Pod } from '../api/generated/types.ts';
import { CONFIG_MAPS, NODES, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { RestClient } from '../client/rest-client.ts';
import { unsupportedFields } from '../kubelet/kubelet.ts';
import { systemClock } from '../lib/clock.ts';
import { sleep } from '../lib/deadline.ts';
import { CausewayError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { clientTls } from '../pki/client-tls.ts';
import { fixedCertificate } from '../pki/issued-certificate.ts';
import { kubeconfig } from '../pki/kubeconfig.ts';
import { writeSecretFile } from '../pki/secret-file.ts';
import { createProcessRuntime } from '../runtime/process/process-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { issueAdmin, SERVER_URL_FILE } from './admin-kubeconfig.ts';
import { type ControlPlane, readTokenFile, startControlPlane } from './control-plane.ts';
import { type ClusterDirectory, openClusterDirectory } from './data-directory.ts';
import { serveKubernetesService } from './kubernetes-service.ts';
import { startControllerManager, startScheduler } from './master-components.ts';
import { startNode } from './node.ts';
import { choosePodNetwork } from './pod-network.ts';

/** How long a start may take before it is given up. */
const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 10;
const ADMIN_GROUP = 'system:masters';

export interface UpOptions {
  readonly dataDirectory: string;
  readonly bindAddress: string;
  /** 0 takes a free port. */
  readonly securePort: number;
  /** Default: the machine's host name. */
  readonly nodeName?: string;
  /** Addresses of Services: `10.96.0.0/16`. */
  readonly serviceCidr: string;
  readonly tokenFile?: string;
  readonly minTlsVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly log: Log;
  /** Told of each step, in one line. */
  readonly progress: (line: string) => void;
}

export interface RunningCluster {
  readonly url: string;
  readonly adminKubeconfig: string;
  readonly nodeName: string;
  /** Ends every pod within its grace period, then everything else; when `hurry` aborts, pods end at once. */
  stop(hurry?: AbortSignal): Promise<void>;
}

/** Undoes one step of the start. */
type StopStep = (hurry: AbortSignal) => Promise<unknown>;

/** Starts a control plane and one node. Resolves when `/readyz` answers, the node is Ready and pods can be made. */
export async function up(options: UpOptions): Promise<RunningCluster> {
  const { log, progress } = options;
  const nodeName = options.nodeName ?? defaultNodeName();
  const serviceIp = firstAddress(options.serviceCidr);
  // What is wrong with it is said before anything is made.
  readTokenFile(options.tokenFile);
  await checkPort(options.securePort, options.bindAddress);
  const directory = await openClusterDirectory(options.dataDirectory);
  const stops: StopStep[] = [() => directory.release()];
  const stop = async (hurry: AbortSignal = new AbortController().signal): Promise<void> => {
    for (const step of stops.splice(0).reverse()) {
      await step(hurry).catch((error: unknown) => log.warn('a part did not stop cleanly', { error: String(error) }));
    }
  };
  try {
    await rm(directory.adminKubeconfig, { force: true });
    const running = await startAll(options, directory, { nodeName, serviceIp }, stops);
    await writeAdminKubeconfig(directory, running);
    stops.push(() => rm(directory.adminKubeconfig, { force: true }));
    progress(`admin credentials: ${directory.adminKubeconfig}`);
    return { url: running.url, adminKubeconfig: directory.adminKubeconfig, nodeName, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startAll(
  options: UpOptions,
  directory: ClusterDirectory,
  { nodeName, serviceIp }: { readonly nodeName: string; readonly serviceIp: string },
  stops: StopStep[],
): Promise<ControlPlane> {
  const { log, progress } = options;
  const clock = systemClock;
  const network = await choosePodNetwork(directory.root);
  stops.push(() => network.release());
  const startingRuntime = createProcessRuntime({
    stateDirectory: directory.runtimeDirectory,
    nodePodCidr: network.podCidr,
    bridgeName: network.bridge,
    hidden: [directory.root],
    podsDirectory: directory.podsDirectory,
    nodeAddresses: [localAddress(options.bindAddress)],
    log,
    clock,
  });
  // It may have pods of an earlier start in its hands before anything else stands.
  stops.push(async () => (await startingRuntime.catch(() => undefined))?.close());
  // The apiserver asks what the runtime cannot honour only when a pod is made.
  let knownRuntime: Runtime | undefined;
  const unsupported = (pod: unknown): readonly string[] =>
    knownRuntime === undefined ? ['anything: the node is starting'] : unsupportedFields(pod as Pod, knownRuntime);

  const controlPlane = await startControlPlane({
    directory,
    host: options.bindAddress,
    port: options.securePort,
    serviceCidr: options.serviceCidr,
    serviceIp,
    // Pods are sent to the bridge where another cluster on this machine has the Service's address.
    alsoAt: [firstAddress(network.podCidr)],
    unsupportedPodFields: unsupported,
    ...(options.tokenFile === undefined ? {} : { tokenFile: options.tokenFile }),
    ...(options.minTlsVersion === undefined ? {} : { minTlsVersion: options.minTlsVersion }),
    clock,
    log,
  });
  stops.push(() => controlPlane.close());
  progress(`control plane: ${controlPlane.url}`);

  const runtime = await startingRuntime;
  knownRuntime = runtime;
  const { pki, ca, paths } = controlPlane;
  const local = localAddress(options.bindAddress);
  const server = `https://${local.includes(':') ? `[${local}]` : local}:${controlPlane.port}`;
  const shared = { server, serverName: local, pki, ca, observer: paths, clock, log };
  const [scheduler, controllerManager] = await Promise.all([startScheduler(shared), startControllerManager(shared)]);
  stops.push(
    () => controllerManager.stop(),
    () => scheduler.stop(),
  );

  const endpoint = await serveKubernetesService({
    serviceIp,
    network,
    apiserver: { host: local, port: controlPlane.port },
    log: log.child('kube-proxy'),
  });
  stops.push(() => endpoint.close());
  const node = await startNode({
    ...shared,
    nodeName,
    address: local,
    runtime,
    podCidr: network.podCidr,
    kubernetesEndpoint: endpoint.seenByPods,
    directory,
    observer: paths,
  });
  stops.push((hurry) => node.shutdown(hurry));
  const status = await runtime.status();
  const isolation = status.isolation.length === 0 ? 'nothing' : status.isolation.join(', ');
  progress(
    `node ${nodeName}: pods have of their own: ${isolation}${status.message === '' ? '' : `; ${status.message}`}`,
  );
  await untilUsable(controlPlane, server, local, nodeName);
  return controlPlane;
}

/** Asks as the admin will: `/readyz`, a Ready node, and what every pod needs to be made. */
async function untilUsable(controlPlane: ControlPlane, server: string, name: string, nodeName: string): Promise<void> {
  const identity = fixedCertificate(controlPlane.pki.issueClient({ user: 'causeway:up', groups: [ADMIN_GROUP] }));
  const client = new RestClient(
    server,
    { tls: () => clientTls({ ca: controlPlane.ca, identity, server: { name }, alpnProtocols: ['h2'] }) },
    'causeway-up',
  );
  const end = Date.now() + READY_TIMEOUT_MS;
  let missing = 'an answer of /readyz';
  try {
    while (Date.now() < end) {
      const found = await firstMissing(client, nodeName);
      if (found === undefined) return;
      missing = found;
      await sleep(POLL_MS);
    }
  } finally {
    client.close();
  }
  throw new CausewayError('Timeout', `the cluster is not ready after ${READY_TIMEOUT_MS / 1000} s: missing ${missing}`);
}

async function firstMissing(client: RestClient, nodeName: string): Promise<string | undefined> {
  const checks: readonly (readonly [string, () => Promise<boolean>])[] = [
    ['an answer of /readyz', () => client.text('/readyz').then((text) => text === 'ok')],
    [
      `node ${nodeName} to be Ready`,
      async () => {
        const node = await client.get(NODES, '', nodeName);
        const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
        return ready?.status === 'True' && (node.spec?.taints ?? []).length === 0;
      },
    ],
    ['the default service account', () => client.get(SERVICE_ACCOUNTS, 'default', 'default').then(() => true)],
    ['kube-root-ca.crt', () => client.get(CONFIG_MAPS, 'default', 'kube-root-ca.crt').then(() => true)],
  ];
  for (const [what, check] of checks) {
    if (!(await check().catch(() => false))) return what;
  }
  return undefined;
}

async function writeAdminKubeconfig(directory: ClusterDirectory, controlPlane: ControlPlane): Promise<void> {
  const identity = issueAdmin(controlPlane.pki);
  const caPem = controlPlane.ca.current().join('');
  const url = controlPlane.url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
  await writeSecretFile(join(directory.root, SERVER_URL_FILE), `${url}\n`);
  await writeSecretFile(directory.adminKubeconfig, kubeconfig({ server: url, caPem, identity }));
}

/** A port that is taken is found out before anything is changed. */
function checkPort(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'is taken: give another one with --secure-port, or 0 for a free one'
          : `cannot be listened on (${error.code})`;
      reject(new CausewayError('Conflict', `port ${port} of ${host} ${why}`, { cause: error }));
    });
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

/** Where this machine itself finds the apiserver. */
function localAddress(bindAddress: string): string {
  if (bindAddress === '0.0.0.0') return '127.0.0.1';
  return bindAddress === '::' ? '::1' : bindAddress;
}

/** The host's name as a Node may be called: an RFC 1123 subdomain. */
function defaultNodeName(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  return name === '' ? 'node' : name;
}

function firstAddress(cidr: string): string {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr);
  const parts = match?.slice(1, 5).map(Number) ?? [];
  const prefix = Number(match?.[5]);
  if (match === null || parts.some((p) => p > 255) || prefix < 8 || prefix > 30) {
    throw new CausewayError(
      'BadRequest',
      `--service-cluster-ip-range ${cidr}: give an IPv4 network such as 10.96.0.0/16`,
    );
  }
  const number = parts.reduce((n, p) => n * 256 + p, 0);
  const base = number - (number % 2 ** (32 - prefix)) + 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.');
}
