import type { Readable } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';

const empty = Buffer.alloc(0);

function tooLarge(maxBytes: number): CausewayError {
  return new CausewayError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBytes}`);
}

function incomplete(): CausewayError {
  return new CausewayError('BadRequest', 'the request body ended before it was complete');
}

/** Reads a request body whole. The declared length is checked first, so that a liar costs nothing. */
export function readBody(
  source: Readable & { readonly complete?: boolean },
  declaredLength: string | undefined,
  maxBytes: number,
): Promise<Buffer> {
  const declared = declaredLength === undefined ? undefined : Number(declaredLength);
  if (declared !== undefined && declared > maxBytes) return Promise.reject(tooLarge(maxBytes));
  if (declared === 0 || source.readableEnded) return Promise.resolve(empty);
  // What is gone cannot be told from a body that was empty; an empty one may ask for more, a deletion without its preconditions.
  if (source.destroyed) return Promise.reject(incomplete());
  if (source.complete === true) {
    // All of it is here.
    const whole = readAll(source);
    return whole.length > maxBytes ? Promise.reject(tooLarge(maxBytes)) : Promise.resolve(whole);
  }
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
      reject(incomplete());
    };
    source.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

/** What waits in the stream's buffer, however many reads that takes. */
function readAll(source: Readable): Buffer {
  const chunks: Buffer[] = [];
  for (let chunk = source.read() as Buffer | null; chunk !== null; chunk = source.read() as Buffer | null) {
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}
