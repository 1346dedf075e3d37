import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { invalid } from '../lib/errors.ts';
import {
  annotationsMaxBytes,
  nameRule,
  prepareMetadataForCreate,
  prepareMetadataForUpdate,
  validateMetadata,
  validateMetadataUpdate,
} from './metadata.ts';
import { dns1123Subdomain } from './names.ts';
import type { ObjectMeta } from './object.ts';

const rule = nameRule(dns1123Subdomain);
const created = (meta: ObjectMeta, namespaced = true): string[] =>
  validateMetadata(meta, namespaced, rule).map((c) => `${c.field}: ${c.message}`);
const good: ObjectMeta = { name: 'web', namespace: 'default' };
const stored: ObjectMeta = {
  ...good,
  uid: 'u1',
  resourceVersion: '7',
  creationTimestamp: '2026-01-01T00:00:00Z',
  generation: 2,
};
const updated = (meta: ObjectMeta, old: ObjectMeta = stored): string[] =>
  validateMetadataUpdate(meta, old).map((c) => `${c.field}: ${c.message}`);

describe('metadata on create', () => {
  it('takes good metadata', () => {
    assert.deepEqual(
      created({ ...good, labels: { 'a/b': 'c' }, annotations: { 'A/b': '' }, finalizers: ['x.io/y'] }),
      [],
    );
    assert.deepEqual(created({ generateName: 'web-', name: 'web-abcde', namespace: 'default' }), []);
    assert.deepEqual(created({ name: 'n1' }, false), []);
  });

  it('answers as Kubernetes does', () => {
    const error = invalid('', 'Pod', 'Foo', validateMetadata({ name: 'Foo', namespace: 'default' }, true, rule));
    assert.equal(
      error.message,
      `Pod "Foo" is invalid: metadata.name: Invalid value: "Foo": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    );
    assert.deepEqual(created({ namespace: 'default' }), [
      'metadata.name: Required value: name or generateName is required',
    ]);
    assert.deepEqual(created({ name: 'a' }), ['metadata.namespace: Required value']);
    assert.deepEqual(created({ name: 'a', namespace: 'x' }, false), [
      'metadata.namespace: Forbidden: not allowed on this type',
    ]);
    assert.deepEqual(created({ ...good, generation: -1 }), [
      'metadata.generation: Invalid value: -1: must be greater than or equal to 0',
    ]);
    assert.match(created({ ...good, generateName: 'X_' }).join(), /^metadata.generateName: Invalid value: "X_"/);
    assert.match(
      created({ ...good, labels: { a: 'b c' } }).join(),
      /^metadata.labels: Invalid value: "b c": a valid label/,
    );
    assert.match(
      created({ ...good, labels: { __proto__x: '' } }).join(),
      /^metadata.labels: Invalid value: "__proto__x"/,
    );
    assert.match(
      created({ ...good, annotations: { '-': '' } }).join(),
      /^metadata.annotations: Invalid value: "-": name part/,
    );
    assert.match(
      created({ ...good, finalizers: ['a b'] }).join(),
      /^metadata.finalizers: Invalid value: "a b": name part/,
    );
  });

  it('bounds annotations at 256 KiB of keys and values', () => {
    assert.deepEqual(created({ ...good, annotations: { a: 'x'.repeat(annotationsMaxBytes - 1) } }), []);
    assert.deepEqual(created({ ...good, annotations: { a: 'x'.repeat(annotationsMaxBytes) } }), [
      'metadata.annotations: Too long: may not be more than 262144 bytes',
    ]);
    assert.equal(created({ ...good, annotations: { a: 'é'.repeat(annotationsMaxBytes / 2) } }).length, 1);
  });

  it('judges owners and finalizers', () => {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'a', uid: '1' };
    assert.deepEqual(created({ ...good, ownerReferences: [owner] }), []);
    assert.deepEqual(created({ ...good, ownerReferences: [{ ...owner, apiVersion: 'a/b/c', uid: '' }] }), [
      'metadata.ownerReferences[0].apiVersion: Invalid value: "a/b/c": must be <group>/<version> or <version>',
      'metadata.ownerReferences[0].uid: Required value: must not be empty',
    ]);
    const two = [
      { ...owner, controller: true },
      { ...owner, name: 'b', controller: true },
    ];
    assert.match(
      created({ ...good, ownerReferences: two }).join(),
      /Only one reference can have Controller set to true. Found "true" in references for ReplicaSet\/a and ReplicaSet\/b$/,
    );
    assert.match(
      created({ ...good, ownerReferences: [{ ...owner, apiVersion: 'v1', kind: 'Event' }] }).join(),
      /: \/v1, Kind=Event is disallowed from being an owner$/,
    );
    assert.deepEqual(created({ ...good, finalizers: ['orphan', 'foregroundDeletion'] }), [
      'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
    ]);
  });

  it('drops what only the server sets', () => {
    const meta: ObjectMeta = { ...good, deletionTimestamp: 'x', deletionGracePeriodSeconds: 1, selfLink: '/x' };
    prepareMetadataForCreate(meta);
    assert.deepEqual(meta, good);
  });
});

describe('metadata on update', () => {
  it('keeps identity', () => {
    assert.deepEqual(updated({ ...stored, labels: { a: 'b' } }), []);
    assert.deepEqual(updated({ ...stored, uid: 'u2' }), ['metadata.uid: Invalid value: "u2": field is immutable']);
    assert.deepEqual(updated({ ...stored, generation: 1 }), [
      'metadata.generation: Invalid value: 1: must not be decremented',
    ]);
    assert.deepEqual(updated({ ...stored, resourceVersion: '' }), [
      'metadata.resourceVersion: Invalid value: "": must be specified for an update',
    ]);
    assert.deepEqual(updated({ ...stored, deletionTimestamp: '2026-01-01T00:00:00Z' }), [
      'metadata.deletionTimestamp: Invalid value: "2026-01-01T00:00:00Z": field is immutable',
    ]);
  });

  it('refuses new finalizers on an object that is being deleted', () => {
    const old = { ...stored, deletionTimestamp: 'x', finalizers: ['a/b'] };
    assert.deepEqual(updated({ ...old, finalizers: [] }, old), []);
    assert.deepEqual(updated({ ...old, finalizers: ['a/b', 'c/d'] }, old), [
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}',
    ]);
  });

  it('gives back what an update left out or forged', () => {
    const old = { ...stored, deletionTimestamp: '2026-01-02T00:00:00Z', deletionGracePeriodSeconds: 30 };
    const meta: ObjectMeta = { ...good, generation: 99, creationTimestamp: '1999-01-01T00:00:00Z' };
    prepareMetadataForUpdate(meta, old);
    assert.deepEqual({ ...meta, resourceVersion: '7' }, old);
  });
});
