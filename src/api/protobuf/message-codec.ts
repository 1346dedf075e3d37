import { setOwn } from '../json-object.ts';
import type { DefinitionSchema, PropertySchema, SchemaSource, TypeSchema } from '../schema/definition.ts';
import {
  booleanElement,
  bytesElement,
  doubleElement,
  type Element,
  int32Element,
  int64Element,
  messageElement,
  stringElement,
} from './element.ts';
import {
  durationElement,
  intOrStringElement,
  jsonElement,
  microTimeElement,
  quantityElement,
  readFields,
  secondsElement,
  wrappedListElement,
  wrongWireType,
} from './meta-elements.ts';
import { schemaUnionElement } from './schema-union-elements.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

/** JSON objects of the schema's definitions as protobuf messages and back. */
export interface MessageCodec {
  /** False for definitions without field numbers, such as those of custom resources. */
  supports(definition: string): boolean;
  encode(definition: string, object: unknown): Buffer;
  /** Throws `ProtocolError`. */
  decode(definition: string, bytes: Buffer): Record<string, unknown>;
}

type Json = Record<string, unknown>;

/** One field of a message, or one embedded message whose fields are flattened in JSON. */
interface Part {
  readonly number: number;
  write(writer: WireWriter, object: Json): void;
  readonly wireType: number;
  readonly name: string;
  read(reader: WireReader, object: Json): void;
}

/** The parts of a message by number; embedded messages have a table of their own. */
type Layout = readonly Part[];

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const apiextensions = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';

/** `parseRaw` reads what a `RawExtension` holds: JSON, or an object in its protobuf envelope. */
export function createMessageCodec(schema: SchemaSource, parseRaw: (bytes: Buffer) => unknown): MessageCodec {
  const compiler = new Compiler(schema, parseRaw);
  return {
    supports: (definition) => compiler.supports(definition),
    encode(definition, object) {
      const writer = new WireWriter();
      writeLayout(compiler.layout(definition), writer, object as Json);
      return writer.finish();
    },
    decode(definition, bytes) {
      const object: Json = {};
      readLayout(compiler.layout(definition), new WireReader(bytes), object);
      return object;
    },
  };
}

function writeLayout(layout: Layout, writer: WireWriter, object: Json): void {
  for (let i = layout.length - 1; i >= 0; i -= 1) layout[i]!.write(writer, object);
}

function readLayout(layout: Layout, reader: WireReader, object: Json): Json {
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    const part = findPart(layout, number);
    if (part === undefined) reader.skip(wireType);
    else if (part.wireType === wireType) part.read(reader, object);
    else throw wrongWireType(wireType, part.name);
  }
  return object;
}

/** Layouts are short and sorted: numbers mostly stand at their own index. */
function findPart(layout: Layout, number: number): Part | undefined {
  const guess = layout[number - 1];
  return guess?.number === number ? guess : layout.find((part) => part.number === number);
}

class Compiler {
  readonly #schema: SchemaSource;
  readonly #parseRaw: (bytes: Buffer) => unknown;
  readonly #layouts = new Map<string, Layout>();

  constructor(schema: SchemaSource, parseRaw: (bytes: Buffer) => unknown) {
    this.#schema = schema;
    this.#parseRaw = parseRaw;
  }

  supports(name: string): boolean {
    const properties = Object.values(this.#schema.get(name)?.properties ?? {});
    return properties.some((property) => property.wire !== undefined);
  }

  layout(name: string): Layout {
    let layout = this.#layouts.get(name);
    if (layout === undefined) {
      const definition = this.#schema.get(name);
      if (definition === undefined) throw new Error(`the schema has no definition ${name}`);
      layout = this.#compile(definition);
      this.#layouts.set(name, layout);
    }
    return layout;
  }

  #compile(definition: DefinitionSchema): Layout {
    const fields = Object.entries(definition.properties ?? {})
      .filter(([, property]) => property.wire !== undefined)
      .map(([key, property]) => ({
        path: property.wire!.replace(/[*w]/g, '').split('/').map(Number),
        part: (number: number) => this.#field(definition, key, property, number),
      }));
    return nest(fields);
  }

  #field(definition: DefinitionSchema, key: string, property: PropertySchema, number: number): Part {
    const wrapped = property.wire!.includes('w');
    const keepsZero = property.wire!.includes('*') || definition.required?.includes(key) === true;
    if (property.type === 'array' && !wrapped) return listPart(key, number, this.#element(property.items!, false));
    if (property.type === 'object' && property.additionalProperties !== undefined) {
      return mapPart(key, number, this.#element(property.additionalProperties, wrapped));
    }
    return singlePart(key, number, this.#element(property, wrapped), keepsZero);
  }

  #element(type: TypeSchema, wrapped: boolean): Element {
    if (wrapped) return wrappedListElement(this.#element(type.items!, false));
    if (type.ref !== undefined) return this.#reference(type.ref);
    switch (type.type) {
      case 'string':
        return type.format === 'byte' ? bytesElement : stringElement;
      case 'integer':
        return type.format === 'int32' ? int32Element : int64Element;
      case 'number':
        return doubleElement;
      case 'boolean':
        return booleanElement;
      default:
        throw new Error(`no protobuf form of ${JSON.stringify(type)}`);
    }
  }

  #reference(name: string): Element {
    switch (name) {
      case 'io.k8s.apimachinery.pkg.api.resource.Quantity':
        return quantityElement;
      case 'io.k8s.apimachinery.pkg.util.intstr.IntOrString':
        return intOrStringElement;
      case `${meta}.Time`:
        return secondsElement;
      case `${meta}.MicroTime`:
        return microTimeElement;
      case `${meta}.Duration`:
        return durationElement;
      case 'io.k8s.apimachinery.pkg.runtime.RawExtension':
      case `${meta}.FieldsV1`:
      case `${apiextensions}.JSON`:
        return jsonElement(this.#parseRaw);
      case `${apiextensions}.JSONSchemaPropsOrArray`:
      case `${apiextensions}.JSONSchemaPropsOrBool`:
      case `${apiextensions}.JSONSchemaPropsOrStringArray`:
        return schemaUnionElement(name, this.#struct(`${apiextensions}.JSONSchemaProps`));
      default:
        return this.#struct(name);
    }
  }

  /** Compiled when first used, for messages contain themselves. */
  #struct(name: string): Element {
    let layout: Layout | undefined;
    return messageElement(
      (writer, value) => {
        layout ??= this.layout(name);
        writeLayout(layout, writer, value as Json);
      },
      (reader, before) => {
        layout ??= this.layout(name);
        return readLayout(layout, reader, (before as Json | undefined) ?? {});
      },
    );
  }
}

interface PathedField {
  readonly path: readonly number[];
  part(number: number): Part;
}

/** Sorts fields by number and gathers those with a longer path into embedded messages. */
function nest(fields: readonly PathedField[]): Layout {
  const parts = fields.filter((field) => field.path.length === 1).map((field) => field.part(field.path[0]!));
  const inner = Map.groupBy(
    fields.filter((field) => field.path.length > 1),
    (field) => field.path[0]!,
  );
  for (const [number, group] of inner) {
    parts.push(embeddedPart(number, nest(group.map((f) => ({ path: f.path.slice(1), part: (n) => f.part(n) })))));
  }
  return parts.sort((a, b) => a.number - b.number);
}

function embeddedPart(number: number, layout: Layout): Part {
  return {
    number,
    wireType: 2,
    name: String(number),
    write(writer, object) {
      const before = writer.length;
      writeLayout(layout, writer, object);
      if (writer.length === before) return;
      writer.unsigned(writer.length - before);
      writer.tag(number, 2);
    },
    read: (reader, object) => void readLayout(layout, reader.message(), object),
  };
}

function singlePart(key: string, number: number, element: Element, keepsZero: boolean): Part {
  return {
    number,
    wireType: element.wireType,
    name: key,
    write(writer, object) {
      const value = object[key];
      if (value === undefined || value === null) return;
      element.write(writer, value);
      writer.tag(number, element.wireType);
    },
    read(reader, object) {
      const value = element.read(reader, object[key]);
      if (value === undefined || (!keepsZero && element.isZero(value))) delete object[key];
      else object[key] = value;
    },
  };
}

function listPart(key: string, number: number, element: Element): Part {
  return {
    number,
    wireType: element.wireType,
    name: key,
    write(writer, object) {
      const list = object[key];
      if (!Array.isArray(list)) return;
      for (let i = list.length - 1; i >= 0; i -= 1) {
        element.write(writer, list[i]);
        writer.tag(number, element.wireType);
      }
    },
    read(reader, object) {
      const value = element.read(reader);
      const list = object[key];
      if (Array.isArray(list)) list.push(value ?? null);
      else object[key] = [value ?? null];
    },
  };
}

/** `map<string, V>` is a list of messages `{ string key = 1; V value = 2 }`. */
function mapPart(key: string, number: number, element: Element): Part {
  return {
    number,
    wireType: 2,
    name: key,
    write(writer, object) {
      const map = object[key];
      if (typeof map !== 'object' || map === null) return;
      const entries = Object.entries(map).sort(([a], [b]) => (a < b ? 1 : -1));
      for (const [name, value] of entries) {
        const before = writer.length;
        element.write(writer, value);
        writer.tag(2, element.wireType);
        writer.string(name);
        writer.tag(1, 2);
        writer.unsigned(writer.length - before);
        writer.tag(number, 2);
      }
    },
    read(reader, object) {
      let name = '';
      let value: unknown;
      readFields(reader.message(), {
        1: [2, (r) => (name = r.string())],
        2: [element.wireType, (r) => (value = element.read(r, value))],
      });
      object[key] ??= {};
      setOwn(object[key] as Json, name, value ?? zeroOf(element));
    },
  };
}

/** What an entry without a value holds. */
function zeroOf(element: Element): unknown {
  for (const zero of ['', 0, false]) if (element.isZero(zero)) return zero;
  return {};
}
