import { CausewayError } from '../lib/errors.ts';
import { limits } from './limits.ts';

/** A whole answer. Throws what the body throws, and `InternalError` when it is larger than an answer can be. */
export async function readAnswer(body: AsyncIterable<Buffer>, maxBytes = limits.maxAnswerBytes): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new CausewayError('InternalError', 'the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The lines of a watch, without their ends. A last line that is not ended is dropped: it is not whole. */
export async function* readLines(
  body: AsyncIterable<Buffer>,
  maxBytes = limits.maxWatchLineBytes,
): AsyncGenerator<string, void, undefined> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const last = chunk.subarray(start, end);
      if (pendingBytes + last.length > maxBytes) throw tooLarge();
      yield pendingBytes === 0 ? last.toString() : Buffer.concat([...pending, last]).toString();
      pending = [];
      pendingBytes = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    const rest = chunk.subarray(start);
    pendingBytes += rest.length;
    if (pendingBytes > maxBytes) throw tooLarge();
    pending.push(rest);
  }
}

function tooLarge(): CausewayError {
  return new CausewayError('InternalError', 'a watch event is too large');
}
