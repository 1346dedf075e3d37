import type { Clock } from '../lib/clock.ts';
import { CATALOGUE, findPath, type PathDefinition } from './catalogue.ts';
import { type CommunicationPath, renderPair, renderUnused } from './communication-path.ts';
import { MAX_PAIRS, MAX_TEXT, NOTIFY_MS } from './limits.ts';
import type { ConnectionEvidence, PathObserver } from './observer.ts';
import { Pair } from './pair.ts';

export interface PathEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: CommunicationPath;
}

export interface PathRegistryOptions {
  readonly clock: Clock;
  readonly maxPairs?: number;
  /** Calls back later, once: a timer. Passed in by tests. */
  readonly schedule?: (notify: () => void) => void;
}

/** Stands for the ends that no longer fit. */
const OTHERS = '(others)';

/** Keeps what was seen on every path and shows it as `CommunicationPath` objects. */
export class PathRegistry implements PathObserver {
  readonly #clock: Clock;
  readonly #maxPairs: number;
  readonly #schedule: (notify: () => void) => void;
  readonly #since: number;
  /** By path, from, to. */
  readonly #pairs = new Map<string, Map<string, Map<string, Pair>>>();
  readonly #byName = new Map<string, Pair>();
  readonly #listeners = new Set<(event: PathEvent) => void>();
  /** Names that watchers know, and those that changed since they were told. */
  readonly #told = new Set<string>();
  readonly #changed = new Set<string>();
  #scheduled = false;
  #revision = 1;

  constructor(options: PathRegistryOptions) {
    this.#clock = options.clock;
    this.#maxPairs = options.maxPairs ?? MAX_PAIRS;
    this.#schedule = options.schedule ?? ((notify) => setTimeout(notify, NOTIFY_MS).unref());
    this.#since = options.clock.now();
  }

  opened(evidence: ConnectionEvidence): () => void {
    const now = this.#clock.now();
    const pair = this.#pair(evidence.path, evidence.from, evidence.to, now);
    const end = pair.open(evidence, now);
    this.#touch(pair);
    return () => {
      if (end(this.#clock.now())) this.#touch(pair);
    };
  }

  failed(path: string, from: string, to: string, reason: string): void {
    const now = this.#clock.now();
    const pair = this.#pair(path, from, to, now);
    pair.failed++;
    pair.lastFailure = { time: now, reason: printable(reason) };
    this.#touch(pair);
  }

  authorised(path: string, from: string, to: string, how: string): void {
    const pair = this.#pairs.get(path)?.get(from)?.get(to) ?? this.#pair(path, from, to, this.#clock.now());
    if (pair.authorise(how)) this.#touch(pair);
  }

  /** Grows with each change: the `resourceVersion` of a list. */
  get revision(): number {
    return this.#revision;
  }

  /** By name. */
  list(): readonly CommunicationPath[] {
    const objects = [...this.#byName.values()].map(renderPair);
    for (const row of this.#unusedRows()) objects.push(renderUnused(row, 1, this.#since));
    return objects.sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
  }

  get(name: string): CommunicationPath | undefined {
    const pair = this.#byName.get(name);
    if (pair !== undefined) return renderPair(pair);
    const row = this.#unusedRows().find((unused) => unused.name === name);
    return row === undefined ? undefined : renderUnused(row, 1, this.#since);
  }

  /**
   * Changes from now on, some milliseconds late and those to one object merged; the answer ends it. An object whose `resourceVersion`
   * is not above the `revision` of a list made before is in that list already.
   */
  subscribe(listener: (event: PathEvent) => void): () => void {
    if (this.#listeners.size === 0) {
      this.#changed.clear();
      this.#told.clear();
      for (const { metadata } of this.list()) this.#told.add(metadata.name ?? '');
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A row is shown by itself until one of its pairs is. */
  #unusedRows(): PathDefinition[] {
    return CATALOGUE.filter((row) => !this.#pairs.has(row.name));
  }

  #pair(path: string, from: string, to: string, now: number): Pair {
    const known = this.#pairs.get(path)?.get(from)?.get(to);
    if (known !== undefined) return known;
    const row = findPath(path);
    if (row.name !== path) return this.#pair(row.name, from, to, now);
    const [source, target] = [printable(from), printable(to)];
    if (source !== from || target !== to) return this.#pair(path, source, target, now);
    if (this.#byName.size >= this.#maxPairs && !this.#forgetFailure()) {
      const others = row.varying?.end === 'to' ? ([from, OTHERS] as const) : ([OTHERS, to] as const);
      return this.#insert(row, others[0], others[1], now);
    }
    return this.#insert(row, from, to, now);
  }

  #insert(row: PathDefinition, from: string, to: string, now: number): Pair {
    const bySource = this.#pairs.get(row.name) ?? new Map<string, Map<string, Pair>>();
    const byTarget = bySource.get(from) ?? new Map<string, Pair>();
    const known = byTarget.get(to);
    if (known !== undefined) return known;
    if (!this.#pairs.has(row.name)) this.#note(row.name);
    const pair = new Pair(row, from, to, now);
    this.#pairs.set(row.name, bySource);
    bySource.set(from, byTarget);
    byTarget.set(to, pair);
    this.#byName.set(pair.name, pair);
    return pair;
  }

  /** Makes room by dropping the oldest pair that never had a connection: an attacker's names must not push out real ones. */
  #forgetFailure(): boolean {
    for (const pair of this.#byName.values()) {
      if (!pair.onlyFailures) continue;
      this.#byName.delete(pair.name);
      const bySource = this.#pairs.get(pair.row.name);
      const byTarget = bySource?.get(pair.from);
      byTarget?.delete(pair.to);
      if (byTarget?.size === 0) bySource?.delete(pair.from);
      if (bySource?.size === 0) this.#pairs.delete(pair.row.name);
      this.#note(pair.name);
      if (bySource?.size === 0) this.#note(pair.row.name);
      return true;
    }
    return false;
  }

  #touch(pair: Pair): void {
    this.#revision++;
    pair.revision = this.#revision;
    this.#note(pair.name);
  }

  #note(name: string): void {
    if (this.#listeners.size === 0) return;
    this.#changed.add(name);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => this.#notify());
  }

  #notify(): void {
    this.#scheduled = false;
    const names = [...this.#changed];
    this.#changed.clear();
    for (const name of names) {
      const object = this.get(name);
      const known = this.#told.has(name);
      if (object !== undefined) {
        this.#told.add(name);
        this.#send({ type: known ? 'MODIFIED' : 'ADDED', object });
      } else if (known) {
        this.#told.delete(name);
        this.#send({ type: 'DELETED', object: this.#gone(name) });
      }
    }
  }

  #send(event: PathEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** The last that is known of an object that is no more. */
  #gone(name: string): CommunicationPath {
    this.#revision++;
    const row = findPath(name.split('.', 1)[0] ?? name);
    const object = renderUnused(row, this.#revision, this.#since);
    return { ...object, metadata: { ...object.metadata, name } };
  }
}

/** One line, bounded: it ends in tables and logs. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must go
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT - 1)}…` : clean;
}
