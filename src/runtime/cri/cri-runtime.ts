import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../lib/clock.ts';
import { CausewayError, isCode } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { EventQueue } from '../event-queue.ts';
import type {
  AttachOptions,
  ContainerConfig,
  ContainerStats,
  ContainerStatus,
  ExecOptions,
  PodSandbox,
  PodSandboxConfig,
  ProcessStreams,
  Runtime,
  RuntimeEvent,
  RuntimeStatus,
} from '../runtime.ts';
import { checkSeccompProfile, imageUserOf } from './before-create.ts';
import { containerRequest } from './container-request.ts';
import { CriClient } from './cri-client.ts';
import { cri } from './cri-messages.ts';
import { HostsFiles } from './hosts-files.ts';
import { CriImages } from './images.ts';
import { STOP_MARGIN_MS } from './limits.ts';
import { eventsOf } from './listing-events.ts';
import { LogRotation } from './log-rotation.ts';
import { forwardPort } from './port-forward.ts';
import { attachedProcess, executedProcess } from './process-streams.ts';
import { RuntimeListing } from './runtime-listing.ts';
import { RuntimeNews } from './runtime-news.ts';
import { sandboxRequest } from './sandbox-request.ts';
import { unsupportedFields } from './unsupported.ts';

export interface CriRuntimeOptions {
  /** The path of the runtime's socket. */
  readonly socketPath: string;
  /** The runtime's own directory here, for the hosts files of pods; `seccomp/` beside holds `Localhost` profiles. Made if missing. */
  readonly stateDirectory: string;
  /** The addresses of a pod with `hostNetwork`. */
  readonly nodeAddresses: readonly string[];
  readonly log: Log;
  readonly clock: Clock;
}

/** Containers of a runtime that speaks CRI v1, such as containerd. Throws `ServiceUnavailable` when it does not answer. */
export async function createCriRuntime(options: CriRuntimeOptions): Promise<Runtime> {
  mkdirSync(options.stateDirectory, { recursive: true, mode: 0o711 });
  const client = new CriClient(options.socketPath);
  try {
    const version = await client.ask(cri.version, { version: 'v1' });
    const runtime = new CriRuntime(client, version, options);
    await runtime.start();
    return runtime;
  } catch (error) {
    client.close();
    if (isCode(error, 'ServiceUnavailable')) throw error;
    throw new CausewayError(
      'ServiceUnavailable',
      `no container runtime answers at ${options.socketPath}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

class CriRuntime implements Runtime {
  readonly name: string;
  readonly images: CriImages;
  readonly #version: { readonly runtimeName: string; readonly runtimeVersion: string };
  readonly #client: CriClient;
  readonly #log: Log;
  readonly #events = new EventQueue();
  readonly #listing: RuntimeListing;
  readonly #news: RuntimeNews;
  readonly #rotation: LogRotation;
  readonly #hosts: HostsFiles;
  /** Tells this node's sandboxes from those of others that use the same runtime. */
  readonly #owner: string;
  readonly #seccompDirectory: string;
  /** Starts that are under way, by container: a stop that comes meanwhile waits for them, for the runtime would not see it. */
  readonly #starting = new Map<string, Promise<unknown>>();
  /** Removals that are under way, of containers and sandboxes: a second one would be refused. */
  readonly #removing = new Map<string, Promise<void>>();
  /** Sandboxes that are being stopped: nothing starts in them any more. */
  readonly #retired = new Set<string>();

  constructor(
    client: CriClient,
    version: { readonly runtimeName: string; readonly runtimeVersion: string },
    { stateDirectory, nodeAddresses, log, clock }: CriRuntimeOptions,
  ) {
    this.#client = client;
    this.#version = version;
    this.name = version.runtimeName;
    this.#log = log.child('runtime');
    this.images = new CriImages(client);
    this.#owner = createHash('sha256').update(realpathSync(stateDirectory)).digest('hex').slice(0, 20);
    this.#hosts = new HostsFiles(realpathSync(stateDirectory));
    this.#seccompDirectory = join(realpathSync(stateDirectory), 'seccomp');
    this.#listing = new RuntimeListing(client, this.#owner, nodeAddresses, (before, now) => {
      for (const event of eventsOf(before, now)) this.#events.push(event);
    });
    this.#news = new RuntimeNews(client, () => this.#listing.refresh(), this.#log);
    this.#rotation = new LogRotation({ client, listing: this.#listing, clock, log: this.#log });
  }

  async start(): Promise<void> {
    await this.#listing.refresh();
    this.#news.start();
    this.#rotation.start();
  }

  version(): Promise<{ runtimeName: string; runtimeVersion: string }> {
    return Promise.resolve(this.#version);
  }

  async status(): Promise<RuntimeStatus> {
    const isolation = ['pid', 'mount', 'ipc', 'uts', 'network', 'user', 'seccomp'];
    try {
      const { status } = await this.#client.ask(cri.status, {});
      const conditions = status?.conditions ?? [];
      const is = (type: string): boolean => conditions.some((each) => each.type === type && each.status);
      const wrong = conditions.filter((each) => !each.status).map((each) => `${each.reason}: ${each.message}`);
      return { ready: is('RuntimeReady'), networkReady: is('NetworkReady'), message: wrong.join('; '), isolation };
    } catch (error) {
      return { ready: false, networkReady: false, message: (error as Error).message, isolation: [] };
    }
  }

  unsupported(sandbox: PodSandboxConfig, container?: ContainerConfig): readonly string[] {
    return unsupportedFields(sandbox, container, { limitsProcesses: existsSync('/sys/fs/cgroup/cgroup.controllers') });
  }

  #refuseUnsupported(sandbox: PodSandboxConfig, container?: ContainerConfig): void {
    const fields = this.unsupported(sandbox, container);
    if (fields.length > 0) throw new CausewayError('Invalid', `this node's runtime cannot honour ${fields.join(', ')}`);
  }

  async runPodSandbox(config: PodSandboxConfig, signal: AbortSignal): Promise<string> {
    this.#refuseUnsupported(config);
    signal.throwIfAborted();
    mkdirSync(config.logDirectory, { recursive: true, mode: 0o755 });
    const made = await this.#client.change(
      cri.runPodSandbox,
      { config: sandboxRequest(config, this.#owner) },
      { signal },
    );
    const id = made.podSandboxId;
    await this.#listing.refresh();
    if (!signal.aborted) return id;
    await this.removePodSandbox(id);
    throw signal.reason;
  }

  async stopPodSandbox(sandboxId: string): Promise<void> {
    // First of all, so that nothing starts in it while the rest ends.
    this.#retired.add(sandboxId);
    await Promise.all(this.#containersOf(sandboxId).map(({ id }) => this.#starting.get(id)));
    await unlessNotFound(this.#client.change(cri.stopPodSandbox, { podSandboxId: sandboxId }));
    await this.#listing.refresh();
  }

  removePodSandbox(sandboxId: string): Promise<void> {
    return this.#removeOnce(sandboxId, () => this.#removeSandbox(sandboxId));
  }

  /** Calls for the same that come together share one removal. */
  async #removeOnce(id: string, remove: () => Promise<void>): Promise<void> {
    const removing = this.#removing.get(id) ?? remove().finally(() => this.#removing.delete(id));
    this.#removing.set(id, removing);
    await removing;
  }

  async #removeSandbox(sandboxId: string): Promise<void> {
    await this.stopPodSandbox(sandboxId);
    await Promise.all(this.#containersOf(sandboxId).map(({ id }) => this.removeContainer(id)));
    await unlessNotFound(this.#client.change(cri.removePodSandbox, { podSandboxId: sandboxId }));
    this.#hosts.remove(sandboxId);
    await this.#listing.refresh();
    this.#retired.delete(sandboxId);
  }

  async listPodSandboxes(): Promise<readonly PodSandbox[]> {
    return [...(await this.#listing.refresh()).sandboxes.values()];
  }

  #containersOf(sandboxId: string): ContainerStatus[] {
    return [...this.#listing.last.containers.values()].filter((container) => container.sandboxId === sandboxId);
  }

  /** The sandbox, with its addresses, where something can be made or started in it. */
  async #readySandbox(id: string): Promise<PodSandbox> {
    const sandbox = this.#listing.last.sandboxes.get(id) ?? (await this.#listing.refresh()).sandboxes.get(id);
    if (sandbox === undefined) throw new CausewayError('NotFound', `pod sandbox "${id}" not found`);
    if (sandbox.state !== 'ready' || this.#retired.has(id))
      throw new CausewayError('Invalid', `pod sandbox "${id}" is not ready`);
    return sandbox;
  }

  async #container(id: string): Promise<ContainerStatus> {
    const found = this.#listing.last.containers.get(id) ?? (await this.#listing.refresh()).containers.get(id);
    if (found === undefined) throw new CausewayError('NotFound', `container "${id}" not found`);
    return found;
  }

  async createContainer(sandboxId: string, config: ContainerConfig, signal: AbortSignal): Promise<string> {
    const sandbox = await this.#readySandbox(sandboxId);
    this.#refuseUnsupported(sandbox.config, config);
    signal.throwIfAborted();
    checkSeccompProfile(config, this.#seccompDirectory);
    const imageUser = await imageUserOf(this.images, config);
    mkdirSync(join(sandbox.config.logDirectory, config.name), { recursive: true, mode: 0o755 });
    const { hostNetwork, hostAliases } = sandbox.config;
    const hostsFile = hostNetwork && hostAliases.length === 0 ? undefined : this.#hosts.write(sandbox);
    const request = containerRequest(sandbox.config, config, {
      hostsFile,
      seccompDirectory: this.#seccompDirectory,
      imageUser,
    });
    const made = await this.#client.change(
      cri.createContainer,
      { podSandboxId: sandboxId, config: request, sandboxConfig: sandboxRequest(sandbox.config, this.#owner) },
      { signal },
    );
    const id = made.containerId;
    try {
      signal.throwIfAborted();
      await this.#refuseOtherStopSignal(id, request.stopSignal ?? 0);
      await this.#listing.refresh();
      if (this.#retired.has(sandboxId)) throw new CausewayError('Invalid', `pod sandbox "${sandboxId}" is not ready`);
    } catch (error) {
      await this.removeContainer(id);
      throw error;
    }
    return id;
  }

  /** A runtime that is too old for it says nothing and takes the image's. */
  async #refuseOtherStopSignal(containerId: string, asked: number): Promise<void> {
    if (asked === 0) return;
    const { status } = await this.#client.ask(cri.containerStatus, { containerId });
    if (status?.stopSignal === asked) return;
    const { runtimeName, runtimeVersion } = this.#version;
    throw new CausewayError('Invalid', `${runtimeName} ${runtimeVersion} cannot honour lifecycle.stopSignal`);
  }

  async startContainer(containerId: string): Promise<void> {
    const known = this.#listing.last.containers.get(containerId);
    if (this.#starting.has(containerId)) throw startedAlready(known?.config.name ?? containerId);
    if (known !== undefined && this.#retired.has(known.sandboxId))
      throw new CausewayError('Invalid', `pod sandbox "${known.sandboxId}" is not ready`);
    const starting = this.#start(containerId);
    const settled = starting.catch(() => undefined);
    this.#starting.set(containerId, settled);
    try {
      await starting;
    } finally {
      this.#starting.delete(containerId);
    }
  }

  async #start(containerId: string): Promise<void> {
    const { state, config } = await this.#container(containerId);
    if (state !== 'created') throw startedAlready(config.name);
    try {
      await this.#client.change(cri.startContainer, { containerId });
    } finally {
      await this.#listing.refresh().catch(() => undefined);
    }
  }

  async stopContainer(containerId: string, graceSeconds: number): Promise<void> {
    await this.#starting.get(containerId);
    const timeout = Math.ceil(Math.max(0, graceSeconds));
    await unlessNotFound(
      this.#client.change(cri.stopContainer, { containerId, timeout }, { timeoutMs: timeout * 1000 + STOP_MARGIN_MS }),
    );
    await this.#listing.refresh();
  }

  removeContainer(containerId: string): Promise<void> {
    return this.#removeOnce(containerId, () => this.#removeContainer(containerId));
  }

  async #removeContainer(containerId: string): Promise<void> {
    await this.#starting.get(containerId);
    await unlessNotFound(this.#client.change(cri.removeContainer, { containerId }));
    await this.#listing.refresh();
  }

  async listContainers(): Promise<readonly ContainerStatus[]> {
    return [...(await this.#listing.refresh()).containers.values()];
  }

  async containerStatus(containerId: string): Promise<ContainerStatus> {
    const found = (await this.#listing.refresh()).containers.get(containerId);
    if (found === undefined) throw new CausewayError('NotFound', `container "${containerId}" not found`);
    return found;
  }

  async containerStats(): Promise<readonly ContainerStats[]> {
    const { stats } = await this.#client.ask(cri.listContainerStats, {});
    const { containers } = await this.#listing.refresh();
    return stats.flatMap(({ attributes, cpu, memory, writableLayer: layer }) => {
      const container = containers.get(attributes?.id ?? '');
      if (container?.state !== 'running') return [];
      return {
        id: container.id,
        sandboxId: container.sandboxId,
        cpuNanoseconds: cpu?.usageCoreNanoSeconds?.value ?? 0n,
        // What the kernel counts of cgroup v1 lags behind for little.
        memoryBytes: Math.max(Number(memory?.workingSetBytes?.value ?? 0n), Number(memory?.rssBytes?.value ?? 0n)),
        writableLayer: {
          bytes: Number(layer?.usedBytes?.value ?? 0n),
          inodes: Number(layer?.inodesUsed?.value ?? 0n),
        },
      };
    });
  }

  async #running(containerId: string): Promise<ContainerStatus> {
    const container = await this.containerStatus(containerId);
    if (container.state !== 'running')
      throw new CausewayError('NotFound', `container "${container.config.name}" is not running`);
    return container;
  }

  async exec(containerId: string, options: ExecOptions, signal: AbortSignal): Promise<ProcessStreams> {
    await this.#running(containerId);
    return executedProcess(this.#client, containerId, options, signal);
  }

  async attach(containerId: string, options: AttachOptions, signal: AbortSignal): Promise<ProcessStreams> {
    const container = await this.#running(containerId);
    const ended = async (): Promise<ContainerStatus> => this.#untilExited(containerId);
    return attachedProcess({ client: this.#client, container, ended }, options, signal);
  }

  async #untilExited(containerId: string): Promise<ContainerStatus> {
    const done = new AbortController();
    const events = this.#events.subscribe(done.signal);
    try {
      const now = await this.containerStatus(containerId);
      if (now.state === 'exited') return now;
      for await (const event of events) {
        if (event.containerId !== containerId) continue;
        const status = this.#listing.last.containers.get(containerId);
        if (status === undefined || status.state === 'exited') return status ?? now;
      }
      return now;
    } finally {
      done.abort();
    }
  }

  async portForward(sandboxId: string, port: number, signal: AbortSignal): Promise<Duplex> {
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new CausewayError('BadRequest', `port ${port} is not one of 1 to 65535`);
    const sandbox = (await this.#listing.refresh()).sandboxes.get(sandboxId);
    if (sandbox?.state !== 'ready') throw new CausewayError('NotFound', `pod sandbox "${sandboxId}" is not running`);
    const { url } = await this.#client.ask(cri.portForward, { podSandboxId: sandboxId, port: [port] });
    return forwardPort(url, port, signal);
  }

  events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    return this.#events.subscribe(signal);
  }

  async close(): Promise<void> {
    this.#news.close();
    this.#rotation.close();
    this.#events.close();
    this.#client.close();
  }
}

function startedAlready(name: string): CausewayError {
  return new CausewayError('Invalid', `container "${name}" was started already`);
}

async function unlessNotFound(call: Promise<unknown>): Promise<void> {
  await call.catch((error: unknown) => {
    if (!isCode(error, 'NotFound')) throw error;
  });
}
