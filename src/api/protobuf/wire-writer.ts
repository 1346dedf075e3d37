import type { WireType } from './wire-reader.ts';

const smallestBuffer = 1024;

/**
 * Writes protobuf's wire format from the end to the beginning, so that the length of a message is known when it is to be written,
 * without a first pass. Callers write the last field first.
 */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(smallestBuffer);
  #at = smallestBuffer;

  /** Bytes written so far. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  /** What was written, in reading order. The writer is used up. */
  finish(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  tag(number: number, wireType: WireType): void {
    this.unsigned(number * 8 + wireType);
  }

  unsigned(value: number): void {
    if (value < 0x80) {
      this.#reserve(1);
      this.#bytes[this.#at] = value;
      return;
    }
    let size = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) size += 1;
    this.#reserve(size);
    let rest = value;
    for (let i = 0; i < size - 1; i += 1) {
      this.#bytes[this.#at + i] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at + size - 1] = rest;
  }

  /** An `int32` or `int64`; a negative one takes ten bytes. */
  integer(value: number): void {
    if (value >= 0) {
      this.unsigned(value);
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (let i = 0; i < 9; i += 1) {
      this.#bytes[this.#at + i] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#at + 9] = Number(rest);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** A string with its length in front. */
  string(text: string): void {
    const size = Buffer.byteLength(text);
    this.#reserve(size);
    this.#bytes.write(text, this.#at, size, 'utf8');
    this.unsigned(size);
  }

  /** Bytes with their length in front. */
  bytes(bytes: Uint8Array): void {
    this.raw(bytes);
    this.unsigned(bytes.length);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
  }

  /** Makes room in front for `size` bytes and moves there. */
  #reserve(size: number): void {
    if (this.#at < size) {
      const used = this.#bytes.length - this.#at;
      const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, used + size));
      this.#bytes.copy(grown, grown.length - used, this.#at);
      this.#at = grown.length - used;
      this.#bytes = grown;
    }
    this.#at -= size;
  }
}
