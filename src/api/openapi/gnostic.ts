import { WireWriter } from '../protobuf/wire-writer.ts';
import type { Json } from './document-v2.ts';

/**
 * The OpenAPI v2 document as `openapi.v2.Document` in protobuf, the only form that kubectl 1.27 and 1.28 take. Field numbers are those of
 * gnostic's `OpenAPIv2.proto`; a table row states how one JSON object becomes one message.
 */
export function encodeGnostic(document: Json): Buffer {
  const writer = new WireWriter();
  messages.Document(writer, document);
  return writer.finish();
}

/** Writes the fields of a message, last to first. */
type WriteMessage = (writer: WireWriter, value: Json) => void;
/** Writes one field with its tag. */
type WriteField = (writer: WireWriter, value: unknown) => void;
type Field = (number: number) => WriteField;
type Row = readonly [number: number, key: string, field: Field];
type MessageName =
  | 'Document'
  | 'Info'
  | 'PathItem'
  | 'Operation'
  | 'Response'
  | 'JsonReference'
  | 'BodyParameter'
  | 'QueryParameter'
  | 'PathParameter'
  | 'ApiKeySecurity'
  | 'Schema';

const string: Field = (number) => (writer, value) => {
  writer.string(value as string);
  writer.tag(number, 2);
};

const boolean: Field = (number) => (writer, value) => {
  writer.unsigned(value === true ? 1 : 0);
  writer.tag(number, 0);
};

function each(field: Field): Field {
  return (number) => {
    const write = field(number);
    return (writer, value) => {
      for (const item of (value as unknown[]).toReversed()) write(writer, item);
    };
  };
}

function nested(writer: WireWriter, number: number, write: () => void): void {
  const before = writer.length;
  write();
  writer.unsigned(writer.length - before);
  writer.tag(number, 2);
}

/** Looked up when written: messages contain themselves. */
function message(name: MessageName): Field {
  return (number) => (writer, value) => nested(writer, number, () => messages[name](writer, value as Json));
}

/** A message that has nothing but one field: `TypeItem`, `ItemsItem`, the arms of a oneof. */
function wrapped(inner: number, field: Field): Field {
  const write = field(inner);
  return (number) => (writer, value) => nested(writer, number, () => write(writer, value));
}

/** A JSON object as a list of messages `{ string name = 1; V value = 2 }`. */
function named(field: Field, keys: (key: string) => boolean = () => true): Field {
  const writeName = string(1);
  const writeValue = field(2);
  return (number) => (writer, value) => {
    for (const [name, item] of Object.entries(value as Json).toReversed()) {
      if (!keys(name)) continue;
      nested(writer, number, () => {
        writeValue(writer, item);
        writeName(writer, name);
      });
    }
  };
}

/** `Any { google.protobuf.Any value = 1; string yaml = 2 }`: any JSON is YAML. */
const any: Field = (number) => {
  const write = wrapped(2, string)(number);
  return (writer, value) => write(writer, JSON.stringify(value));
};

const isExtension = (key: string): boolean => key.startsWith('x-');

/** A message by its rows. `extensions` is the number of the field that takes the keys that begin with `x-`. */
function fields(rows: readonly Row[], extensions?: number): WriteMessage {
  const sorted = rows.toSorted((a, b) => b[0] - a[0]).map(([number, key, field]) => ({ key, write: field(number) }));
  // Extensions have the highest number of every message that has them.
  const writeExtensions = extensions === undefined ? undefined : named(any, isExtension)(extensions);
  return (writer, value) => {
    writeExtensions?.(writer, value);
    for (const { key, write } of sorted) {
      const item = value[key];
      if (item !== undefined) write(writer, item);
    }
  };
}

/** `Parameter { oneof { BodyParameter = 1; NonBodyParameter { oneof { query = 3; path = 4 } } = 2 } }` */
const parameter: Field = (number) => {
  const body = wrapped(1, message('BodyParameter'))(number);
  const query = wrapped(2, wrapped(3, message('QueryParameter')))(number);
  const path = wrapped(2, wrapped(4, message('PathParameter')))(number);
  return (writer, value) => {
    const where = (value as Json)['in'];
    (where === 'body' ? body : where === 'path' ? path : query)(writer, value);
  };
};

/** `ParametersItem { oneof { Parameter parameter = 1; JsonReference json_reference = 2 } }` */
const parametersItem: Field = (number) => {
  const inline = wrapped(1, parameter)(number);
  const reference = wrapped(2, message('JsonReference'))(number);
  return (writer, value) => ((value as Json)['$ref'] === undefined ? inline : reference)(writer, value);
};

const operation = message('Operation');
const schema = message('Schema');
const schemas = wrapped(1, named(schema));

const messages: Readonly<Record<MessageName, WriteMessage>> = {
  Document: fields([
    [1, 'swagger', string],
    [2, 'info', message('Info')],
    [8, 'paths', wrapped(2, named(message('PathItem')))],
    [9, 'definitions', schemas],
    [10, 'parameters', wrapped(1, named(parameter))],
    [12, 'security', each(wrapped(1, named(wrapped(1, each(string)))))],
    [13, 'securityDefinitions', wrapped(1, named(wrapped(2, message('ApiKeySecurity'))))],
  ]),
  Info: fields([
    [1, 'title', string],
    [2, 'version', string],
  ]),
  PathItem: fields([
    [2, 'get', operation],
    [3, 'put', operation],
    [4, 'post', operation],
    [5, 'delete', operation],
    [6, 'options', operation],
    [7, 'head', operation],
    [8, 'patch', operation],
    [9, 'parameters', each(parametersItem)],
  ]),
  Operation: fields(
    [
      [1, 'tags', each(string)],
      [3, 'description', string],
      [5, 'operationId', string],
      [6, 'produces', each(string)],
      [7, 'consumes', each(string)],
      [8, 'parameters', each(parametersItem)],
      [9, 'responses', wrapped(1, named(wrapped(1, message('Response'))))],
      [10, 'schemes', each(string)],
    ],
    13,
  ),
  Response: fields([
    [1, 'description', string],
    [2, 'schema', wrapped(1, schema)],
  ]),
  JsonReference: fields([[1, '$ref', string]]),
  BodyParameter: fields([
    [2, 'name', string],
    [3, 'in', string],
    [4, 'required', boolean],
    [5, 'schema', schema],
  ]),
  QueryParameter: fields([
    [2, 'in', string],
    [3, 'description', string],
    [4, 'name', string],
    [6, 'type', string],
    [20, 'uniqueItems', boolean],
  ]),
  PathParameter: fields([
    [1, 'required', boolean],
    [2, 'in', string],
    [3, 'description', string],
    [4, 'name', string],
    [5, 'type', string],
    [19, 'uniqueItems', boolean],
  ]),
  ApiKeySecurity: fields([
    [1, 'type', string],
    [2, 'name', string],
    [3, 'in', string],
    [4, 'description', string],
  ]),
  Schema: fields(
    [
      [1, '$ref', string],
      [2, 'format', string],
      [4, 'description', string],
      [19, 'required', each(string)],
      [20, 'enum', each(any)],
      [21, 'additionalProperties', wrapped(1, schema)],
      [22, 'type', wrapped(1, string)],
      [23, 'items', wrapped(1, schema)],
      [25, 'properties', schemas],
    ],
    31,
  ),
};
