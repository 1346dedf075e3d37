import type { Readable } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';

const empty = Buffer.alloc(0);

function tooLarge(maxBytes: number): CausewayError {
  return new CausewayError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBytes}`);
}

/** Reads a request body whole. The declared length is checked first, so that a liar costs nothing. */
export function readBody(source: Readable, declaredLength: string | undefined, maxBytes: number): Promise<Buffer> {
  const declared = declaredLength === undefined ? undefined : Number(declaredLength);
  if (declared !== undefined && declared > maxBytes) return Promise.reject(tooLarge(maxBytes));
  if (declared === 0 || source.readableEnded) return Promise.resolve(empty);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (): void => {
      source.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBytes) {
        settle();
        source.pause();
        reject(tooLarge(maxBytes));
        return;
      }
      chunks.push(chunk);
    };
    const onEnd = (): void => {
      settle();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size));
    };
    const onClose = (): void => {
      settle();
      reject(new CausewayError('BadRequest', 'the request body ended before it was complete'));
    };
    source.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}
