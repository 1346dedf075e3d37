import type { Writable } from 'node:stream';

/** Resolves when the stream takes more bytes, when it closed, or when `signal` aborts. */
export function drained(stream: Writable, signal: AbortSignal): Promise<void> {
  if (!stream.writableNeedDrain || stream.destroyed || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
