import { ProtocolError } from '../lib/errors.ts';

/** Reads big-endian fields from a buffer and refuses to read past its end. */
export class ByteCursor {
  readonly #bytes: Buffer;
  readonly #what: string;
  #offset = 0;

  /** `what` names the structure in the error. */
  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  bytes(length: number): Buffer {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** The rest of the buffer. */
  rest(): Buffer {
    return this.bytes(this.remaining);
  }

  #advance(length: number): number {
    if (length > this.remaining) {
      throw new ProtocolError(`${this.#what}: ${length} bytes are missing or its length field lies`);
    }
    const start = this.#offset;
    this.#offset += length;
    return start;
  }
}
