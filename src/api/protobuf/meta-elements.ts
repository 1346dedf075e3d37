import { ProtocolError } from '../../lib/errors.ts';
import { type Element, messageElement } from './element.ts';
import type { WireReader } from './wire-reader.ts';

/** Reads the fields of a message by number; others are skipped. A wire type that does not fit is refused. */
export function readFields(
  reader: WireReader,
  fields: Readonly<Record<number, readonly [wireType: number, read: (reader: WireReader) => void]>>,
): void {
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    const field = fields[number];
    if (field === undefined) reader.skip(wireType);
    else if (field[0] === wireType) field[1](reader);
    else throw wrongWireType(wireType, String(number));
  }
}

export function wrongWireType(wireType: number, field: string): ProtocolError {
  return new ProtocolError(`proto: wrong wireType = ${wireType} for field ${field}`);
}

/** `message Quantity { string string = 1 }`, a string in JSON. */
export const quantityElement: Element = messageElement(
  (writer, value) => {
    writer.string(String(value));
    writer.tag(1, 2);
  },
  (reader) => {
    let text = '';
    readFields(reader, { 1: [2, (r) => (text = r.string())] });
    return text === '' ? '0' : text;
  },
);

/** `message Time { int64 seconds = 1; int32 nanos = 2 }`, RFC 3339 in JSON. An empty message is no time. */
function timeElement(print: (seconds: number, nanos: number) => string): Element {
  return messageElement(
    (writer, value) => {
      const text = value as string;
      const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? '';
      const nanos = Number(fraction.padEnd(9, '0'));
      writer.integer(nanos);
      writer.tag(2, 0);
      writer.integer(Math.floor(Date.parse(text.replace(/\.\d+/, '')) / 1000));
      writer.tag(1, 0);
    },
    (reader) => {
      if (reader.done) return undefined;
      let seconds = 0;
      let nanos = 0;
      readFields(reader, { 1: [0, (r) => (seconds = r.int64())], 2: [0, (r) => (nanos = r.int32())] });
      return print(seconds, nanos);
    },
  );
}

/** The last second of the year 9999, beyond which RFC 3339 has no form, and the first of the year 0. */
const latest = 253_402_300_799;
const earliest = -62_167_219_200;

function date(seconds: number): string {
  if (seconds < earliest || seconds > latest)
    throw new ProtocolError('Time.MarshalJSON: year outside of range [0,9999]');
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}

export const secondsElement: Element = timeElement((seconds) => `${date(seconds)}Z`);

export const microTimeElement: Element = timeElement((seconds, nanos) => {
  if (nanos < 0 || nanos > 999_999_999) throw new ProtocolError('proto: nanoseconds out of range');
  const micros = String(Math.floor(nanos / 1000)).padStart(6, '0');
  return `${date(seconds)}.${micros}Z`;
});

/** `message Duration { int64 duration = 1 }` in nanoseconds; in JSON as Go prints it, here always in seconds: `15.02s`. */
export const durationElement: Element = messageElement(
  (writer, value) => {
    writer.integer(Math.round(Number.parseFloat(String(value)) * 1e9));
    writer.tag(1, 0);
  },
  (reader) => {
    let nanoseconds = 0;
    readFields(reader, { 1: [0, (r) => (nanoseconds = r.int64())] });
    return `${nanoseconds / 1e9}s`;
  },
);

/** `message IntOrString { int64 type = 1; int32 intVal = 2; string strVal = 3 }`. */
export const intOrStringElement: Element = messageElement(
  (writer, value) => {
    if (typeof value === 'string') {
      writer.string(value);
      writer.tag(3, 2);
    } else {
      writer.integer(value as number);
      writer.tag(2, 0);
    }
    writer.unsigned(typeof value === 'string' ? 1 : 0);
    writer.tag(1, 0);
  },
  (reader) => {
    let type = 0;
    let number = 0;
    let text = '';
    readFields(reader, {
      1: [0, (r) => (type = r.int64())],
      2: [0, (r) => (number = r.int32())],
      3: [2, (r) => (text = r.string())],
    });
    return type === 1 ? text : number;
  },
);

/** Any JSON value as text in field 1: `RawExtension`, `FieldsV1`, `JSON`. `parse` reads what stands there. */
export function jsonElement(parse: (bytes: Buffer) => unknown): Element {
  return messageElement(
    (writer, value) => {
      writer.bytes(Buffer.from(JSON.stringify(value)));
      writer.tag(1, 2);
    },
    (reader) => {
      let bytes: Buffer | undefined;
      readFields(reader, { 1: [2, (r) => (bytes = r.bytes())] });
      return bytes === undefined || bytes.length === 0 ? undefined : parse(bytes);
    },
  );
}

/** A list in a message of its own: `message Verbs { repeated string items = 1 }`. */
export function wrappedListElement(item: Element): Element {
  return messageElement(
    (writer, value) => {
      for (const element of (value as unknown[]).toReversed()) {
        item.write(writer, element);
        writer.tag(1, item.wireType);
      }
    },
    (reader, before) => {
      const list = Array.isArray(before) ? [...before] : [];
      readFields(reader, { 1: [item.wireType, (r) => list.push(item.read(r))] });
      return list;
    },
  );
}
