import type { Pod } from '../../api/generated/types.ts';
import type { Clock } from '../../lib/clock.ts';
import type { PodAddresses } from '../downward.ts';
import type { PreparedVolume, VolumeManager } from './volume-manager.ts';

/** How often the contents of volumes are made fresh. */
const REFRESH_MS = 60_000;

/** The volumes of one pod: prepared once, made fresh from time to time. */
export class PodVolumes {
  readonly #manager: VolumeManager;
  readonly #clock: Clock;
  readonly #addresses: () => PodAddresses;
  #prepared: ReadonlyMap<string, PreparedVolume> | undefined;
  #freshAt = 0;

  constructor(manager: VolumeManager, clock: Clock, addresses: () => PodAddresses) {
    this.#manager = manager;
    this.#clock = clock;
    this.#addresses = addresses;
  }

  /** The prepared volumes; makes them when they are not there yet, and anew with `fresh`. Throws what is missing. */
  async get(
    pod: Pod,
    signal: AbortSignal,
    fresh = false,
    warn?: (error: unknown) => void,
  ): Promise<ReadonlyMap<string, PreparedVolume>> {
    if (this.#prepared !== undefined && !fresh) return this.#prepared;
    this.#freshAt = this.#clock.now();
    this.#prepared = await this.#manager.prepare(pod, this.#addresses, signal, warn);
    return this.#prepared;
  }

  /** Makes the contents fresh when they are due, and answers when they are due again. `failed` is told what is missing. */
  async refresh(pod: Pod, signal: AbortSignal, failed: (error: unknown) => void): Promise<number | undefined> {
    if (this.#due(pod) === 0) {
      await this.get(pod, signal, true, failed).catch((error: unknown) => {
        if (!signal.aborted) failed(error);
      });
    }
    return this.#due(pod);
  }

  /** After how many milliseconds; 0 for now, undefined for never. */
  #due(pod: Pod): number | undefined {
    if ((pod.spec?.volumes ?? []).length === 0) return undefined;
    return Math.max(0, this.#freshAt + REFRESH_MS - this.#clock.now());
  }

  /** The contents depend on something that has changed. */
  stale(): void {
    this.#freshAt = 0;
  }
}
