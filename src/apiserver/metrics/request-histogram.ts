import type { Metric, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;

/** The values that were observed with one set of labels. */
export class Distribution {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  /** By bucket, each for itself; the last is for what is above all bounds. */
  readonly #counts: number[];
  #sum = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  /** As the text format has it: each bucket counts those below it too. */
  samples(name: string): Sample[] {
    const { labels } = this;
    let count = 0;
    const buckets = this.#counts.map((own, i) => {
      count += own;
      return { metricName: `${name}_bucket`, labels: { ...labels, le: this.#bounds[i] ?? '+Inf' }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export interface RequestHistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
  readonly registry: Registry;
}

/** A histogram for what happens at every request: prom-client's own checks and hashes the labels at each observation. */
export class RequestHistogram {
  readonly name: string;
  readonly #help: string;
  readonly #buckets: readonly number[];
  readonly #distributions = new Map<string, Distribution>();

  constructor({ name, help, buckets, registry }: RequestHistogramOptions) {
    this.name = name;
    this.#help = help;
    this.#buckets = buckets;
    // Its types ask for its own classes; a registry needs a name and `get`.
    registry.registerMetric(this as unknown as Metric);
  }

  /** The one distribution of these labels, to keep and observe. */
  of(labels: Labels): Distribution {
    const key = JSON.stringify(Object.values(labels));
    let distribution = this.#distributions.get(key);
    if (distribution === undefined) {
      distribution = new Distribution(labels, this.#buckets);
      this.#distributions.set(key, distribution);
    }
    return distribution;
  }

  /** What the registry asks for. */
  async get(): Promise<{ name: string; help: string; type: string; values: readonly Sample[]; aggregator: string }> {
    const values = [...this.#distributions.values()].flatMap((distribution) => distribution.samples(this.name));
    return { name: this.name, help: this.#help, type: 'histogram', values, aggregator: 'sum' };
  }
}
