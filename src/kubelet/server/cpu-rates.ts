/** Turns totals of CPU time into a rate: what was used between this look and the one before. */
export class CpuRates {
  #samples = new Map<string, { readonly atMs: number; readonly nanoseconds: bigint; readonly rate: number }>();

  /** Nanoseconds of CPU time a second, which are `usageNanoCores`; 0 at the first look. */
  rate(key: string, nanoseconds: bigint, atMs: number): number {
    const before = this.#samples.get(key);
    if (before !== undefined && atMs - before.atMs < 1000) return before.rate;
    const rate =
      before === undefined || nanoseconds < before.nanoseconds
        ? 0
        : Math.round((Number(nanoseconds - before.nanoseconds) * 1000) / (atMs - before.atMs));
    this.#samples.set(key, { atMs, nanoseconds, rate });
    return rate;
  }

  /** Forgets what is not in `keys` any more. */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#samples.keys()) if (!keys.has(key)) this.#samples.delete(key);
  }
}
