import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamespaceLifecycle } from './namespace-lifecycle.ts';
import { namespace, readerOf, refusalOf, request } from './testing/attributes.ts';

const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' } };
const wait = async (): Promise<void> => undefined;

test('nothing is made in a namespace that does not exist', async () => {
  const reader = readerOf();
  const plugin = new NamespaceLifecycle({ reader, liveReader: reader, wait });
  const error = await refusalOf(plugin.admit(request('configmaps', { namespace: 'x', object })));
  assert.equal(error.code, 'NotFound');
  assert.equal(error.message, 'namespaces "x" not found');
  assert.deepEqual(error.details, { name: 'x', kind: 'namespaces' });
  await refusalOf(
    plugin.admit(request('configmaps', { operation: 'UPDATE', namespace: 'x', object, oldObject: object })),
  );
  await plugin.admit(request('configmaps', { operation: 'DELETE', namespace: 'x', oldObject: object }));
  await plugin.admit(request('nodes', { object }));
  // Whether a namespace exists is not told by a review.
  await plugin.admit(request('localsubjectaccessreviews.authorization.k8s.io', { namespace: 'x', object }));
});

test('nothing new is made in a namespace that is going away; what is there may change', async () => {
  const reader = readerOf(namespace('x', {}, 'Terminating'));
  const plugin = new NamespaceLifecycle({ reader, liveReader: reader, wait });
  const error = await refusalOf(plugin.admit(request('configmaps', { namespace: 'x', object })));
  assert.equal(error.code, 'Forbidden');
  assert.equal(
    error.message,
    'configmaps "c" is forbidden: unable to create new content in namespace x because it is being terminated',
  );
  assert.deepEqual(error.details, {
    name: 'c',
    kind: 'configmaps',
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: 'namespace x is being terminated',
        field: 'metadata.namespace',
      },
    ],
  });
  await plugin.admit(request('configmaps', { operation: 'UPDATE', namespace: 'x', object, oldObject: object }));
});

test('default, kube-system and kube-public stay', async () => {
  const reader = readerOf(namespace('default'), namespace('mine'));
  const plugin = new NamespaceLifecycle({ reader, liveReader: reader, wait });
  for (const name of ['default', 'kube-system', 'kube-public']) {
    const error = await refusalOf(
      plugin.admit(request('namespaces', { operation: 'DELETE', name, oldObject: namespace(name) })),
    );
    assert.equal(error.message, `namespaces "${name}" is forbidden: this namespace may not be deleted`);
  }
  await plugin.admit(request('namespaces', { operation: 'DELETE', name: 'mine', oldObject: namespace('mine') }));
});

test('a namespace that the cache does not show yet is found in storage', async () => {
  const plugin = new NamespaceLifecycle({ reader: readerOf(), liveReader: readerOf(namespace('x')), wait });
  await plugin.admit(request('configmaps', { namespace: 'x', object }));
});

test('a create right after the deletion was accepted does not slip past a cache that is behind', async () => {
  const cache = readerOf(namespace('x'));
  const storage = readerOf(namespace('x'));
  const plugin = new NamespaceLifecycle({ reader: cache, liveReader: storage, wait });
  await plugin.admit(request('namespaces', { operation: 'DELETE', name: 'x', oldObject: namespace('x') }));
  storage.objects = [namespace('x', {}, 'Terminating')];
  const error = await refusalOf(plugin.admit(request('configmaps', { namespace: 'x', object })));
  assert.match(error.message, /because it is being terminated$/);
  storage.objects = [];
  assert.equal((await refusalOf(plugin.admit(request('configmaps', { namespace: 'x', object })))).code, 'NotFound');
  // Made again: the cache counts again.
  await plugin.admit(request('configmaps', { namespace: 'x', object }));
});
