import { setOwn } from '../json-object.ts';
import type { DefinitionSchema, SchemaSource, TypeSchema } from '../schema/definition.ts';
import { goType } from './go-type.ts';
import { ReadingContext } from './reading-context.ts';
import {
  type Read,
  readAny,
  readBoolean,
  readBytes,
  readDouble,
  readInt32,
  readInt64,
  readIntOrString,
  readMicroTime,
  readQuantity,
  readString,
  readTime,
} from './scalars.ts';
import { readSchemaOrArray, readSchemaOrBool, readSchemaOrStrings } from './schema-unions.ts';

export interface StructurallyDecoded {
  readonly object: unknown;
  /** What a strict reading refuses: `unknown field "spec.foo"`. */
  readonly strictErrors: readonly string[];
}

/** Brings any JSON value into the shape of a definition. */
export interface Decoder {
  /**
   * Drops unknown fields, nulls, and optional lists and maps that are empty; checks every type, and writes quantities and times in their one form. The input stays as it is; what
   * needs no change is shared with it. Throws `BadRequest` with Go's sentence for a value of the wrong type.
   */
  decode(definition: string, value: unknown): StructurallyDecoded;
}

/** A decoder of that schema. Each definition is compiled when it is first met. */
export function createDecoder(schema: SchemaSource): Decoder {
  const compiler = new Compiler(schema);
  return {
    decode(definition, value) {
      const context = new ReadingContext();
      const object = compiler.definition(definition)(value ?? {}, context);
      return { object, strictErrors: context.strictErrors };
    },
  };
}

const apiextensions = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';

/** Definitions whose JSON form is not that of a struct. */
const special: ReadonlyMap<string, Read> = new Map([
  ['io.k8s.apimachinery.pkg.api.resource.Quantity', readQuantity],
  ['io.k8s.apimachinery.pkg.apis.meta.v1.Time', readTime],
  ['io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime', readMicroTime],
  ['io.k8s.apimachinery.pkg.util.intstr.IntOrString', readIntOrString],
]);

class Compiler {
  readonly #schema: SchemaSource;
  readonly #compiled = new Map<string, Read>(special);

  constructor(schema: SchemaSource) {
    this.#schema = schema;
  }

  definition(name: string): Read {
    const known = this.#compiled.get(name);
    if (known !== undefined) return known;
    const definition = this.#schema.get(name);
    if (definition === undefined) throw new Error(`the schema has no definition ${name}`);
    const read = this.#compile(definition);
    this.#compiled.set(name, read);
    return read;
  }

  #compile(definition: DefinitionSchema): Read {
    switch (definition.name) {
      case `${apiextensions}.JSONSchemaPropsOrArray`:
        return readSchemaOrArray(() => this.definition(`${apiextensions}.JSONSchemaProps`));
      case `${apiextensions}.JSONSchemaPropsOrBool`:
        return readSchemaOrBool(() => this.definition(`${apiextensions}.JSONSchemaProps`));
      case `${apiextensions}.JSONSchemaPropsOrStringArray`:
        return readSchemaOrStrings(() => this.definition(`${apiextensions}.JSONSchemaProps`));
      default:
        return definition.properties === undefined ? readAny : this.#struct(definition);
    }
  }

  #struct({ name, properties, required }: DefinitionSchema): Read {
    const struct = name.slice(name.lastIndexOf('.') + 1);
    const type = goType({ ref: name });
    const fields = new Map(
      Object.entries(properties!).map(([key, property]) => {
        const read = this.#type(property);
        return [key, required?.includes(key) === true ? read : unlessEmpty(property, read)];
      }),
    );
    return (value, context) => {
      if (!isPlainObject(value)) throw context.mismatch(value, type);
      context.enterStruct(struct);
      let target = value;
      for (const key of Object.keys(value)) {
        const before = value[key];
        const after = readField(fields.get(key), key, before, context);
        if (after === before && target === value) continue;
        if (target === value) target = copyBefore(value, key);
        if (after !== undefined) target[key] = after;
      }
      context.leaveStruct();
      return target;
    };
  }

  /** References are compiled when first used, for kinds contain themselves. */
  #type(type: TypeSchema): Read {
    if (type.ref !== undefined) {
      const { ref } = type;
      let read: Read | undefined;
      return (value, context) => {
        read ??= this.definition(ref);
        return read(value, context);
      };
    }
    switch (type.type) {
      case 'string':
        return type.format === 'byte' ? readBytes : readString;
      case 'integer':
        return type.format === 'int32' ? readInt32 : readInt64;
      case 'number':
        return readDouble;
      case 'boolean':
        return readBoolean;
      case 'array':
        return readList(type, this.#type(type.items ?? {}));
      case 'object':
        return type.additionalProperties === undefined ? readAny : readMap(type, this.#type(type.additionalProperties));
      default:
        return readAny;
    }
  }
}

/** Kubernetes' types cannot tell an optional list or map without elements from none, and leave both out. */
function unlessEmpty({ ref, type, additionalProperties }: TypeSchema, read: Read): Read {
  if (ref !== undefined) return read;
  if (type === 'array') {
    return (value, context) => {
      const list = read(value, context) as unknown[];
      return list.length === 0 ? undefined : list;
    };
  }
  if (type !== 'object' || additionalProperties === undefined) return read;
  return (value, context) => {
    const map = read(value, context) as object;
    for (const _ in map) return map;
    return undefined;
  };
}

function readField(read: Read | undefined, key: string, value: unknown, context: ReadingContext): unknown {
  if (read === undefined) {
    context.unknownField(key);
    return undefined;
  }
  if (value === null || value === undefined) return undefined;
  context.enterField(key);
  const result = read(value, context);
  context.leaveField();
  return result;
}

/** Go's zero value of a list's or map's element, which is what a null there becomes. */
function zeroOf(element: TypeSchema | undefined): unknown {
  if (element?.ref === `${apiextensions}.JSON`) return null;
  if (element?.ref !== undefined) return special.has(element.ref) ? '' : {};
  switch (element?.type) {
    case 'string':
      return '';
    case 'integer':
    case 'number':
      return 0;
    case 'boolean':
      return false;
    case 'array':
      return [];
    case 'object':
      return {};
    default:
      return null;
  }
}

function readList(type: TypeSchema, read: Read): Read {
  const name = goType(type);
  return (value, context) => {
    if (!Array.isArray(value)) throw context.mismatch(value, name);
    let target: unknown[] = value;
    for (let i = 0; i < value.length; i += 1) {
      const before: unknown = value[i];
      context.enterElement(`[${i}]`);
      const after = before === null || before === undefined ? zeroOf(type.items) : read(before, context);
      context.leaveElement();
      if (after === before) continue;
      if (target === value) target = value.slice();
      target[i] = after;
    }
    return target;
  };
}

function readMap(type: TypeSchema, read: Read): Read {
  const name = goType(type);
  return (value, context) => {
    if (!isPlainObject(value)) throw context.mismatch(value, name);
    let target = value;
    for (const key of Object.keys(value)) {
      const before = value[key];
      context.enterElement(key);
      const after = before === null || before === undefined ? zeroOf(type.additionalProperties) : read(before, context);
      context.leaveElement();
      if (after === before) continue;
      if (target === value) target = copyOf(value);
      setOwn(target, key, after);
    }
    return target;
  };
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The members before `key`; all of them are fields of a struct, so none has a dangerous name. */
function copyBefore(source: Record<string, unknown>, key: string): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(source)) {
    if (name === key) break;
    copy[name] = source[name];
  }
  return copy;
}

/** A spread copies own properties as own properties, `__proto__` too. */
function copyOf(source: Record<string, unknown>): Record<string, unknown> {
  return { ...source };
}
