import { WireReader, type WireType } from '../../../api/protobuf/wire-reader.ts';
import { WireWriter } from '../../../api/protobuf/wire-writer.ts';

/**
 * How a field's value travels in proto3. `In` is what is written, where what is left out is the zero value; `Out` is what is read, where
 * nothing is left out but messages.
 */
export interface FieldKind<In, Out> {
  readonly zero: Out;
  /** Writes value and tag, from behind. Nothing for a zero value. */
  write(writer: WireWriter, number: number, value: In): void;
  /** `before`: what the same field had already. */
  read(reader: WireReader, wireType: WireType, before: Out): Out;
}

type AnyKind = FieldKind<never, unknown>;
type Fields = Readonly<Record<string, readonly [number: number, kind: AnyKind]>>;
type InputOf<F extends Fields> = {
  readonly [K in keyof F]?: F[K][1] extends FieldKind<infer In, unknown> ? In | undefined : never;
};
type OutputOf<F extends Fields> = {
  readonly [K in keyof F]: F[K][1] extends FieldKind<never, infer Out> ? Out : never;
};

/** A message by its fields' names and numbers. */
export interface Message<In, Out> extends FieldKind<In | undefined, Out | undefined> {
  encode(value: In): Buffer;
  /** Unknown fields are passed over: a newer runtime says more. Throws `ProtocolError`. */
  decode(bytes: Buffer): Out;
}

export type Input<M> = M extends Message<infer In, unknown> ? In : never;
export type Output<M> = M extends Message<never, infer Out> ? Out : never;

function scalar<T>(
  wireType: WireType,
  zero: T,
  put: (writer: WireWriter, value: T) => void,
  take: (reader: WireReader) => T,
): FieldKind<T | undefined, T> {
  return {
    zero,
    write(writer, number, value) {
      if (value === undefined || value === zero) return;
      put(writer, value);
      writer.tag(number, wireType);
    },
    read(reader, found, before) {
      if (found === wireType) return take(reader);
      reader.skip(found);
      return before;
    },
  };
}

export const string = scalar(
  2,
  '',
  (writer, value: string) => writer.string(value),
  (reader) => reader.string(),
);
export const bool = scalar(
  0,
  false,
  (writer, value: boolean) => writer.unsigned(value ? 1 : 0),
  (reader) => reader.uint64() !== 0n,
);
export const int32 = scalar(
  0,
  0,
  (writer, value: number) => writer.integer(value),
  (reader) => reader.int32(),
);
/** `int64` and `uint64` of sizes and limits: at most 2^53. */
export const int64 = scalar(
  0,
  0,
  (writer, value: number) => writer.integer(value),
  (reader) => reader.int64(),
);
/** Counters and nanoseconds since the epoch; only read. */
export const big = scalar(
  0,
  0n,
  (writer, value: bigint) => writer.unsigned(Number(value)),
  (reader) => reader.uint64(),
);

/** A list; numbers are sent unpacked, which every reader takes. */
export function repeated<In, Out>(
  kind: FieldKind<In, Out>,
): FieldKind<readonly Exclude<In, undefined>[] | undefined, readonly Exclude<Out, undefined>[]> {
  return {
    zero: [],
    write(writer, number, values) {
      for (const value of [...(values ?? [])].reverse()) writeElement(kind, writer, number, value);
    },
    read(reader, wireType, before) {
      const value = kind.read(reader, wireType, kind.zero);
      return value === undefined ? before : [...before, value as Exclude<Out, undefined>];
    },
  };
}

/** Of a list also zero values are written. */
function writeElement<In, Out>(kind: FieldKind<In, Out>, writer: WireWriter, number: number, value: In): void {
  if ((value as unknown) !== kind.zero) {
    kind.write(writer, number, value);
    return;
  }
  if (typeof value === 'string') writer.string(value);
  else writer.unsigned(0);
  writer.tag(number, typeof value === 'string' ? 2 : 0);
}

export function message<F extends Fields>(fields: F): Message<InputOf<F>, OutputOf<F>> {
  const all = Object.entries(fields).map(([name, [number, kind]]) => ({ name, number, kind }));
  const backwards = [...all].sort((a, b) => b.number - a.number);
  const byNumber = new Map(all.map((field) => [field.number, field]));
  const zeros = Object.fromEntries(all.map(({ name, kind }) => [name, kind.zero]));

  const writeFields = (writer: WireWriter, value: InputOf<F>): void => {
    for (const { name, number, kind } of backwards) kind.write(writer, number, value[name] as never);
  };
  const readFields = (reader: WireReader, before: OutputOf<F> | undefined): OutputOf<F> => {
    const value: Record<string, unknown> = { ...zeros, ...before };
    while (!reader.done) {
      const { number, wireType } = reader.tag();
      const field = byNumber.get(number);
      if (field === undefined) reader.skip(wireType);
      else value[field.name] = field.kind.read(reader, wireType, value[field.name]);
    }
    return value as OutputOf<F>;
  };
  return {
    zero: undefined,
    write(writer, number, value) {
      if (value === undefined) return;
      const before = writer.length;
      writeFields(writer, value);
      writer.unsigned(writer.length - before);
      writer.tag(number, 2);
    },
    read(reader, wireType, before) {
      if (wireType === 2) return readFields(reader.message(), before);
      reader.skip(wireType);
      return before;
    },
    encode(value) {
      const writer = new WireWriter();
      writeFields(writer, value);
      return writer.finish();
    },
    decode: (bytes) => readFields(new WireReader(bytes), undefined),
  };
}

const entry = message({ key: [1, string], value: [2, string] });

/** `map<string, string>`. */
export const stringMap: FieldKind<Readonly<Record<string, string>> | undefined, Readonly<Record<string, string>>> = {
  zero: {},
  write(writer, number, value) {
    for (const [key, text] of Object.entries(value ?? {}).reverse()) entry.write(writer, number, { key, value: text });
  },
  read(reader, wireType, before) {
    const read = entry.read(reader, wireType, undefined);
    // From entries, so that a key such as `__proto__` is a key.
    return read === undefined ? before : Object.fromEntries([...Object.entries(before), [read.key, read.value]]);
  },
};
