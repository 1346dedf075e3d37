import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';
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
import { AddressPool, parseNetwork } from './addresses.ts';
import { attachToContainer } from './attach.ts';
import { Container } from './container.ts';
import { checkCommand, containerUser, containerView } from './container-plan.ts';
import { execInContainer } from './exec.ts';
import { FifoPool } from './fifo.ts';
import { canonical, masksFor } from './hidden-paths.ts';
import { type Host, inspectHost } from './host.ts';
import { writeNameServices } from './name-service.ts';
import { PodNetwork } from './network.ts';
import { PipePool } from './pipe-pool.ts';
import { PodDialers } from './pod-dialer.ts';
import {
  type ContainerRecord,
  containerDirectory,
  listDirectories,
  readRecord,
  type SandboxRecord,
  sandboxDirectory,
} from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';
import { Sandbox } from './sandbox.ts';
import { sweepLeftovers } from './sweep.ts';
import { unsupportedFields } from './unsupported.ts';

export interface ProcessRuntimeOptions {
  /** The runtime's own directory, on a file system that outlives a crash. Made if missing, 0700, hidden from pods. */
  readonly stateDirectory: string;
  /** This node's part of the cluster's pod network, such as `10.244.0.0/24`. */
  readonly nodePodCidr: string;
  /** Without it a name made from the state directory, so that two clusters on one machine do not meet. */
  readonly bridgeName?: string;
  /** Paths that no pod may see: the data directory, keys. */
  readonly hidden: readonly string[];
  /** Below it `<pod uid>/…` is what pods' volumes are mounted from; may lie in a hidden path. */
  readonly podsDirectory?: string;
  /** The node's own addresses: those of a pod with `hostNetwork`. */
  readonly nodeAddresses?: readonly string[];
  readonly log: Log;
  readonly clock: Clock;
  /** Where to look for tools, in the form of `PATH`; without it the environment's and the system's. */
  readonly toolPath?: string;
}

function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  return [outside?.address ?? '127.0.0.1'];
}

/** A runtime whose image is the host's own file system. Takes up what an earlier one left running. */
export async function createProcessRuntime(options: ProcessRuntimeOptions): Promise<Runtime> {
  mkdirSync(options.stateDirectory, { recursive: true, mode: 0o700 });
  const stateDirectory = realpathSync(options.stateDirectory);
  const mark = createHash('sha256').update(stateDirectory).digest('hex').slice(0, 10);
  const log = options.log.child('runtime');
  const host = await inspectHost({ toolPath: options.toolPath, cgroupName: `causeway-${mark}`, log });
  if (host.obstacle !== undefined) log.error('pods cannot be started on this machine', { reason: host.obstacle });
  const network =
    host.root && host.obstacle === undefined
      ? new PodNetwork({
          tools: host.tools,
          bridge: options.bridgeName ?? `cw${mark}`,
          cidr: options.nodePodCidr,
          stateDirectory,
          log,
        })
      : undefined;
  const filterPath = join(stateDirectory, 'seccomp.bpf');
  if (host.filter !== undefined) writeFileSync(filterPath, host.filter, { mode: 0o600 });
  const events = new EventQueue();
  const context: RuntimeContext = {
    host,
    stateDirectory,
    hidden: canonical([...options.hidden, stateDirectory]),
    podsDirectory: options.podsDirectory,
    nodeAddresses: options.nodeAddresses ?? ownAddresses(),
    network,
    fifos: new FifoPool(join(stateDirectory, 'fifos'), host.tools.has('mkfifo') ? host.tools.path('mkfifo') : 'mkfifo'),
    pipes: new PipePool(host.tools.has('sh') ? host.tools.path('sh') : 'sh'),
    filterPath,
    nameServices: writeNameServices(stateDirectory),
    clock: options.clock,
    log,
    changed: (event) => events.push(event),
  };
  const runtime = new ProcessRuntime(context, parseNetwork(options.nodePodCidr), events);
  await Promise.all([network?.setUp(), runtime.adopt()]);
  return runtime;
}

class ProcessRuntime implements Runtime {
  readonly name = 'process';
  readonly #context: RuntimeContext;
  readonly #events: EventQueue;
  readonly #addresses: AddressPool;
  readonly #dialers: PodDialers;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #containers = new Map<string, Container>();
  readonly #masks: readonly string[];

  constructor(context: RuntimeContext, network: ReturnType<typeof parseNetwork>, events: EventQueue) {
    this.#context = context;
    this.#events = events;
    this.#addresses = new AddressPool(network);
    this.#dialers = new PodDialers(context.host);
    this.#masks = masksFor(context.hidden);
  }

  get #host(): Host {
    return this.#context.host;
  }

  async adopt(): Promise<void> {
    const { stateDirectory } = this.#context;
    for (const id of listDirectories(join(stateDirectory, 'sandboxes'))) {
      const record = readRecord<SandboxRecord>(join(sandboxDirectory(stateDirectory, id), 'sandbox.json'));
      // Without a holder its making was not finished.
      if (record?.holder === undefined) continue;
      const sandbox = new Sandbox(this.#context, record);
      this.#sandboxes.set(id, sandbox);
      await this.#adopted(sandbox.adopt());
      if (record.address !== undefined && !record.stopped) this.#addresses.reserve(id, record.address);
    }
    for (const id of listDirectories(join(stateDirectory, 'containers'))) {
      const record = readRecord<ContainerRecord>(join(containerDirectory(stateDirectory, id), 'container.json'));
      const sandbox = record === undefined ? undefined : this.#sandboxes.get(record.sandboxId);
      if (record === undefined || sandbox === undefined) continue;
      const container = new Container(this.#context, sandbox, record);
      this.#containers.set(id, container);
      await this.#adopted(container.adopt());
    }
    const records = [...this.#containers.values()].map(({ record }) => record);
    await sweepLeftovers(this.#context, {
      sandboxes: new Set(this.#sandboxes.keys()),
      containers: new Set(this.#containers.keys()),
      notStarted: records.filter(({ startedAt }) => startedAt === undefined).map(({ id }) => id),
      running: records.filter(({ startedAt, exitCode }) => startedAt !== undefined && exitCode === undefined),
    });
  }

  /** What one pod has must not keep a node from starting. */
  async #adopted(adopting: Promise<void>): Promise<void> {
    await adopting.catch((error: unknown) => {
      this.#context.log.error('what an earlier run left could not be taken up whole', { error: String(error) });
    });
  }

  version(): Promise<{ runtimeName: string; runtimeVersion: string }> {
    return Promise.resolve({ runtimeName: 'process', runtimeVersion: '1.0.0' });
  }

  status(): Promise<RuntimeStatus> {
    const { obstacle, root, cgroups, filter } = this.#host;
    const { network } = this.#context;
    if (obstacle !== undefined)
      return Promise.resolve({ ready: false, networkReady: false, message: `no sandbox: ${obstacle}`, isolation: [] });
    const isolation = root ? ['pid', 'mount', 'ipc', 'uts', 'network', 'user'] : ['pid', 'mount', 'ipc', 'uts'];
    const lacks = [
      ...(root
        ? []
        : ['without root pods run with the identity of the user who runs Causeway, on the network of the host']),
      ...(cgroups === undefined ? ['no cgroups: containers with limits are refused'] : []),
      ...(filter === undefined ? ['no seccomp filter for this processor'] : []),
      ...(network?.problem === undefined ? [] : [`no pod network: ${network.problem}`]),
      ...(network === undefined || network.problem !== undefined || network.egress
        ? []
        : ['no nft (nftables): pods do not reach other machines']),
    ];
    return Promise.resolve({
      ready: true,
      networkReady: network?.problem === undefined,
      message: lacks.join('; '),
      isolation: filter === undefined ? isolation : [...isolation, 'seccomp'],
    });
  }

  unsupported(sandbox: PodSandboxConfig, container?: ContainerConfig): readonly string[] {
    return unsupportedFields(this.#host, sandbox, container);
  }

  #refuseUnsupported(sandbox: PodSandboxConfig, container?: ContainerConfig): void {
    if (this.#host.obstacle !== undefined)
      throw new CausewayError('ServiceUnavailable', `pods cannot be started on this machine: ${this.#host.obstacle}`);
    const fields = this.unsupported(sandbox, container);
    if (fields.length > 0) throw new CausewayError('Invalid', `this node's runtime cannot honour ${fields.join(', ')}`);
  }

  async runPodSandbox(config: PodSandboxConfig, signal: AbortSignal): Promise<string> {
    this.#refuseUnsupported(config);
    signal.throwIfAborted();
    const id = randomBytes(32).toString('hex');
    const own = this.#host.root && !config.hostNetwork;
    const record: SandboxRecord = {
      id,
      config,
      createdAt: this.#context.clock.now(),
      address: own ? this.#addresses.take(id) : undefined,
      holder: undefined,
      stopped: false,
    };
    const sandbox = new Sandbox(this.#context, record);
    this.#sandboxes.set(id, sandbox);
    try {
      await sandbox.start(signal);
    } catch (error) {
      await this.removePodSandbox(id);
      throw error;
    }
    return id;
  }

  async stopPodSandbox(sandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (sandbox === undefined) return;
    // First of all, so that nothing starts in it while the rest ends.
    sandbox.retire();
    await Promise.all(this.#containersOf(sandboxId).map((container) => container.stop(0)));
    this.#dialers.drop(sandboxId);
    await sandbox.stop();
    this.#addresses.release(sandboxId);
  }

  async removePodSandbox(sandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (sandbox === undefined) return;
    await this.stopPodSandbox(sandboxId);
    for (const container of this.#containersOf(sandboxId)) await this.removeContainer(container.record.id);
    await sandbox.remove();
    this.#sandboxes.delete(sandboxId);
  }

  listPodSandboxes(): Promise<readonly PodSandbox[]> {
    return Promise.resolve([...this.#sandboxes.values()].map((sandbox) => sandbox.status()));
  }

  #containersOf(sandboxId: string): Container[] {
    return [...this.#containers.values()].filter((container) => container.record.sandboxId === sandboxId);
  }

  #sandbox(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) throw new CausewayError('NotFound', `pod sandbox "${id}" not found`);
    return sandbox;
  }

  #container(id: string): Container {
    const container = this.#containers.get(id);
    if (container === undefined) throw new CausewayError('NotFound', `container "${id}" not found`);
    return container;
  }

  async createContainer(sandboxId: string, config: ContainerConfig, signal: AbortSignal): Promise<string> {
    const sandbox = this.#sandbox(sandboxId);
    this.#refuseUnsupported(sandbox.record.config, config);
    signal.throwIfAborted();
    if (!sandbox.ready) throw new CausewayError('Invalid', `pod sandbox "${sandboxId}" is not ready`);
    checkCommand(config);
    const id = randomBytes(32).toString('hex');
    const record: ContainerRecord = {
      id,
      sandboxId,
      config,
      user: containerUser(this.#context, sandbox.record.config, config),
      createdAt: this.#context.clock.now(),
      startedAt: undefined,
      finishedAt: undefined,
      exitCode: undefined,
      reason: undefined,
      message: undefined,
      shim: undefined,
      init: undefined,
      logPath: join(sandbox.record.config.logDirectory, config.name, `${config.attempt}.log`),
    };
    const container = new Container(this.#context, sandbox, record);
    this.#containers.set(id, container);
    try {
      container.prepare();
      containerView(this.#context, this.#masks, container);
    } catch (error) {
      await this.removeContainer(id);
      throw error;
    }
    return id;
  }

  async startContainer(containerId: string): Promise<void> {
    const container = this.#container(containerId);
    const { startedAt, exitCode } = container.record;
    if (startedAt !== undefined || exitCode !== undefined || container.starting)
      throw new CausewayError('Invalid', `container "${container.record.config.name}" was started already`);
    if (!container.sandbox.ready)
      throw new CausewayError('Invalid', `pod sandbox "${container.record.sandboxId}" is not ready`);
    await container.start(containerView(this.#context, this.#masks, container));
  }

  async stopContainer(containerId: string, graceSeconds: number): Promise<void> {
    await this.#containers.get(containerId)?.stop(graceSeconds);
  }

  async removeContainer(containerId: string): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container === undefined) return;
    await container.remove();
    this.#containers.delete(containerId);
  }

  listContainers(): Promise<readonly ContainerStatus[]> {
    return Promise.resolve([...this.#containers.values()].map((container) => container.status()));
  }

  async containerStatus(containerId: string): Promise<ContainerStatus> {
    return this.#container(containerId).status();
  }

  containerStats(): Promise<readonly ContainerStats[]> {
    const stats = [...this.#containers.values()].map((container) => container.stats());
    return Promise.resolve(stats.filter((entry) => entry !== undefined));
  }

  async exec(containerId: string, options: ExecOptions, signal: AbortSignal): Promise<ProcessStreams> {
    return execInContainer(this.#context, this.#container(containerId), options, signal);
  }

  async attach(containerId: string, options: AttachOptions, signal: AbortSignal): Promise<ProcessStreams> {
    return attachToContainer(this.#container(containerId), options, signal);
  }

  async portForward(sandboxId: string, port: number, signal: AbortSignal): Promise<Duplex> {
    const sandbox = this.#sandbox(sandboxId);
    if (!sandbox.ready) throw new CausewayError('NotFound', `pod sandbox "${sandboxId}" is not running`);
    return this.#dialers.dial(sandbox.record, port, signal);
  }

  events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    return this.#events.subscribe(signal);
  }

  /** Waits for nothing that a container does. The pod network goes when no sandbox is left that runs. */
  async close(): Promise<void> {
    const inUse = [...this.#sandboxes.values()].some((sandbox) => sandbox.ready);
    this.#dialers.close();
    await Promise.all([...this.#containers.values()].map((container) => container.close()));
    for (const sandbox of this.#sandboxes.values()) sandbox.close();
    this.#events.close();
    await Promise.all([this.#context.fifos.close(), this.#context.pipes.close()]);
    if (inUse) return;
    await Promise.all([...this.#containers.keys()].map((id) => this.#host.cgroups?.open(id).remove()));
    await this.#context.network?.tearDown();
    this.#host.cgroups?.removeRoot();
  }
}
