/** One line of a benchmark's report. Each bench file exports `run(): Promise<BenchResult[]>`. */
export interface BenchResult {
  /** What was measured, and how: `durable PUT of 1 kB, 16 clients`. */
  readonly measure: string;
  readonly value: number;
  readonly unit: string;
  /** The same measure of what it is compared with, taken in the same run. */
  readonly baseline?: number;
  /** `value` against `baseline`: above 1 is better, whatever the unit. */
  readonly ratio?: number;
  /** The goal in words: `>= 1.0 x etcd`. */
  readonly target: string;
  readonly ok: boolean;
}
