import type { Readable, Writable } from 'node:stream';

/**
 * Joins what `from` gives within one turn of the event loop into one write to `to`. TLS hands out records of 16 KiB, several at a time, and frames cut them further: without
 * this each piece would be a system call. Call it before `from` is piped to `to`.
 */
export function corkPerTick(from: Readable, to: Writable): void {
  let corked = false;
  from.on('data', () => {
    if (corked) return;
    corked = true;
    to.cork();
    process.nextTick(() => {
      corked = false;
      to.uncork();
    });
  });
}
