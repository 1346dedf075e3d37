import { statfs } from 'node:fs/promises';
import { sleep } from '../../lib/deadline.ts';
import type { Log } from '../../lib/log.ts';
import type { ContainerStatus, Image, ImageService } from '../../runtime/runtime.ts';

/** Kubernetes' defaults: `imageGCHighThresholdPercent`, `imageGCLowThresholdPercent`, `imageMinimumGCAge`, and how often it looks. */
const HIGH_PERCENT = 85;
const LOW_PERCENT = 80;
const MINIMUM_AGE_MS = 2 * 60_000;
const LOOK_MS = 5 * 60_000;

export interface CollectionOptions {
  readonly images: ImageService;
  /** Those of all pods, ended ones too. */
  readonly containers: () => Promise<readonly ContainerStatus[]>;
  readonly now: () => number;
  readonly log: Log;
  /** Bytes of the disk that images are on. */
  readonly disk?: (path: string) => Promise<{ readonly total: number; readonly free: number }>;
}

interface Known {
  readonly seenAt: number;
  usedAt: number;
}

/** Removes images that no container uses, the longest unused first, when their disk is fuller than it should be. */
export class ImageCollection {
  readonly #o: CollectionOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: CollectionOptions) {
    this.#o = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    do {
      await this.collect().catch((error: unknown) => {
        this.#o.log.warn('images could not be collected', { error: String(error) });
      });
    } while (await sleep(LOOK_MS, signal));
  }

  /** Looks once; with `all`, removes whatever is not in use. Answers the bytes that were given back. */
  async collect({ all = false }: { readonly all?: boolean } = {}): Promise<number> {
    const unused = await this.#unused();
    const wanted = all ? Number.POSITIVE_INFINITY : await this.#tooMuch();
    let freed = 0;
    for (const image of unused) {
      if (freed >= wanted) break;
      if (!all && this.#o.now() - this.#age(image).seenAt < MINIMUM_AGE_MS) continue;
      await this.#o.images.remove(image.id);
      this.#known.delete(image.id);
      freed += image.bytes;
    }
    if (freed > 0) this.#o.log.info('removed images that nobody uses', { bytes: freed });
    return freed;
  }

  #age(image: Image): Known {
    return this.#known.get(image.id) ?? { seenAt: this.#o.now(), usedAt: 0 };
  }

  /** Those that no container has, the longest unused first. */
  async #unused(): Promise<Image[]> {
    const { images, containers, now } = this.#o;
    const [listed, all] = [await images.list(), await containers()];
    const names = new Set(all.flatMap(({ imageRef, config }) => [imageRef, config.image, config.imageRef ?? '']));
    const used = (image: Image): boolean => [image.id, ...image.tags, ...image.digests].some((name) => names.has(name));
    for (const image of listed) {
      const known = this.#known.get(image.id) ?? { seenAt: now(), usedAt: 0 };
      if (used(image)) known.usedAt = now();
      this.#known.set(image.id, known);
    }
    for (const id of this.#known.keys()) if (!listed.some((image) => image.id === id)) this.#known.delete(id);
    const free = listed.filter((image) => !image.pinned && !used(image));
    return free.sort((a, b) => this.#age(a).usedAt - this.#age(b).usedAt || this.#age(a).seenAt - this.#age(b).seenAt);
  }

  /** Bytes to give back until the disk is as full as it may be; 0 while it is not too full. */
  async #tooMuch(): Promise<number> {
    const { path } = await this.#o.images.usage();
    const { total, free } = await (this.#o.disk ?? diskOf)(path);
    const usedPercent = total === 0 ? 0 : 100 - (100 * free) / total;
    return usedPercent < HIGH_PERCENT ? 0 : (total * (100 - LOW_PERCENT)) / 100 - free;
  }
}

async function diskOf(path: string): Promise<{ total: number; free: number }> {
  // The runtime's folder may be closed to us, and is on the same machine all the same.
  const { blocks, bavail, bsize } = await statfs(path === '' ? '/' : path).catch(() => statfs('/'));
  return { total: blocks * bsize, free: bavail * bsize };
}
