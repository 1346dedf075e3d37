import { CausewayError, isCode, ProtocolError } from '../../lib/errors.ts';
import { isObject, type JsonObject } from '../json-object.ts';
import { apiVersionOf, type GroupVersionKind, type KubeObject, parseApiVersion } from '../object.ts';
import { createMessageCodec, type MessageCodec } from '../protobuf/message-codec.ts';
import type { Schema } from '../schema/schema.ts';
import { createDecoder, type Decoder } from '../structural/decoder.ts';
import { JsonSyntaxError } from '../structural/json-scanner.ts';
import { parseJson } from '../structural/parse-json.ts';
import { noSuchKind, UnusableBodyError, unrecognized, wrongVersion } from './body-error.ts';
import { decodeEnvelope, encodeEnvelope, isEnvelope } from './envelope.ts';
import { maxBodyBytes } from './limits.ts';
import { encodeWatchFrame } from './watch-frame.ts';
import { parseYaml, printYaml } from './yaml-text.ts';

export type Media = 'json' | 'yaml' | 'protobuf';

/** A parsed body, and what a strict reading finds wrong with it: `unknown field "spec.foo"`, `duplicate field "kind"`. */
export interface Decoded {
  readonly object: KubeObject;
  readonly strictErrors: readonly string[];
}

/** Objects as bytes and back, in every media type that is served. */
export interface Codec {
  /**
   * Parses a body, checks every type in it, and drops what its definition has not. A body without apiVersion and kind is taken for
   * `expected`. Throws `BadRequest` with Kubernetes' sentence.
   */
  decode(bytes: Buffer, media: Media, expected: GroupVersionKind): Decoded;
  /** The same for a value that is parsed already: what a patch made. */
  decodeValue(value: unknown, expected: GroupVersionKind): Decoded;
  /** False for kinds without protobuf numbers, which are those of custom resources. */
  supportsProtobuf(kind: GroupVersionKind): boolean;
  /** Complete with the `k8s\0` envelope. Throws `NotAcceptable` for a kind without protobuf form. */
  encodeProtobuf(object: Readonly<JsonObject>): Buffer;
  encodeYaml(object: unknown): Buffer;
  /** One event of a watch, its length in front. */
  encodeProtobufWatchEvent(type: string, object: Readonly<JsonObject>): Buffer;
}

export function createCodec(schema: Schema): Codec {
  return new SchemaCodec(schema);
}

/** Kinds that every group-version has: a body may name any of them. */
const everyGroup: ReadonlySet<string> = new Set(['CreateOptions', 'DeleteOptions', 'PatchOptions', 'UpdateOptions']);

/** Retired versions whose form equals that of the version served; kubectl 1.20 still sends them. */
const retired: ReadonlyMap<string, string> = new Map([['policy/v1beta1/Eviction', 'v1']]);

class SchemaCodec implements Codec {
  readonly #schema: Schema;
  readonly #decoder: Decoder;
  readonly #messages: MessageCodec;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#decoder = createDecoder(schema);
    this.#messages = createMessageCodec(schema, (bytes) => this.#parseRaw(bytes));
  }

  decode(bytes: Buffer, media: Media, expected: GroupVersionKind): Decoded {
    if (bytes.length > maxBodyBytes) {
      throw new CausewayError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`);
    }
    if (media === 'protobuf') return this.#decodeProtobuf(bytes, expected);
    const { value, strictErrors } = parseText(bytes, media, expected);
    // Go reads `null` into a struct without complaint: an object without fields.
    if (value !== null && !isObject(value)) throw unrecognized(expected, notAnObject(value), bytes);
    const decoded = this.decodeValue(value ?? {}, expected);
    return strictErrors.length === 0 ? decoded : merged(decoded, strictErrors);
  }

  decodeValue(value: unknown, expected: GroupVersionKind): Decoded {
    const actual = kindOf(value, expected);
    const definition = this.#definition(actual, expected);
    try {
      const { object, strictErrors } = this.#decoder.decode(definition, value);
      const hasMetadata = this.#schema.get(definition)?.properties?.['metadata'] !== undefined;
      return { object: complete(object as JsonObject, actual, hasMetadata), strictErrors };
    } catch (error) {
      if (error instanceof CausewayError && error.code === 'BadRequest')
        throw new UnusableBodyError(actual, expected, error.message);
      throw error;
    }
  }

  supportsProtobuf({ group, version, kind }: GroupVersionKind): boolean {
    const definition = this.#schema.definitionOf(group, version, kind);
    return definition !== undefined && this.#messages.supports(definition);
  }

  encodeProtobuf(object: Readonly<JsonObject>): Buffer {
    const apiVersion = String(object['apiVersion'] ?? '');
    const kind = String(object['kind'] ?? '');
    const { group, version } = parseApiVersion(apiVersion);
    const definition = this.#schema.definitionOf(group, version, kind);
    if (definition === undefined || !this.#messages.supports(definition)) {
      throw new CausewayError('NotAcceptable', `${kind} of ${apiVersion} has no protobuf form`);
    }
    return encodeEnvelope({ apiVersion, kind, raw: this.#messages.encode(definition, object) });
  }

  encodeYaml(object: unknown): Buffer {
    return Buffer.from(printYaml(object));
  }

  encodeProtobufWatchEvent(type: string, object: Readonly<JsonObject>): Buffer {
    return encodeWatchFrame(type, this.encodeProtobuf(object));
  }

  #decodeProtobuf(bytes: Buffer, expected: GroupVersionKind): Decoded {
    try {
      const envelope = decodeEnvelope(bytes);
      const actual = kindOf(envelope, expected);
      const definition = this.#definition(actual, expected);
      const message = this.#messages.decode(definition, envelope.raw);
      return this.decodeValue(
        { ...message, apiVersion: apiVersionOf(actual.group, actual.version), kind: actual.kind },
        expected,
      );
    } catch (error) {
      if (error instanceof ProtocolError) throw unrecognized(expected, error.message, bytes, error);
      throw error;
    }
  }

  /** The definition to read `actual` by, where `expected` is asked for. */
  #definition(actual: GroupVersionKind, expected: GroupVersionKind): string {
    const { group, version, kind } = actual;
    const served = retired.get(`${group}/${version}/${kind}`) ?? version;
    const definition = this.#schema.definitionOf(group, served, kind);
    if (definition === undefined) throw new UnusableBodyError(actual, expected, noSuchKind(actual));
    if (everyGroup.has(kind) && kind === expected.kind) return definition;
    if (kind !== expected.kind || group !== expected.group) {
      const types = `(${version}.${kind}) to (${expected.group === '' ? 'core' : expected.group.split('.')[0]}.${expected.kind})`;
      throw new UnusableBodyError(actual, expected, `converting ${types}: unknown conversion`);
    }
    if (served !== expected.version) throw wrongVersion(actual, expected);
    return definition;
  }

  /** What a `RawExtension` holds: JSON, or an object in its envelope. */
  #parseRaw(bytes: Buffer): unknown {
    if (isEnvelope(bytes)) {
      const { apiVersion, kind, raw } = decodeEnvelope(bytes);
      const { group, version } = parseApiVersion(apiVersion);
      const definition = this.#schema.definitionOf(group, version, kind);
      if (definition === undefined) throw new ProtocolError(noSuchKind({ group, version, kind }));
      return { apiVersion, kind, ...this.#messages.decode(definition, raw) };
    }
    try {
      return parseJson(bytes.toString('utf8')).value;
    } catch (cause) {
      throw new ProtocolError('raw extension holds no JSON', { cause });
    }
  }
}

function parseText(bytes: Buffer, media: 'json' | 'yaml', expected: GroupVersionKind): ParsedText {
  const text = bytes.toString('utf8');
  try {
    // JSON is YAML too, and clients send it under that name; its parser is a hundred times as fast.
    if (media === 'json' || /^\s*\{/.test(text)) {
      const { value, duplicates } = parseJson(text);
      return { value, strictErrors: duplicates };
    }
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    if (media === 'json') {
      throw unrecognized(expected, `couldn't get version/kind; json parse error: ${error.message}`, bytes, error);
    }
  }
  try {
    return parseYaml(text);
  } catch (error) {
    if (!isCode(error, 'BadRequest')) throw error;
    throw unrecognized(expected, error.message, bytes, error);
  }
}

interface ParsedText {
  readonly value: unknown;
  readonly strictErrors: readonly string[];
}

function notAnObject(value: unknown): string {
  const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return `couldn't get version/kind; json parse error: json: cannot unmarshal ${found} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`;
}

/** The kind that an object says it is; what it does not say is taken from `expected`. */
function kindOf(value: unknown, expected: GroupVersionKind): GroupVersionKind {
  const { apiVersion, kind } = isObject(value) ? value : ({} as JsonObject);
  const named = typeof apiVersion === 'string' && apiVersion !== '' ? parseApiVersion(apiVersion) : expected;
  return {
    group: named.group,
    version: named.version,
    kind: typeof kind === 'string' && kind !== '' ? kind : expected.kind,
  };
}

function merged(decoded: Decoded, strictErrors: readonly string[]): Decoded {
  return { object: decoded.object, strictErrors: [...strictErrors, ...decoded.strictErrors] };
}

/** With apiVersion and kind in their places, and metadata where the kind has it. */
function complete(object: JsonObject, { group, version, kind }: GroupVersionKind, hasMetadata: boolean): KubeObject {
  const { apiVersion: _, kind: _kind, metadata, ...rest } = object;
  const named = { apiVersion: apiVersionOf(group, version), kind };
  return (hasMetadata ? { ...named, metadata: metadata ?? {}, ...rest } : { ...named, ...rest }) as KubeObject;
}
