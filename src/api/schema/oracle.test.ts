/**
 * Compares the schema with facts about Kubernetes' public API where they are at hand: a folder named by `CAUSEWAY_ORACLE`, or
 * `../shared/oracle` beside the project. The project needs them for nothing else. Every difference is listed here with its reason.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { documentV2 } from '../openapi/document-v2.ts';
import { pathItems } from '../openapi/operations.ts';
import { readWords } from '../openapi/words.ts';
import { loadScheme } from '../resources/load-scheme.ts';
import { metricsDefinitions } from './metrics-definitions.ts';
import { loadSchema } from './schema.ts';

type Json = Record<string, unknown>;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const folder = process.env['CAUSEWAY_ORACLE'] ?? join(root, '../shared/oracle');
const present = existsSync(join(folder, 'openapi-v2-1.36.json'));
const skip = present ? false : `no facts to compare with in ${folder}`;

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const unstable = /\.v\d+(alpha|beta)\d+\.|\/v\d+(alpha|beta)\d+(\/|$)/;

interface OracleDocument {
  readonly definitions: Readonly<Record<string, Json>>;
  readonly paths: Readonly<Record<string, Record<string, Json>>>;
}

function oracle(): OracleDocument {
  return JSON.parse(readFileSync(join(folder, 'openapi-v2-1.36.json'), 'utf8')) as OracleDocument;
}

function ours(): OracleDocument {
  const schema = loadSchema();
  const items = loadScheme().resources.flatMap((resource) =>
    pathItems(resource, ({ group, version, kind }) => schema.definitionOf(group, version, kind)),
  );
  return documentV2(schema, readWords(), items, 'v1.36.0') as unknown as OracleDocument;
}

/** Definition → reason. */
const extraDefinitions: Readonly<Record<string, string>> = {
  'dev.causeway.paths.v1.CommunicationPath': "the project's own kind",
  'dev.causeway.paths.v1.CommunicationPathCertificate': "the project's own kind",
  'dev.causeway.paths.v1.CommunicationPathConnections': "the project's own kind",
  'dev.causeway.paths.v1.CommunicationPathFailure': "the project's own kind",
  'dev.causeway.paths.v1.CommunicationPathList': "the project's own kind",
  'dev.causeway.paths.v1.CommunicationPathSpec': "the project's own kind",
  'dev.causeway.paths.v1.CommunicationPathStatus': "the project's own kind",
  ...Object.fromEntries(metricsDefinitions.map(({ name }) => [name, 'of metrics-server'])),
  [`${meta}.CreateOptions`]: 'a body that clients may send, though no operation names it',
  [`${meta}.PartialObjectMetadata`]: 'an answer that content negotiation chooses, which OpenAPI does not describe',
  [`${meta}.PartialObjectMetadataList`]: 'an answer that content negotiation chooses, which OpenAPI does not describe',
  [`${meta}.PatchOptions`]: 'a body that clients may send, though no operation names it',
  [`${meta}.UpdateOptions`]: 'a body that clients may send, though no operation names it',
};
const missingDefinitions: Readonly<Record<string, string>> = {
  [`${meta}.GroupResource`]: 'only storagemigration v1beta1 uses it, which is not stable',
};
/** `definition` or `definition.property`, and what differs → reason. */
const differences: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity description': 'neither package has it: our own words',
  [`${meta}.DeleteOptions x-kubernetes-group-version-kind`]: 'only the group-versions that are served',
  [`${meta}.WatchEvent x-kubernetes-group-version-kind`]: 'only the group-versions that are served',
};

/** A description goes on with the values of its enum, and has an `enum`, in the document of a running server. */
function withoutEnum(description: unknown): unknown {
  return typeof description === 'string'
    ? description.replace(/\s*\n\nPossible enum values:[\s\S]*$/, '')
    : description;
}

/** Without what the enum adds. */
function bare(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(bare);
  const entries = Object.entries(value).filter(([key]) => key !== 'enum');
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, bare(item)]));
}

/** Required fields are a set. */
function inOrder(key: string, value: unknown): unknown {
  return key === 'required' && Array.isArray(value) ? value.toSorted() : value;
}

function compare(place: string, a: Json, b: Json, found: Set<string>): void {
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (key === 'properties' || key === 'enum') continue;
    const same =
      key === 'description'
        ? withoutEnum(a[key]) === withoutEnum(b[key])
        : JSON.stringify(bare(inOrder(key, a[key]))) === JSON.stringify(bare(inOrder(key, b[key])));
    if (!same) found.add(`${place} ${key}`);
  }
}

test('the definitions equal those of Kubernetes 1.36, but for listed differences', { skip }, () => {
  const a = ours().definitions;
  const b = oracle().definitions;
  const stable = Object.keys(b).filter((name) => !unstable.test(name));
  assert.deepEqual(
    Object.keys(a)
      .filter((name) => b[name] === undefined)
      .sort(),
    Object.keys(extraDefinitions).sort(),
  );
  assert.deepEqual(
    stable.filter((name) => a[name] === undefined),
    Object.keys(missingDefinitions),
  );

  const found = new Set<string>();
  let properties = 0;
  for (const name of stable) {
    const mine = a[name];
    if (mine === undefined) continue;
    compare(name, mine, b[name]!, found);
    const mineProperties = (mine['properties'] ?? {}) as Record<string, Json>;
    const theirs = (b[name]!['properties'] ?? {}) as Record<string, Json>;
    assert.deepEqual(Object.keys(mineProperties).sort(), Object.keys(theirs).sort(), name);
    for (const [key, property] of Object.entries(mineProperties)) {
      properties += 1;
      compare(`${name}.${key}`, property, theirs[key]!, found);
    }
  }
  assert.deepEqual([...found].sort(), Object.keys(differences).sort());
  assert.ok(properties > 2400, `${properties} properties were compared`);
});

/** Paths of Kubernetes that are served, but not described, or not served. */
const undescribed: readonly (readonly [RegExp, string])[] = [
  [/\/watch\//, 'deprecated for the parameter of the same name'],
  [/^\/(\.well-known|openid|version|logs)\//, 'no resource: answered by handlers of their own, or not at all'],
  [/^\/apis?\/(?:[^/]+\/)?(?:v\d+\/)?$/, 'discovery describes itself'],
];

test('the paths and operations equal those of Kubernetes 1.36, but for listed differences', { skip }, () => {
  const a = ours().paths;
  const b = oracle().paths;
  const stable = Object.keys(b).filter((path) => !unstable.test(path));
  const missing = stable.filter(
    (path) => a[path] === undefined && !undescribed.some(([pattern]) => pattern.test(path)),
  );
  assert.deepEqual(missing, []);
  assert.deepEqual(
    Object.keys(a).filter((path) => b[path] === undefined),
    [
      '/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods',
      '/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{name}',
      '/apis/metrics.k8s.io/v1beta1/nodes',
      '/apis/metrics.k8s.io/v1beta1/nodes/{name}',
      '/apis/metrics.k8s.io/v1beta1/pods',
      '/apis/paths.causeway.dev/v1/communicationpaths',
      '/apis/paths.causeway.dev/v1/communicationpaths/{name}',
    ],
  );
  let operations = 0;
  for (const path of stable) {
    if (a[path] === undefined) continue;
    assert.deepEqual(Object.keys(a[path]).sort(), Object.keys(b[path]!).sort(), path);
    for (const [method, operation] of Object.entries(b[path]!)) {
      if (method === 'parameters') continue;
      operations += 1;
      const mine: Json = a[path][method]!;
      for (const key of ['operationId', 'tags', 'x-kubernetes-action', 'x-kubernetes-group-version-kind']) {
        assert.deepEqual(mine[key], operation[key], `${method} ${path} ${key}`);
      }
      const codes = mine['responses'] as Record<string, Json>;
      assert.deepEqual(bare(codes), bare(operation['responses']), `${method} ${path} responses`);
    }
  }
  assert.ok(operations > 500, `${operations} operations were compared`);
});

/** The facts are those of a pre-release after 1.36: fields that only they have are new. */
test('the protobuf numbers equal the facts', { skip }, () => {
  const facts = JSON.parse(readFileSync(join(folder, 'protobuf-fields.json'), 'utf8')) as Record<
    string,
    [number: number, name: string, type: string][]
  >;
  const schema = loadSchema();
  const wrong: string[] = [];
  let compared = 0;
  for (const name of schema.names()) {
    const rows = facts[name.replace(/^io\.k8s/, 'k8s.io')];
    if (rows === undefined) continue;
    const byName = new Map(rows.map(([number, field]) => [field.toLowerCase(), number]));
    for (const [key, { wire }] of Object.entries(schema.get(name)?.properties ?? {})) {
      if (wire === undefined || wire.includes('/')) continue;
      compared += 1;
      const number = byName.get(key.toLowerCase());
      if (number !== Number.parseInt(wire, 10)) wrong.push(`${name}.${key}: ${wire}, not ${number}`);
    }
  }
  assert.deepEqual(wrong, [
    // Alpha fields that 1.36 has and the facts' version replaced by others.
    'io.k8s.api.core.v1.NodeAllocatableResourceClaimStatus.resources: 3, not undefined',
    'io.k8s.api.resource.v1.Device.nodeAllocatableResourceMappings: 13, not undefined',
  ]);
  assert.ok(compared > 1900, `${compared} numbers were compared`);
});

test('the merge keys equal the facts where the facts have the type', { skip }, () => {
  const facts = JSON.parse(readFileSync(join(folder, 'merge-keys.json'), 'utf8')) as Record<
    string,
    Record<string, { patchStrategy?: string; patchMergeKey?: string; listType?: string; listMapKey?: string[] }>
  >;
  const schema = loadSchema();
  const wrong: string[] = [];
  for (const name of schema.names()) {
    const rows = facts[name.split('.').slice(-3).join('.')] ?? {};
    for (const [field, fact] of Object.entries(rows)) {
      const property = schema.get(name)?.properties?.[field];
      if (property === undefined) continue;
      const same =
        property.patchStrategy?.join(',') === fact.patchStrategy &&
        property.patchMergeKey === fact.patchMergeKey &&
        property.listType === fact.listType &&
        property.listMapKeys?.join(',') === fact.listMapKey?.join(',');
      if (!same) wrong.push(`${name}.${field}`);
    }
  }
  assert.deepEqual(wrong, [
    // 1.36's document says atomic; the facts are of a later version, which made it a map.
    'io.k8s.api.core.v1.PodStatus.nodeAllocatableResourceClaimStatuses',
  ]);
});
