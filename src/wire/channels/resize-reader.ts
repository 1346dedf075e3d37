import { ProtocolError } from '../../lib/errors.ts';
import { MAX_RESIZE_BYTES, MAX_TERMINAL_SIZE } from './limits.ts';

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/*
 * Resize streams and channels carry JSON objects, one after another, maybe cut anywhere and separated by white space:
 *
 *   {"Width":80,"Height":24}
 */
export class ResizeReader {
  #text = '';

  /** The sizes that `bytes` completes. Throws `ProtocolError`. */
  read(bytes: Uint8Array): readonly TerminalSize[] {
    this.#text += Buffer.from(bytes).toString('latin1');
    const sizes: TerminalSize[] = [];
    for (let end = this.#text.indexOf('}'); end >= 0; end = this.#text.indexOf('}')) {
      sizes.push(parseSize(this.#text.slice(0, end + 1)));
      this.#text = this.#text.slice(end + 1);
    }
    if (this.#text.length > MAX_RESIZE_BYTES) throw new ProtocolError(`resize: more than ${MAX_RESIZE_BYTES} bytes`);
    return sizes;
  }
}

function parseSize(text: string): TerminalSize {
  if (text.length > MAX_RESIZE_BYTES) throw new ProtocolError(`resize: more than ${MAX_RESIZE_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError('resize: not JSON');
  }
  if (typeof value !== 'object' || value === null) throw new ProtocolError('resize: not an object');
  const { Width: columns, Height: rows } = value as Record<string, unknown>;
  if (!isSize(columns) || !isSize(rows))
    throw new ProtocolError('resize: Width and Height are numbers from 0 to 65535');
  return { columns, rows };
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TERMINAL_SIZE;
}
