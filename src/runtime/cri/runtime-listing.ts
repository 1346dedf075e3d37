import { isCode } from '../../lib/errors.ts';
import type { ContainerConfig, ContainerStatus, PodSandbox } from '../runtime.ts';
import type { CriClient } from './cri-client.ts';
import {
  type CriContainer,
  type CriContainerStatus,
  type CriSandbox,
  containerState,
  cri,
  sandboxReady,
} from './cri-messages.ts';
import { knownContainer, knownSandbox } from './known-config.ts';

/** All that the runtime has of ours at one moment. */
export interface Listing {
  readonly sandboxes: ReadonlyMap<string, PodSandbox>;
  readonly containers: ReadonlyMap<string, ContainerStatus>;
}

const NOTHING: Listing = { sandboxes: new Map(), containers: new Map() };
const NANOSECONDS = 1_000_000n;

/**
 * Lists what the runtime has. A container's status and a sandbox's addresses are asked for only when the state that is listed has changed:
 * a listing is two calls, however many pods there are.
 */
export class RuntimeListing {
  readonly #client: CriClient;
  readonly #owner: string;
  readonly #nodeAddresses: readonly string[];
  readonly #changed: (before: Listing, now: Listing) => void;
  #last = NOTHING;
  #listing: Promise<Listing> | undefined;
  #next: Promise<Listing> | undefined;

  /** `changed` hears of each listing that differs from the one before. */
  constructor(
    client: CriClient,
    owner: string,
    nodeAddresses: readonly string[],
    changed: (before: Listing, now: Listing) => void,
  ) {
    this.#client = client;
    this.#owner = owner;
    this.#nodeAddresses = nodeAddresses;
    this.#changed = changed;
  }

  /** As last listed. */
  get last(): Listing {
    return this.#last;
  }

  /** A listing that began after this call; calls that wait share one. */
  refresh(): Promise<Listing> {
    if (this.#listing === undefined) {
      this.#listing = this.#list().finally(() => {
        this.#listing = undefined;
      });
      return this.#listing;
    }
    this.#next ??= this.#listing
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.refresh();
      });
    return this.#next;
  }

  async #list(): Promise<Listing> {
    const [{ items }, { containers }] = await Promise.all([
      this.#client.ask(cri.listPodSandbox, {}),
      this.#client.ask(cri.listContainers, {}),
    ]);
    const before = this.#last;
    const sandboxes = await Promise.all(items.map((item) => this.#sandbox(item, before.sandboxes.get(item.id))));
    const ids = new Set(sandboxes.map((sandbox) => sandbox?.id));
    const own = containers.filter(({ podSandboxId }) => ids.has(podSandboxId));
    const statuses = await Promise.all(own.map((item) => this.#container(item, before.containers.get(item.id))));
    this.#last = { sandboxes: byId(sandboxes), containers: byId(statuses) };
    this.#changed(before, this.#last);
    return this.#last;
  }

  async #sandbox(item: CriSandbox, before: PodSandbox | undefined): Promise<PodSandbox | undefined> {
    const state = item.state === sandboxReady ? 'ready' : 'not-ready';
    if (before?.state === state) return before;
    const config = before?.config ?? knownSandbox(item, this.#owner);
    if (config === undefined) return undefined;
    const ips = state !== 'ready' ? [] : config.hostNetwork ? this.#nodeAddresses : await this.#addresses(item.id);
    return { id: item.id, config, state, createdAt: milliseconds(item.createdAt), ips: ips ?? [] };
  }

  /** None for a sandbox that went in between. */
  async #addresses(id: string): Promise<string[]> {
    const network = await this.#client
      .ask(cri.podSandboxStatus, { podSandboxId: id })
      .then(({ status }) => status?.network)
      .catch(unlessGone);
    if (network === undefined) return [];
    return [network.ip, ...network.additionalIps.map(({ ip }) => ip)].filter((ip) => ip !== '');
  }

  async #container(item: CriContainer, before: ContainerStatus | undefined): Promise<ContainerStatus | undefined> {
    if (before !== undefined && before.state === containerState[item.state]) return before;
    const { status } = await this.#client
      .ask(cri.containerStatus, { containerId: item.id })
      .catch((error: unknown) => ({ status: unlessGone(error) }));
    return status === undefined ? undefined : shownStatus(status, item.podSandboxId);
  }
}

function unlessGone(error: unknown): undefined {
  if (!isCode(error, 'NotFound')) throw error;
}

function byId<T extends { readonly id: string }>(all: readonly (T | undefined)[]): Map<string, T> {
  return new Map(all.filter((each) => each !== undefined).map((each) => [each.id, each]));
}

/** Undefined for a container that is not ours. */
export function shownStatus(status: CriContainerStatus, sandboxId: string): ContainerStatus | undefined {
  const config: ContainerConfig | undefined = knownContainer(status);
  if (config === undefined) return undefined;
  const state = containerState[status.state] ?? 'unknown';
  return {
    id: status.id,
    sandboxId,
    config,
    state,
    createdAt: milliseconds(status.createdAt),
    ...(status.startedAt === 0n ? {} : { startedAt: milliseconds(status.startedAt) }),
    // containerd may note the start of what ended at once after its end.
    ...(status.finishedAt === 0n
      ? {}
      : { finishedAt: Math.max(milliseconds(status.startedAt), milliseconds(status.finishedAt)) }),
    ...(state === 'exited' ? { exitCode: status.exitCode } : {}),
    ...(status.reason === '' ? {} : { reason: status.reason }),
    ...(status.message === '' ? {} : { message: status.message }),
    logPath: status.logPath,
    imageRef: status.imageRef,
  };
}

function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / NANOSECONDS);
}
