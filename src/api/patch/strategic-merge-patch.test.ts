import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FieldMergeInfo, MergeSchema } from '../schema/merge-schema.ts';
import { patchMaxDepth } from './limits.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const struct = (definition: string, strategy: FieldMergeInfo['strategy'] = []): FieldMergeInfo => ({
  kind: 'object',
  strategy,
  elementDefinition: definition,
});
const listOf = (
  definition: string,
  mergeKey: string,
  strategy: FieldMergeInfo['strategy'] = ['merge'],
): FieldMergeInfo => ({
  kind: 'list',
  strategy,
  mergeKey,
  elementDefinition: definition,
});
const scalars: FieldMergeInfo = { kind: 'list', strategy: ['merge'], elementType: 'string' };
const atomic: FieldMergeInfo = { kind: 'list', strategy: [], elementType: 'string' };
const map: FieldMergeInfo = { kind: 'map', strategy: [], elementType: 'string' };

const table: Record<string, Record<string, FieldMergeInfo>> = {
  Pod: { metadata: struct('Meta'), spec: struct('Spec'), data: map, raw: { kind: 'scalar', strategy: [] } },
  Meta: { labels: map, annotations: map, finalizers: scalars },
  Spec: {
    containers: listOf('Container', 'name'),
    volumes: listOf('Volume', 'name', ['merge', 'retainKeys']),
    tolerations: { kind: 'list', strategy: [], elementDefinition: 'Toleration' },
    strategy: struct('Strategy', ['retainKeys']),
    selector: struct('Selector', ['replace']),
    nodeSelector: map,
  },
  Container: { env: listOf('Env', 'name'), ports: listOf('Port', 'containerPort'), args: atomic },
  Volume: {},
  Strategy: {},
  Selector: {},
  Env: {},
  Port: {},
};
const schema: MergeSchema = {
  fieldMergeInfo: (definition, field) => table[definition]?.[field],
  isAtomic: () => false,
};
const apply = (document: object, patch: unknown): unknown => {
  const before = JSON.stringify([document, patch]);
  const result = applyStrategicMergePatch(document, patch, 'Pod', schema);
  assert.equal(JSON.stringify([document, patch]), before, 'arguments are not changed');
  return result;
};
const refuses = (document: object, patch: unknown, message: string | RegExp): void =>
  assert.throws(() => apply(document, patch), { code: 'BadRequest', message });
const containers = (...list: unknown[]): object => ({ spec: { containers: list } });

describe('applyStrategicMergePatch', () => {
  it('merges objects and removes by null', () => {
    assert.deepEqual(
      apply({ metadata: { labels: { a: '1', b: '2' } } }, { metadata: { labels: { a: null, c: '3', d: null } } }),
      { metadata: { labels: { b: '2', c: '3' } } },
    );
    assert.deepEqual(apply({}, { spec: { nodeSelector: { a: 'b', c: null } } }), {
      spec: { nodeSelector: { a: 'b' } },
    });
  });

  it('merges lists by their key and replaces atomic lists', () => {
    const pod = containers(
      { name: 'a', image: 'x:1', args: ['1', '2'], env: [{ name: 'E', value: '1' }] },
      { name: 'b', image: 'y' },
    );
    assert.deepEqual(
      apply(pod, containers({ name: 'a', image: 'x:2', args: ['3'], env: [{ name: 'F', value: '2' }] })),
      {
        spec: {
          containers: [
            {
              name: 'a',
              image: 'x:2',
              args: ['3'],
              env: [
                { name: 'F', value: '2' },
                { name: 'E', value: '1' },
              ],
            },
            { name: 'b', image: 'y' },
          ],
        },
      },
    );
    assert.deepEqual(apply({ spec: { tolerations: [{ key: 'a' }] } }, { spec: { tolerations: [{ key: 'b' }] } }), {
      spec: { tolerations: [{ key: 'b' }] },
    });
    assert.deepEqual(apply(containers(), containers({ name: 'new' })), containers({ name: 'new' }));
    assert.deepEqual(apply({}, containers({ name: 'new', image: null })), containers({ name: 'new' }));
  });

  it('obeys $patch in elements', () => {
    const pod = containers({ name: 'a' }, { name: 'b' }, { name: 'c' });
    assert.deepEqual(apply(pod, containers({ name: 'b', $patch: 'delete' })), containers({ name: 'a' }, { name: 'c' }));
    assert.deepEqual(apply(pod, containers({ $patch: 'replace' }, { name: 'z' })), containers({ name: 'z' }));
    assert.deepEqual(apply(pod, containers({ $patch: 'replace' })), containers());
    assert.deepEqual(apply({}, containers({ name: 'a', $patch: 'delete' }, { name: 'b' })), containers({ name: 'b' }));
    refuses(pod, containers({ $patch: 'delete' }), 'map: map[$patch:delete] does not contain declared merge key: name');
    refuses(pod, containers({ $patch: 'merge' }), 'merging lists cannot yet be specified in the patch');
    refuses(
      pod,
      containers({ $patch: 'explode', name: 'a' }),
      'unknown patch type: explode in map: map[$patch:explode name:a]',
    );
  });

  it('obeys $patch in objects', () => {
    const pod = { metadata: { labels: { a: '1' } } };
    assert.deepEqual(apply(pod, { metadata: { labels: { $patch: 'replace', b: '2' } } }), {
      metadata: { labels: { b: '2' } },
    });
    assert.deepEqual(apply(pod, { metadata: { labels: { $patch: 'delete' } } }), { metadata: { labels: {} } });
    assert.deepEqual(apply(pod, { metadata: { labels: { $patch: 'merge', b: '2' } } }), {
      metadata: { labels: { a: '1', b: '2' } },
    });
    assert.deepEqual(apply({}, { metadata: { labels: { $patch: 'delete' } } }), { metadata: {} });
    refuses(pod, { metadata: { labels: { $patch: 'x' } } }, 'unknown patch type: x in map: map[]');
    refuses(pod, { metadata: { labels: { $patch: { a: 1 } } } }, /^unknown patch type: map\[a:1\]/);
    assert.deepEqual(apply({ raw: { a: 1 } }, { raw: { $patch: 'replace', b: 1 } }), {
      raw: { $patch: 'replace', b: 1 },
    });
  });

  it('obeys $retainKeys', () => {
    const pod = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
    assert.deepEqual(apply(pod, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }), {
      spec: { strategy: { type: 'Recreate' } },
    });
    const volumes = { spec: { volumes: [{ name: 'v', emptyDir: {} }] } };
    assert.deepEqual(
      apply(volumes, {
        spec: { volumes: [{ name: 'v', $retainKeys: ['name', 'secret'], secret: { secretName: 's' } }] },
      }),
      { spec: { volumes: [{ name: 'v', secret: { secretName: 's' } }] } },
    );
    refuses(
      pod,
      { spec: { strategy: { $retainKeys: ['x'], type: 'Recreate' } } },
      'invalid patch format of retainKeys',
    );
    refuses(pod, { spec: { strategy: { $retainKeys: 'type' } } }, 'invalid patch format of retainKeys');
    assert.deepEqual(apply({}, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }), {
      spec: { strategy: { type: 'Recreate' } },
    });
  });

  it('obeys $setElementOrder as kubectl apply sends it', () => {
    const pod = containers({ name: 'a' }, { name: 'b' }, { name: 'c' });
    const order = (...names: string[]): unknown[] => names.map((name) => ({ name }));
    assert.deepEqual(
      apply(pod, {
        spec: { '$setElementOrder/containers': order('c', 'b', 'a'), containers: [{ name: 'b', image: 'x' }] },
      }),
      containers({ name: 'c' }, { name: 'b', image: 'x' }, { name: 'a' }),
    );
    assert.deepEqual(
      apply(pod, {
        spec: {
          '$setElementOrder/containers': order('a', 'new'),
          containers: [{ name: 'new' }, { $patch: 'delete', name: 'c' }],
        },
      }),
      containers({ name: 'a' }, { name: 'new' }, { name: 'b' }),
    );
    assert.deepEqual(apply(pod, { spec: { '$setElementOrder/containers': order('b') } }), pod);
    assert.deepEqual(apply({}, { spec: { '$setElementOrder/containers': order('b') } }), { spec: {} });
    refuses(
      pod,
      { spec: { '$setElementOrder/containers': order('a'), containers: [{ name: 'z' }] } },
      "The order in patch list:\n[map[name:z]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
    );
    refuses(pod, { spec: { '$setElementOrder/containers': 1 } }, 'invalid patch format of setElementOrder list');
    refuses(pod, { spec: { $setElementOrder: [] } }, 'invalid patch format of setElementOrder list');
    refuses(
      pod,
      { spec: { '$setElementOrder/nope': [] } },
      'unable to find api field in struct for the json field nope',
    );
  });

  it('merges, orders and deletes in lists of scalars', () => {
    const pod = { metadata: { finalizers: ['a', 'b'] } };
    assert.deepEqual(apply(pod, { metadata: { finalizers: ['b', 'c'] } }), {
      metadata: { finalizers: ['a', 'b', 'c'] },
    });
    assert.deepEqual(
      apply(pod, {
        metadata: {
          '$deleteFromPrimitiveList/finalizers': ['a'],
          '$setElementOrder/finalizers': ['c', 'b'],
          finalizers: ['c'],
        },
      }),
      { metadata: { finalizers: ['c', 'b'] } },
    );
    assert.deepEqual(apply(pod, { metadata: { finalizers: null } }), { metadata: {} });
    refuses(
      pod,
      { metadata: { '$deleteFromPrimitiveList/finalizers': 'a' } },
      'invalid patch format of primitive list',
    );
    refuses(pod, { metadata: { $deleteFromPrimitiveList: ['a'] } }, 'invalid patch format of primitive list');
    refuses(pod, { metadata: { finalizers: [{}] } }, /^list element types are not identical/);
    refuses(pod, { metadata: { finalizers: [['a']] } }, 'lists of lists are not supported');
  });

  it('replaces objects whose strategy says so', () => {
    assert.deepEqual(apply({ spec: { selector: { a: 1 } } }, { spec: { selector: { b: 2 } } }), {
      spec: { selector: { b: 2 } },
    });
  });

  it('finds the first of two ports with one number, as Kubernetes does', () => {
    const ports = [
      { containerPort: 53, protocol: 'TCP' },
      { containerPort: 53, protocol: 'UDP' },
    ];
    assert.deepEqual(
      apply(containers({ name: 'a', ports }), containers({ name: 'a', ports: [{ containerPort: 53, name: 'dns' }] })),
      {
        spec: {
          containers: [
            {
              name: 'a',
              ports: [
                { containerPort: 53, protocol: 'TCP', name: 'dns' },
                { containerPort: 53, protocol: 'UDP' },
              ],
            },
          ],
        },
      },
    );
  });

  it('refuses hostile patches', () => {
    const result = apply({ data: {} }, JSON.parse('{"data":{"__proto__":{"polluted":1}},"__proto__":{"polluted":2}}'));
    assert.equal(JSON.stringify(result), '{"data":{"__proto__":{"polluted":1}},"__proto__":{"polluted":2}}');
    assert.equal(({} as { polluted?: number }).polluted, undefined);
    refuses({ data: {} }, { data: { $unknown: 1 } }, 'unknown directive $unknown in patch');
    refuses({}, [], 'json: cannot unmarshal array into Go value of type map[string]interface {}');
    const deep = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`);
    apply({}, deep(patchMaxDepth));
    refuses({}, deep(patchMaxDepth + 1), /exceeded max depth/);
    refuses(
      containers({ name: 'a' }),
      containers({ image: 'x' }),
      'map: map[image:x] does not contain declared merge key: name',
    );
    refuses(containers({ name: 'a' }), containers('x'), /^list element types are not identical/);
  });

  it('merges huge lists in linear time', () => {
    const many = (value: string): object =>
      containers({ name: 'a', env: Array.from({ length: 50_000 }, (_, i) => ({ name: `E${i}`, value })) });
    const started = performance.now();
    assert.deepEqual(applyStrategicMergePatch(many('1'), many('2'), 'Pod', schema), many('2'));
    assert.ok(performance.now() - started < 3000);
  });
});
