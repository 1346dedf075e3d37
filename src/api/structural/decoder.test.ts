import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CausewayError } from '../../lib/errors.ts';
import { loadSchema } from '../schema/schema.ts';
import { createDecoder } from './decoder.ts';
import { maxStrictErrors } from './limits.ts';

const decoder = createDecoder(loadSchema());
const pod = 'io.k8s.api.core.v1.Pod';
const deployment = 'io.k8s.api.apps.v1.Deployment';

function decode(definition: string, value: unknown): Record<string, unknown> {
  return decoder.decode(definition, value).object as Record<string, unknown>;
}

function refuses(definition: string, value: unknown, sentence: string): void {
  assert.throws(
    () => decoder.decode(definition, value),
    (error: unknown) => error instanceof CausewayError && error.code === 'BadRequest' && error.message === sentence,
    sentence,
  );
}

test('what is right stays the very same object', () => {
  const value = { metadata: { name: 'a', labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const { object, strictErrors } = decoder.decode(pod, value);
  assert.equal(object, value);
  assert.deepEqual(strictErrors, []);
});

test('unknown fields are dropped and named, with indexes and in order', () => {
  const value = {
    speck: 1,
    metadata: { name: 'a', clusterName: 'x' },
    spec: { containers: [{ name: 'a' }, { name: 'b', imagee: 'x', ports: [{ containerPort: 1, port: 2 }] }] },
  };
  const { object, strictErrors } = decoder.decode(pod, value);
  assert.deepEqual(strictErrors, [
    'unknown field "speck"',
    'unknown field "metadata.clusterName"',
    'unknown field "spec.containers[1].imagee"',
    'unknown field "spec.containers[1].ports[0].port"',
  ]);
  assert.deepEqual(object, {
    metadata: { name: 'a' },
    spec: { containers: [{ name: 'a' }, { name: 'b', ports: [{ containerPort: 1 }] }] },
  });
  assert.equal(value.speck, 1, 'the input is not changed');
  assert.equal(value.metadata.clusterName, 'x');
});

test('optional lists and maps without elements are absent; required ones and structs stay', () => {
  const value = {
    metadata: { name: 'a', labels: {}, annotations: {}, finalizers: [], ownerReferences: [] },
    spec: { containers: [], volumes: [{ name: 'v', emptyDir: {} }], securityContext: {}, nodeSelector: {} },
  };
  assert.deepEqual(decode(pod, value), {
    metadata: { name: 'a' },
    spec: { containers: [], volumes: [{ name: 'v', emptyDir: {} }], securityContext: {} },
  });
  assert.deepEqual(decode(deployment, { spec: { selector: { matchLabels: {} } } }), { spec: { selector: {} } });
});

test('names are case-sensitive', () => {
  assert.deepEqual(decoder.decode(pod, { Spec: {} }).strictErrors, ['unknown field "Spec"']);
});

test('null is an absent field, and a zero value in a list or map', () => {
  const value = {
    metadata: { name: 'a', creationTimestamp: null, labels: { a: null } },
    spec: { containers: [null], hostNetwork: null, nodeSelector: null },
  };
  assert.deepEqual(decode(pod, value), {
    metadata: { name: 'a', labels: { a: '' } },
    spec: { containers: [{}] },
  });
});

test('wrong types are refused in the words of Go', () => {
  const where = 'into Go struct field';
  refuses(
    deployment,
    { spec: { replicas: '3' } },
    `json: cannot unmarshal string ${where} DeploymentSpec.spec.replicas of type int32`,
  );
  refuses(
    deployment,
    { spec: { replicas: 1.5 } },
    `json: cannot unmarshal number 1.5 ${where} DeploymentSpec.spec.replicas of type int32`,
  );
  refuses(
    deployment,
    { spec: { replicas: 2 ** 31 } },
    `json: cannot unmarshal number 2147483648 ${where} DeploymentSpec.spec.replicas of type int32`,
  );
  refuses(deployment, { spec: [] }, `json: cannot unmarshal array ${where} Deployment.spec of type v1.DeploymentSpec`);
  refuses(deployment, 'x', 'json: cannot unmarshal string into Go value of type v1.Deployment');
  refuses(
    pod,
    { metadata: { labels: { a: 1 } } },
    `json: cannot unmarshal number ${where} ObjectMeta.metadata.labels of type string`,
  );
  refuses(
    pod,
    { metadata: { labels: 'x' } },
    `json: cannot unmarshal string ${where} ObjectMeta.metadata.labels of type map[string]string`,
  );
  refuses(
    pod,
    { spec: { containers: {} } },
    `json: cannot unmarshal object ${where} PodSpec.spec.containers of type []v1.Container`,
  );
  refuses(
    pod,
    { spec: { hostNetwork: 'yes' } },
    `json: cannot unmarshal string ${where} PodSpec.spec.hostNetwork of type bool`,
  );
  refuses(
    deployment,
    { spec: { template: { spec: { containers: [{ ports: [{ containerPort: true }] }] } } } },
    `json: cannot unmarshal bool ${where} ContainerPort.spec.template.spec.containers.ports.containerPort of type int32`,
  );
});

test('an int64 that JavaScript cannot hold is refused, not changed', () => {
  assert.doesNotThrow(() => decode(pod, { spec: { terminationGracePeriodSeconds: Number.MAX_SAFE_INTEGER } }));
  refuses(
    pod,
    { spec: { terminationGracePeriodSeconds: 2 ** 53 } },
    'json: cannot unmarshal number 9007199254740992 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64',
  );
});

test('a number beyond all doubles is refused', () => {
  const crd = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
  refuses(
    crd,
    JSON.parse('{"maximum":1e400}'),
    'json: cannot unmarshal number into Go struct field JSONSchemaProps.maximum of type float64',
  );
});

test('quantities and times are written in their one form', () => {
  const container = { name: 'c', resources: { limits: { cpu: 0.5, memory: '1024Mi' } } };
  const decoded = decode(pod, {
    metadata: { creationTimestamp: '2024-03-01T01:30:00.25+01:00' },
    spec: { containers: [container] },
  });
  assert.deepEqual(decoded, {
    metadata: { creationTimestamp: '2024-03-01T00:30:00Z' },
    spec: { containers: [{ name: 'c', resources: { limits: { cpu: '500m', memory: '1Gi' } } }] },
  });
  const lease = decode('io.k8s.api.coordination.v1.Lease', { spec: { renewTime: '2024-03-01T00:30:00.123Z' } });
  assert.deepEqual(lease, { spec: { renewTime: '2024-03-01T00:30:00.123000Z' } });
});

test('what is no quantity, time or base64 is refused', () => {
  refuses(
    pod,
    { spec: { containers: [{ resources: { limits: { cpu: 'much' } } }] } },
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  );
  for (const time of ['yesterday', '2024-02-31T00:00:00Z', '2024-01-01', '']) {
    refuses(
      pod,
      { metadata: { creationTimestamp: time } },
      `parsing time "${time}" as "2006-01-02T15:04:05Z07:00": cannot parse "${time}" as "2006"`,
    );
  }
  refuses('io.k8s.api.core.v1.Secret', { data: { a: 'not base64!' } }, 'illegal base64 data at input byte 3');
  assert.deepEqual(decode('io.k8s.api.core.v1.Secret', { data: { a: 'aGk=' } }), { data: { a: 'aGk=' } });
});

test('a port may be a number or a name', () => {
  const service = 'io.k8s.api.core.v1.Service';
  const value = {
    spec: {
      ports: [
        { port: 1, targetPort: 'http' },
        { port: 2, targetPort: 8080 },
      ],
    },
  };
  assert.equal(decoder.decode(service, value).object, value);
  refuses(
    service,
    { spec: { ports: [{ targetPort: true }] } },
    'json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type string',
  );
});

test('keys that name the prototype do no harm', () => {
  const value = JSON.parse('{"__proto__":{"x":1},"constructor":1,"metadata":{"labels":{"__proto__":"a","b":null}}}');
  const { object, strictErrors } = decoder.decode(pod, value);
  assert.deepEqual(strictErrors, ['unknown field "__proto__"', 'unknown field "constructor"']);
  assert.equal(JSON.stringify(object), '{"metadata":{"labels":{"__proto__":"a","b":""}}}');
  assert.equal(Object.getPrototypeOf(object as object), Object.prototype);
});

test('unknown fields are named to a limit', () => {
  const value = Object.fromEntries(Array.from({ length: maxStrictErrors + 1 }, (_, i) => [`x${i}`, 1]));
  assert.equal(decoder.decode(pod, value).strictErrors.length, maxStrictErrors);
});

test('the unions of a JSON schema keep their form, and their schemas are checked', () => {
  const crd = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition';
  const openAPIV3Schema = {
    type: 'object',
    properties: {
      a: { type: 'array', items: { type: 'string' } },
      b: { additionalProperties: true },
      c: { additionalProperties: { type: 'integer', 'x-kubernetes-int-or-string': true }, default: { any: [1, null] } },
      d: { items: [{ type: 'string' }], enum: [1, 'a', null] },
      e: { dependencies: { x: ['a', 'b'], y: { type: 'string' } } },
    },
  };
  const value = { spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema } }] } };
  assert.equal(JSON.stringify(decode(crd, value)), JSON.stringify(value));
  const wrong = { spec: { versions: [{ schema: { openAPIV3Schema: { properties: { a: { typo: 1 } } } } }] } };
  assert.deepEqual(decoder.decode(crd, wrong).strictErrors, [
    'unknown field "spec.versions[0].schema.openAPIV3Schema.properties.a.typo"',
  ]);
});
