import { isUtf8 } from 'node:buffer';
import { ProtocolError } from '../lib/errors.ts';

/**
 * The part of DER (X.690) that certificates need. Element:
 *
 *   | tag 1 byte | length 1 byte, or 0x80+n and n bytes, shortest form | content |
 */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Context-specific tag `[number]`. */
export function contextTag(number: number, constructed: boolean): number {
  return (constructed ? 0xa0 : 0x80) | number;
}

export function element(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = content.length === 1 ? (content[0] as Uint8Array) : Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(body.length)]), body]);
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}

export function sequence(...content: readonly Uint8Array[]): Buffer {
  return element(TAG.sequence, ...content);
}

/** A non-negative integer from its big-endian bytes. */
export function unsignedInteger(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const minimal = bytes.subarray(start);
  const first = minimal[0] ?? 0;
  return first >= 0x80 ? element(TAG.integer, Buffer.from([0]), minimal) : element(TAG.integer, minimal);
}

export function boolean(value: boolean): Buffer {
  return element(TAG.boolean, Buffer.from([value ? 0xff : 0]));
}

/** `1.2.840.10045.4.3.2` */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left % 128) | 0x80);
    bytes.push(...groups);
  }
  return element(TAG.oid, Buffer.from(bytes));
}

export function utf8String(text: string): Buffer {
  return element(TAG.utf8String, Buffer.from(text, 'utf8'));
}

export function octetString(content: Uint8Array): Buffer {
  return element(TAG.octetString, content);
}

export function bitString(content: Uint8Array, unusedBits = 0): Buffer {
  return element(TAG.bitString, Buffer.from([unusedBits]), content);
}

/** UTCTime through 2049, GeneralizedTime after it (RFC 5280 §4.1.2.5). */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  const utc = digits < '2050';
  return element(utc ? TAG.utcTime : TAG.generalizedTime, Buffer.from(`${utc ? digits.slice(2) : digits}Z`, 'latin1'));
}

export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content. */
  readonly bytes: Buffer;
}

/** The element that starts at `offset`. Throws when it is not complete DER. */
export function readElement(bytes: Buffer, offset = 0): DerElement {
  const tag = bytes[offset];
  let length = bytes[offset + 1];
  if (tag === undefined || length === undefined) throw new ProtocolError('DER: element is cut short');
  if ((tag & 0x1f) === 0x1f) throw new ProtocolError('DER: long tags are not supported');
  let start = offset + 2;
  if (length >= 0x80) {
    const count = length & 0x7f;
    if (count === 0 || count > 4) throw new ProtocolError('DER: length of length must be 1 to 4');
    if (start + count > bytes.length) throw new ProtocolError('DER: element is cut short');
    length = bytes.readUIntBE(start, count);
    if (length < 0x80 || (count > 1 && length < 256 ** (count - 1))) {
      throw new ProtocolError('DER: length is not in shortest form');
    }
    start += count;
  }
  if (start + length > bytes.length) throw new ProtocolError('DER: element is longer than its input');
  return { tag, content: bytes.subarray(start, start + length), bytes: bytes.subarray(offset, start + length) };
}

/** All elements of a constructed element's content. */
export function readElements(content: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  for (let offset = 0; offset < content.length; ) {
    const next = readElement(content, offset);
    elements.push(next);
    offset += next.bytes.length;
  }
  return elements;
}

export function expectElement(found: DerElement | undefined, tag: number, what: string): DerElement {
  if (found?.tag !== tag) throw new ProtocolError(`DER: ${what} is missing or has the wrong tag`);
  return found;
}

/** The text of a directory string of the kinds that occur in certificates. */
export function readText(found: DerElement): string {
  switch (found.tag) {
    case TAG.utf8String:
      if (!isUtf8(found.content)) throw new ProtocolError('DER: string is not UTF-8');
      return found.content.toString('utf8');
    case TAG.printableString:
    case TAG.ia5String:
      return found.content.toString('latin1');
    default:
      throw new ProtocolError(`DER: string type 0x${found.tag.toString(16)} is not supported`);
  }
}
