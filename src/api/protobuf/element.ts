import type { WireReader, WireType } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** How one value travels, without its tag. */
export interface Element {
  readonly wireType: WireType;
  /** Writes the value; for wire type 2 its length goes in front, that is last. */
  write(writer: WireWriter, value: unknown): void;
  /** Reads the value. `before` is an earlier value of the same field, which a message is merged into. `undefined`: no value. */
  read(reader: WireReader, before?: unknown): unknown;
  /** True for the zero value of a scalar, which JSON leaves out where Go cannot tell it from an absent one. */
  isZero(value: unknown): boolean;
}

export const never = (): boolean => false;

export const stringElement: Element = {
  wireType: 2,
  write: (writer, value) => writer.string(value as string),
  read: (reader) => reader.string(),
  isZero: (value) => value === '',
};

export const booleanElement: Element = {
  wireType: 0,
  write: (writer, value) => writer.unsigned(value === true ? 1 : 0),
  read: (reader) => reader.int64() !== 0,
  isZero: (value) => value === false,
};

const integer = {
  wireType: 0,
  write: (writer, value) => writer.integer(value as number),
  isZero: (value) => value === 0,
} as const satisfies Partial<Element>;

export const int32Element: Element = { ...integer, read: (reader) => reader.int32() };
export const int64Element: Element = { ...integer, read: (reader) => reader.int64() };

export const doubleElement: Element = {
  wireType: 1,
  write: (writer, value) => writer.double(value as number),
  read: (reader) => reader.double(),
  isZero: (value) => value === 0,
};

/** Bytes, which are base64 in JSON. */
export const bytesElement: Element = {
  wireType: 2,
  write: (writer, value) => writer.bytes(Buffer.from(value as string, 'base64')),
  read: (reader) => reader.bytes().toString('base64'),
  isZero: (value) => value === '',
};

/** A message: `write` writes its fields last to first, `read` reads them all. */
export function messageElement(
  write: (writer: WireWriter, value: unknown) => void,
  read: (reader: WireReader, before: unknown) => unknown,
): Element {
  return {
    wireType: 2,
    write(writer, value) {
      const before = writer.length;
      write(writer, value);
      writer.unsigned(writer.length - before);
    },
    read: (reader, before) => read(reader.message(), before),
    isZero: never,
  };
}
