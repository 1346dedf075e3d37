import type { Clock } from '../../lib/clock.ts';
import { sleep } from '../../lib/deadline.ts';
import type { RouteNode } from '../egress-selector.ts';
import type { NodeReading } from './resource-text.ts';

/** Ms for which a reading, or a failure to get one, is answered again instead of asking the kubelet anew. */
const FRESH_MS = 10_000;
/** Ms after which a reading is too old to be the beginning of a window. */
const MAX_WINDOW_MS = 60_000;
/** Ms between the first two looks at a node that nobody has asked about lately. */
const FIRST_WINDOW_MS = 1_100;
/** Kubelets that are asked at once. */
const MAX_AT_ONCE = 32;

/** Two looks at a node: what was used between them is told. */
export interface Window {
  readonly before: NodeReading;
  readonly now: NodeReading;
}

interface Known {
  readonly uid: string;
  window: Window | undefined;
  last: { readonly reading: NodeReading; readonly at: number } | undefined;
  failedAt: number;
  askedAt: number;
  underWay: Promise<void> | undefined;
}

export interface SamplerDependencies {
  /** One look at a node. Rejects when the kubelet is away, not verified, or says nothing in time. */
  readonly look: (node: RouteNode) => Promise<NodeReading>;
  readonly clock: Clock;
  /** Ends waiting. */
  readonly closing: AbortSignal;
}

/**
 * Looks at kubelets when somebody asks, and at no other time: a cluster in which nobody asks has no cost. Whoever asks again within a
 * minute gets the time in between as the window; otherwise two looks are taken a second apart.
 */
export class UsageSampler {
  readonly #d: SamplerDependencies;
  readonly #nodes = new Map<string, Known>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(dependencies: SamplerDependencies) {
    this.#d = dependencies;
  }

  /** The window of each node, by name. A node that does not answer is not in it. */
  async windows(nodes: readonly RouteNode[]): Promise<ReadonlyMap<string, Window>> {
    this.#forget();
    const found = new Map<string, Window>();
    await Promise.all(
      nodes.map(async (node) => {
        const window = await this.#window(node);
        if (window !== undefined) found.set(node.name, window);
      }),
    );
    return found;
  }

  async #window(node: RouteNode): Promise<Window | undefined> {
    const now = this.#d.clock.now();
    let known = this.#nodes.get(node.name);
    if (known?.uid !== node.uid) {
      const never = Number.NEGATIVE_INFINITY;
      known = { uid: node.uid, window: undefined, last: undefined, failedAt: never, askedAt: now, underWay: undefined };
      this.#nodes.set(node.name, known);
    }
    const mine = known;
    mine.askedAt = now;
    const isFresh = mine.window !== undefined && now - (mine.last?.at ?? 0) < FRESH_MS;
    if (isFresh) return mine.window;
    if (now - mine.failedAt < FRESH_MS) return undefined;
    mine.underWay ??= this.#refresh(node, mine)
      .catch(() => {
        mine.failedAt = this.#d.clock.now();
        mine.window = undefined;
        mine.last = undefined;
      })
      .finally(() => {
        mine.underWay = undefined;
      });
    await mine.underWay;
    return mine.window;
  }

  async #refresh(node: RouteNode, known: Known): Promise<void> {
    let { last } = known;
    if (last === undefined || this.#d.clock.now() - last.at > MAX_WINDOW_MS) {
      last = await this.#look(node);
      if (!(await sleep(FIRST_WINDOW_MS, this.#d.closing))) return;
    }
    const next = await this.#look(node);
    known.window = { before: last.reading, now: next.reading };
    known.last = next;
  }

  async #look(node: RouteNode): Promise<NonNullable<Known['last']>> {
    while (this.#running >= MAX_AT_ONCE) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#running++;
    try {
      return { reading: await this.#d.look(node), at: this.#d.clock.now() };
    } finally {
      this.#running--;
      this.#queue.shift()?.();
    }
  }

  /** Nodes that nobody asks about any more, or that are gone, take no memory. */
  #forget(): void {
    const oldest = this.#d.clock.now() - MAX_WINDOW_MS;
    for (const [name, { askedAt, underWay }] of this.#nodes) {
      if (askedAt < oldest && underWay === undefined) this.#nodes.delete(name);
    }
  }
}
