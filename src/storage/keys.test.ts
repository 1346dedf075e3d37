import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCode } from '../lib/errors.ts';
import { keyBytes, MAX_KEY_BYTES, namespacePrefix, prefixEnd, resourcePrefix, storageKey } from './keys.ts';

describe('storage keys', () => {
  it('are paths under /registry', () => {
    assert.equal(storageKey('', 'pods', 'default', 'web'), '/registry/pods/default/web');
    assert.equal(storageKey('', 'nodes', '', 'n1'), '/registry/nodes/n1');
    assert.equal(storageKey('apps', 'deployments', 'default', 'web'), '/registry/apps/deployments/default/web');
    const role = storageKey('rbac.authorization.k8s.io', 'clusterroles', '', 'system:node');
    assert.equal(role, '/registry/rbac.authorization.k8s.io/clusterroles/system:node');
    assert.equal(resourcePrefix('apps', 'deployments'), '/registry/apps/deployments/');
    assert.equal(namespacePrefix('', 'pods', 'kube-system'), '/registry/pods/kube-system/');
    assert.equal(namespacePrefix('', 'pods', ''), '/registry/pods/');
  });

  it('refuse a part that reaches out of its place', () => {
    for (const part of ['', '.', '..', 'a/b', '../secrets', 'a\0b', '\ud800']) {
      const refused = (error: unknown): boolean => isCode(error, 'BadRequest');
      assert.throws(() => storageKey('', 'pods', 'default', part), refused, JSON.stringify(part));
      assert.throws(() => storageKey('', part, 'default', 'web'), refused);
      if (part === '') continue;
      assert.throws(() => storageKey('', 'pods', part, 'web'), refused);
      assert.throws(() => storageKey(part, 'pods', 'default', 'web'), refused);
    }
  });

  it('fit the longest names of Kubernetes, and no longer than the limit', () => {
    const group = 'g'.repeat(253);
    const longest = storageKey(group, 'r'.repeat(63), 'n'.repeat(63), 'o'.repeat(253));
    assert.ok(Buffer.byteLength(longest) < MAX_KEY_BYTES);
    const room = MAX_KEY_BYTES - '/registry/pods/default/'.length;
    assert.equal(keyBytes(storageKey('', 'pods', 'default', 'o'.repeat(room))).length, MAX_KEY_BYTES);
    assert.throws(() => storageKey('', 'pods', 'default', 'o'.repeat(room + 1)), /longer than 1024 bytes/);
    assert.throws(() => storageKey('', 'pods', 'default', 'é'.repeat(room / 2 + 1)), /longer than 1024 bytes/);
  });

  it('have an end of prefix that is after all of its keys', () => {
    for (const prefix of ['/registry/pods/', 'é', '\u{10ffff}', '']) {
      const end = prefixEnd(prefix);
      assert.ok(Buffer.compare(Buffer.from(`${prefix}\u{10ffff}\u{10ffff}`), end) < 0);
      assert.ok(Buffer.compare(end, Buffer.from(prefix)) > 0);
    }
    assert.ok(Buffer.compare(prefixEnd('/pods/'), Buffer.from('/pods0')) <= 0);
  });
});
