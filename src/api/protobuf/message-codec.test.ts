import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../lib/errors.ts';
import type { DefinitionSchema, TypeSchema } from '../schema/definition.ts';
import { loadSchema } from '../schema/schema.ts';
import { createDecoder } from '../structural/decoder.ts';
import { maxMessageDepth, maxMessages } from './limits.ts';
import { createMessageCodec } from './message-codec.ts';

const schema = loadSchema();
const codec = createMessageCodec(schema, (bytes) => JSON.parse(bytes.toString()));
const podSpec = 'io.k8s.api.core.v1.PodSpec';
const configMap = 'io.k8s.api.core.v1.ConfigMap';
const jsonSchema = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';

/** A pseudo-random generator with a fixed seed, so that a failure comes again. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

/** Random values of the schema's types, without zero values, which protobuf does not keep. */
class Values {
  readonly #random: (below: number) => number;

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  struct(definition: DefinitionSchema, depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (const [key, property] of Object.entries(definition.properties ?? {})) {
      if (property.wire === undefined || this.#random(3) === 0) continue;
      const value = this.of(property, depth);
      if (value !== undefined) object[key] = value;
    }
    return object;
  }

  of(type: TypeSchema, depth: number): unknown {
    if (type.ref !== undefined) return this.#reference(type.ref, depth);
    switch (type.type) {
      case 'string':
        return type.format === 'byte' ? Buffer.from(this.#text()).toString('base64') : this.#text();
      case 'integer':
        return type.format === 'int32' ? this.#random(2 ** 31) - 2 ** 30 || 1 : this.#random(2 ** 32) * 1024 - 7;
      case 'number':
        return this.#random(1000) / 8 + 0.125;
      case 'boolean':
        return true;
      case 'array':
        return this.#some(() => this.of(type.items!, depth + 1));
      case 'object': {
        const values = this.#some(() => this.of(type.additionalProperties!, depth + 1));
        return values === undefined ? undefined : Object.fromEntries(values.map((v, i) => [`k${i}`, v]));
      }
      default:
        return { any: [1, 'x', null] };
    }
  }

  #reference(name: string, depth: number): unknown {
    switch (name.slice(name.lastIndexOf('.') + 1)) {
      case 'Quantity':
        return ['500m', '1Gi', '3', '1500M'][this.#random(4)];
      case 'Time':
        return '2024-02-29T12:34:56Z';
      case 'MicroTime':
        return '2024-02-29T12:34:56.123456Z';
      case 'Duration':
        return '15.02s';
      case 'IntOrString':
        return this.#random(2) === 0 ? '50%' : -this.#random(70000);
      case 'RawExtension':
      case 'FieldsV1':
      case 'JSON':
        return { 'f:x': { y: [1, true, null] } };
      case 'JSONSchemaPropsOrBool':
        return this.#random(2) === 0 ? true : { type: 'string' };
      case 'JSONSchemaPropsOrArray':
        return this.#random(2) === 0 ? { type: 'string' } : [{ type: 'string' }, { format: 'x' }];
      case 'JSONSchemaPropsOrStringArray':
        return this.#random(2) === 0 ? { type: 'string' } : ['a', 'b'];
      default:
        return depth > 6 ? undefined : this.struct(schema.get(name)!, depth + 1);
    }
  }

  #some(make: () => unknown): unknown[] | undefined {
    const values = Array.from({ length: 1 + this.#random(2) }, make).filter((value) => value !== undefined);
    return values.length === 0 ? undefined : values;
  }

  #text(): string {
    return ['a', 'übergrößenträger', 'x'.repeat(300), '\u0000', '🙂'][this.#random(5)]!;
  }
}

test('every definition with numbers comes back from protobuf as it went', () => {
  const decoder = createDecoder(schema);
  let count = 0;
  for (const name of schema.names()) {
    if (!codec.supports(name)) continue;
    for (let seed = 1; seed <= 3; seed += 1) {
      const object = new Values(seed * 7919 + count).struct(schema.get(name)!, 0);
      const back = codec.decode(name, codec.encode(name, object));
      assert.deepEqual(back, object, name);
      assert.deepEqual(decoder.decode(name, back).strictErrors, [], name);
      count += 1;
    }
  }
  assert.ok(count > 1600, `${count} objects`);
});

test('a zero is kept where Kubernetes tells it from nothing, and only there', () => {
  const deployment = 'io.k8s.api.apps.v1.DeploymentSpec';
  assert.deepEqual(codec.decode(deployment, codec.encode(deployment, { replicas: 0, minReadySeconds: 0 })), {
    replicas: 0,
  });
  const spec = {
    hostNetwork: false,
    automountServiceAccountToken: false,
    hostname: '',
    terminationGracePeriodSeconds: 0,
  };
  assert.deepEqual(codec.decode(podSpec, codec.encode(podSpec, spec)), {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
  });
  const port = 'io.k8s.api.core.v1.ContainerPort';
  assert.deepEqual(codec.decode(port, codec.encode(port, { name: '', containerPort: 0 })), { containerPort: 0 });
});

test('a message that stands twice is merged, a scalar is replaced', () => {
  const once = codec.encode(podSpec, { securityContext: { runAsUser: 1, fsGroup: 2 }, nodeName: 'a' });
  const again = codec.encode(podSpec, { securityContext: { runAsUser: 3 }, nodeName: 'b' });
  assert.deepEqual(codec.decode(podSpec, Buffer.concat([once, again])), {
    securityContext: { runAsUser: 3, fsGroup: 2 },
    nodeName: 'b',
  });
});

test('fields of other versions are skipped, whatever their wire type', () => {
  const unknown = Buffer.from([
    ...[0xc0, 0x3e, 0x96, 0x01], // field 1000, varint
    ...[0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8], // fixed64
    ...[0xc2, 0x3e, 3, 1, 2, 3], // bytes
    ...[0xc5, 0x3e, 1, 2, 3, 4], // fixed32
  ]);
  const bytes = Buffer.concat([unknown, codec.encode(configMap, { data: { a: 'b' } }), unknown]);
  assert.deepEqual(codec.decode(configMap, bytes), { data: { a: 'b' } });
});

test('a wire type that does not fit is refused', () => {
  assert.throws(
    () => codec.decode(configMap, Buffer.from([0x08, 1])),
    /^ProtocolError: proto: wrong wireType = 0 for field metadata$/,
  );
  assert.throws(
    () => codec.decode(podSpec, Buffer.from([0x22, 1, 1])),
    /^ProtocolError: proto: wrong wireType = 2 for field terminationGracePeriodSeconds$/,
  );
  assert.throws(
    () => codec.decode(configMap, Buffer.from([0x12, 2, 0x08, 1])),
    /^ProtocolError: proto: wrong wireType = 0 for field 1$/,
  );
});

test('a map key that names the prototype is a key like any other', () => {
  const data = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
  const back = codec.decode(configMap, codec.encode(configMap, { data }));
  assert.equal(JSON.stringify(back), '{"data":{"__proto__":"x"}}');
  assert.equal(Object.getPrototypeOf(back['data'] as object), Object.prototype);
});

test('a schema inside a schema inside … is read to the limit', () => {
  const nested = (levels: number): Buffer => {
    let object: Record<string, unknown> = {};
    for (let i = 0; i < levels; i += 1) object = { not: object };
    return codec.encode(jsonSchema, object);
  };
  assert.doesNotThrow(() => codec.decode(jsonSchema, nested(maxMessageDepth)));
  assert.throws(() => codec.decode(jsonSchema, nested(maxMessageDepth + 1)), ProtocolError);
});

test('a body of empty messages is read to the limit', () => {
  const empties = (count: number): Buffer => Buffer.from('1200'.repeat(count), 'hex');
  const { containers } = codec.decode(podSpec, empties(1000));
  assert.equal((containers as unknown[]).length, 1000);
  assert.throws(
    () => codec.decode(podSpec, empties(maxMessages + 1)),
    /^ProtocolError: proto: more than 500000 messages$/,
  );
});

test('times that have no RFC 3339 form are refused', () => {
  const time = (seconds: bigint): Buffer => {
    const varint: number[] = [];
    for (let rest = BigInt.asUintN(64, seconds); ; rest >>= 7n) {
      varint.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
      if (rest <= 0x7fn) break;
    }
    // ObjectMeta.creationTimestamp is field 8.
    return Buffer.from([0x42, varint.length + 1, 0x08, ...varint]);
  };
  const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
  assert.deepEqual(codec.decode(objectMeta, time(253402300799n)), { creationTimestamp: '9999-12-31T23:59:59Z' });
  assert.throws(() => codec.decode(objectMeta, time(253402300800n)), ProtocolError);
  assert.throws(() => codec.decode(objectMeta, time(-(2n ** 63n))), ProtocolError);
  assert.deepEqual(codec.decode(objectMeta, Buffer.from([0x42, 0])), {}, 'an empty message is no time');
});

test('cut and changed bytes are read or refused, never anything else', () => {
  const object = new Values(42).struct(schema.get(podSpec)!, 0);
  const bytes = codec.encode(podSpec, object).subarray(0, 4000);
  const random = generator(99);
  const attempt = (input: Buffer): void => {
    try {
      codec.decode(podSpec, input);
    } catch (error) {
      assert.ok(error instanceof ProtocolError || error instanceof SyntaxError, String(error));
    }
  };
  for (let length = 0; length < bytes.length; length += 7) attempt(bytes.subarray(0, length));
  for (let i = 0; i < 2000; i += 1) {
    const changed = Buffer.from(bytes.subarray(0, 600));
    for (let k = 0; k <= random(3); k += 1) changed[random(changed.length)] = random(256);
    attempt(changed);
  }
});
