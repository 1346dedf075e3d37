import assert from 'node:assert/strict';
import {
  CompactedError,
  type Entry,
  type PutOp,
  type Store,
  type TxnOp,
  type TxnResult,
  type WatchEvent,
} from '../store.ts';

/** Opens a store of a new directory. */
export type Fresh = () => Promise<Store>;

export const compactedAt = (at: number) => (error: unknown) =>
  error instanceof CompactedError && error.compactedRevision === at;

/** Seven revisions in which keys come, change, go and come again. */
export function history(): TxnOp[][] {
  return [
    [put('/a', 'a1', 0), put('/b', 'b1', 0)],
    [put('/a', 'a2', 1)],
    [remove('/b', 1)],
    [put('/c', 'c4', 0)],
    [put('/b', 'b5', 0)],
    [{ type: 'delete', key: '/a', expected: 2, encode: (revision) => Buffer.from(`gone${revision}`) }],
    [put('/a', 'a7', 0)],
  ];
}

export function put(key: string, value: string | ((revision: number) => string), expected?: number): PutOp {
  const encode = (revision: number): Uint8Array => Buffer.from(typeof value === 'string' ? value : value(revision));
  return { type: 'put', key, expected, encode };
}

export function remove(key: string, expected?: number): TxnOp {
  return { type: 'delete', key, expected };
}

export function text(bytes: Uint8Array | readonly number[]): string {
  return Buffer.from(bytes).toString();
}

export function shown(entry: Entry | undefined): string {
  return entry === undefined ? 'nothing' : `${entry.key}=${text(entry.value)}@${entry.modRevision}`;
}

export function outcome(result: TxnResult): unknown[] {
  return result.ok ? [result.revision, ...result.entries.map(shown)] : [result.failedKey, shown(result.current)];
}

export async function all(store: Store): Promise<readonly Entry[]> {
  return (await store.list('/')).entries;
}

export function keys(entries: readonly Entry[]): string[] {
  return entries.map((entry) => entry.key);
}

export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

export async function repeat(times: number, action: () => Promise<void>): Promise<void> {
  for (let i = 0; i < times; i++) await action();
}

export function line(event: WatchEvent): string {
  const previous = event.previous === undefined ? 'none' : text(event.previous);
  return `${event.revision} ${event.type} ${event.key}=${text(event.value)} was ${previous}`;
}

export async function collect(batches: AsyncIterable<readonly WatchEvent[]>, most: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const batch of batches) {
    assert.ok(batch.length > 0, 'a batch is never empty');
    lines.push(...batch.map(line));
    if (lines.length > most) break;
  }
  return lines;
}

/** A watch that starts now. */
export function follow(
  store: Store,
  prefix: string,
  from: number,
): { take(count: number): Promise<string[]>; stop(): void; readonly ended: Promise<void> } {
  const stop = new AbortController();
  const lines: string[] = [];
  let wake = (): void => undefined;
  const ended = (async () => {
    for await (const batch of store.watch(prefix, from, stop.signal)) {
      lines.push(...batch.map(line));
      wake();
    }
  })();
  ended.catch(() => undefined);
  return {
    async take(count) {
      while (lines.length < count) {
        await Promise.race([
          ended,
          new Promise<void>((resolve) => {
            wake = resolve;
          }),
        ]);
      }
      return lines;
    },
    stop: () => stop.abort(),
    ended,
  };
}
