import type { Readable } from 'node:stream';
import { ResizeReader, type TerminalSize } from '../wire/channels/resize-reader.ts';
import { LatestValue } from './latest-value.ts';

/** The sizes that arrive on a resize stream. A stream that breaks the format is destroyed; the session goes on. */
export function readResizes(stream: Readable | undefined): AsyncIterable<TerminalSize> {
  const sizes = new LatestValue<TerminalSize>();
  if (stream === undefined) {
    sizes.end();
    return sizes;
  }
  const reader = new ResizeReader();
  stream.on('data', (chunk: Buffer) => {
    try {
      for (const size of reader.read(chunk)) sizes.put(size);
    } catch {
      stream.destroy();
    }
  });
  stream.on('close', () => sizes.end());
  return sizes;
}
