import { ProtocolError } from '../../lib/errors.ts';
import { maxMessageDepth, maxMessages, maxVarintBytes } from './limits.ts';

export type WireType = 0 | 1 | 2 | 5;

/** What one body has cost so far; shared by the readers of its parts. */
interface Budget {
  messages: number;
}

/**
 * Reads protobuf's wire format. Every length is checked against what is left before anything is cut out; nothing is ever read from
 * behind the end.
 *
 *     message = { tag value };  tag = varint(number << 3 | wire type)
 *     value = varint (0) | 8 bytes (1) | varint length, bytes (2) | 4 bytes (5)
 */
export class WireReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;
  readonly #depth: number;
  readonly #budget: Budget;

  constructor(bytes: Buffer, start = 0, end = bytes.length, depth = 0, budget: Budget = { messages: 0 }) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#depth = depth;
    this.#budget = budget;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** The next field's number and wire type. */
  tag(): { number: number; wireType: WireType } {
    const tag = this.unsigned();
    const wireType = tag % 8;
    const number = Math.floor(tag / 8);
    if (number < 1 || number > 0x1fff_ffff) throw new ProtocolError(`proto: illegal tag ${number}`);
    if (wireType !== 0 && wireType !== 1 && wireType !== 2 && wireType !== 5) {
      throw new ProtocolError(`proto: illegal wireType ${wireType}`);
    }
    return { number, wireType };
  }

  /** A varint that must be a length, a tag or a flag: at most 2^53. */
  unsigned(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < maxVarintBytes; i += 1) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new ProtocolError('proto: integer overflow');
        return value;
      }
      factor *= 128;
    }
    throw new ProtocolError('proto: integer overflow');
  }

  /** A varint as an `int64`; beyond 2^53 it is refused, for it would become another number. */
  int64(): number {
    let low = 0;
    let factor = 1;
    for (let i = 0; i < 7; i += 1) {
      const byte = this.#byte();
      low += (byte & 0x7f) * factor;
      if (byte < 0x80) return low;
      factor *= 128;
    }
    let value = BigInt(low);
    for (let i = 7; i < maxVarintBytes; i += 1) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte >= 0x80) continue;
      const signed = Number(BigInt.asIntN(64, value));
      if (!Number.isSafeInteger(signed)) throw new ProtocolError('proto: integer beyond 2^53');
      return signed;
    }
    throw new ProtocolError('proto: integer overflow');
  }

  /** A varint as it is: 64 bits without a sign, such as nanoseconds since the epoch, which are beyond 2^53. */
  uint64(): bigint {
    let value = 0n;
    for (let i = 0; i < maxVarintBytes; i += 1) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtocolError('proto: integer overflow');
  }

  /** A varint as an `int32`: the lower 32 bits, as Go reads it. */
  int32(): number {
    let value = 0;
    for (let i = 0; i < maxVarintBytes; i += 1) {
      const byte = this.#byte();
      if (i < 5) value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value;
    }
    throw new ProtocolError('proto: integer overflow');
  }

  double(): number {
    const at = this.#take(8);
    return this.#bytes.readDoubleLE(at);
  }

  string(): string {
    const length = this.unsigned();
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  bytes(): Buffer {
    const length = this.unsigned();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A reader of the message that comes next. */
  message(): WireReader {
    const length = this.unsigned();
    const at = this.#take(length);
    if (this.#depth >= maxMessageDepth) throw new ProtocolError(`proto: more than ${maxMessageDepth} nested messages`);
    this.#budget.messages += 1;
    if (this.#budget.messages > maxMessages) throw new ProtocolError(`proto: more than ${maxMessages} messages`);
    return new WireReader(this.#bytes, at, at + length, this.#depth + 1, this.#budget);
  }

  skip(wireType: WireType): void {
    if (wireType === 0) this.#skipVarint();
    else if (wireType === 1) this.#take(8);
    else if (wireType === 5) this.#take(4);
    else this.#take(this.unsigned());
  }

  #skipVarint(): void {
    for (let i = 0; i < maxVarintBytes; i += 1) {
      if (this.#byte() < 0x80) return;
    }
    throw new ProtocolError('proto: integer overflow');
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new ProtocolError('unexpected EOF');
    const byte = this.#bytes[this.#at]!;
    this.#at += 1;
    return byte;
  }

  /** Steps over `length` bytes and answers where they begin. */
  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw new ProtocolError('unexpected EOF');
    this.#at = at + length;
    return at;
  }
}
