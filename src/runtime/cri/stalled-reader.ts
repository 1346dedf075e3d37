import { PassThrough, type Readable } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';
import { ATTACH_QUEUE_BYTES, ATTACH_STALL_MS } from './limits.ts';

/**
 * What `source` gives, kept up to a bound for a reader that is slow. One that reads nothing for `ATTACH_STALL_MS` while the bound is reached
 * gets an error, and `cut` is called.
 */
export function bounded(source: Readable, cut: () => void): Readable {
  const kept = new PassThrough({ highWaterMark: ATTACH_QUEUE_BYTES });
  let timer: NodeJS.Timeout | undefined;
  const moving = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  source.pipe(kept);
  // After the pipe's own listener, which has filled it by then.
  source.on('data', () => {
    if (!kept.writableNeedDrain || timer !== undefined) return;
    timer = setTimeout(() => {
      kept.destroy(new CausewayError('Timeout', 'the client reads too slowly'));
      cut();
    }, ATTACH_STALL_MS);
  });
  kept.on('drain', moving);
  kept.once('close', moving);
  kept.on('error', () => undefined);
  // A connection that breaks is the end of what is seen of the container, not of the container.
  source.once('close', () => kept.end());
  return kept;
}
