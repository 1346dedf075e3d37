import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { behaviourOf } from '../kind-behaviour.ts';
import type { KubeObject } from '../object.ts';
import { texts } from '../testing/kinds.ts';

const errors = (group: string, kind: string, object: object): string[] => {
  const behaviour = behaviourOf({ group, version: 'v1', kind, namespaced: false, subresources: [] });
  const whole = { metadata: {}, ...object } as KubeObject;
  behaviour.applyDefaults(whole);
  return texts(behaviour.validateCreate(whole));
};
const review = (kind: string, spec: object, metadata: object = {}): string[] =>
  errors('authorization.k8s.io', kind, { spec, metadata });
const resourceAttributes = { verb: 'get', resource: 'pods' };

describe('the SubjectAccessReview family', () => {
  it('asks one question about somebody', () => {
    assert.deepEqual(review('SubjectAccessReview', { resourceAttributes, user: 'u' }), []);
    assert.deepEqual(review('SubjectAccessReview', {}), [
      'spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified',
      'spec.user: Invalid value: "": at least one of user or group must be specified',
    ]);
    assert.deepEqual(review('SelfSubjectAccessReview', { resourceAttributes, nonResourceAttributes: { path: '/' } }), [
      'spec.nonResourceAttributes: Invalid value: {"path":"/"}: cannot be specified in combination with resourceAttributes',
    ]);
    assert.deepEqual(review('SelfSubjectAccessReview', { resourceAttributes }, { name: 'x' }), [
      'metadata: Invalid value: {"name":"x"}: must be empty',
    ]);
  });

  it('stays in its namespace when it is local', () => {
    const local = (namespace: string, spec: object): string[] =>
      review('LocalSubjectAccessReview', { user: 'u', ...spec }, { namespace });
    assert.deepEqual(local('a', { resourceAttributes: { ...resourceAttributes, namespace: 'a' } }), []);
    assert.deepEqual(local('a', { resourceAttributes: { ...resourceAttributes, namespace: 'b' } }), [
      'spec.resourceAttributes.namespace: Invalid value: "b": must match metadata.namespace',
    ]);
    assert.deepEqual(local('a', { nonResourceAttributes: { path: '/' } }), [
      'spec.nonResourceAttributes: Invalid value: {"path":"/"}: disallowed on this kind of request',
    ]);
  });

  it('asks for the rules of a namespace', () => {
    assert.deepEqual(review('SelfSubjectRulesReview', { namespace: 'a' }), []);
    assert.throws(() => review('SelfSubjectRulesReview', {}), {
      code: 'BadRequest',
      message: 'no namespace on request',
    });
  });
});

describe('authentication kinds', () => {
  const token = (spec: object): string[] => errors('authentication.k8s.io', 'TokenRequest', { spec });
  it('request tokens of a bounded life', () => {
    assert.deepEqual(token({}), []);
    assert.deepEqual(token({ expirationSeconds: 599 }), [
      'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
    ]);
    assert.deepEqual(token({ expirationSeconds: 2 ** 32 + 1 }), [
      'spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds',
    ]);
  });
  it('review tokens', () => {
    assert.deepEqual(errors('authentication.k8s.io', 'TokenReview', { spec: { token: 't' } }), []);
    assert.throws(() => errors('authentication.k8s.io', 'TokenReview', { spec: {} }), {
      code: 'BadRequest',
      message: 'token is required for TokenReview in authentication',
    });
    assert.deepEqual(errors('authentication.k8s.io', 'SelfSubjectReview', {}), []);
  });
});
