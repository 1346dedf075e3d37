import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cloneJson } from '../json-object.ts';
import { behaviourOf } from '../kind-behaviour.ts';
import type { KubeObject } from '../object.ts';
import { loadScheme } from '../resources/load-scheme.ts';
import { texts } from '../testing/kinds.ts';

const resource = loadScheme().findKind('certificates.k8s.io', 'v1', 'CertificateSigningRequest');
assert.ok(resource);
const behaviour = behaviourOf(resource);

const spec = { request: 'eA==', signerName: 'example.com/signer', usages: ['client auth'] };
type Condition = { type?: string; status?: string; reason?: string };
const yes = (type: string, more: Condition = {}): Condition => ({ type, status: 'True', ...more });

function csr(more: object = {}, status: object = {}): KubeObject {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'r', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { ...spec, ...more },
    status,
  } as KubeObject;
}

function update(subresource: string, status: object, before: object = {}, more: object = {}) {
  const object = csr(more, status);
  const old = csr({}, before);
  const kept = cloneJson(old);
  behaviour.prepareForUpdate(object, old, subresource);
  const errors = texts(behaviour.validateUpdate(object, old, subresource));
  assert.deepEqual(old, kept);
  return { object, errors };
}

describe('what is created', () => {
  const errors = (more: object): string[] => texts(behaviour.validateCreate(csr(more)));

  it('has usages, a signer and a duration that can be', () => {
    assert.deepEqual(errors({}), []);
    assert.deepEqual(errors({ usages: [] }), ['spec.usages: Required value']);
    assert.deepEqual(errors({ usages: undefined }), ['spec.usages: Required value']);
    assert.match(
      errors({ usages: ['client auth', 'steal'] })[0] ?? '',
      /^spec.usages\[1\]: Unsupported value: "steal"/,
    );
    assert.deepEqual(errors({ usages: ['client auth', 'client auth'] }), [
      'spec.usages[1]: Duplicate value: "client auth"',
    ]);
    for (const expirationSeconds of [599, 0, -1]) {
      assert.deepEqual(errors({ expirationSeconds }), [
        `spec.expirationSeconds: Invalid value: ${expirationSeconds}: may not specify a duration less than 600 seconds (10 minutes)`,
      ]);
    }
    assert.deepEqual(errors({ expirationSeconds: 600 }), []);
  });

  it('is called as its maker likes', () => {
    const named = (name: string): string[] => texts(behaviour.validateCreate({ ...csr(), metadata: { name } }));
    assert.deepEqual(named('Node_CSR:1'), []);
    assert.deepEqual(named('a/b'), [`metadata.name: Invalid value: "a/b": may not contain '/'`]);
  });

  it('names its signer as a domain and a path', () => {
    const form = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    const cases: readonly (readonly [string, RegExp])[] = [
      ['', /^spec.signerName: Required value$/],
      ['signer', new RegExp(form)],
      ['example.com/a/b', new RegExp(form)],
      ['example/a', /"example": should be a domain with at least two segments separated by dots/],
      ['exa_mple.com/a', /validating label "exa_mple"/],
      ['example.com/', /Invalid value: "": validating label ""/],
      ['example.com/A', /validating label "A"/],
      ['kubernetes.io/legacy-unknown', /the legacy signerName is not allowed via this API version/],
    ];
    for (const [signerName, why] of cases) assert.match(errors({ signerName }).join('\n'), why, signerName);
    assert.deepEqual(errors({ signerName: 'example.com/namespace.name' }), []);
  });
});

describe('what is changed', () => {
  it('is never the spec, whatever it was approved for', () => {
    const approval = { conditions: [yes('Approved')] };
    for (const subresource of ['', 'status', 'approval']) {
      const { object, errors } = update(subresource, approval, approval, { request: 'eQ==', username: 'evil' });
      assert.deepEqual([object['spec'], errors], [spec, []], subresource);
    }
  });

  it('is nothing of the status by the object itself', () => {
    const { object, errors } = update('', { conditions: [yes('Approved')], certificate: 'eA==' });
    assert.deepEqual([object.status, errors], [{}, []]);
  });

  it('by approval: the conditions alone', () => {
    const { object, errors } = update('approval', { conditions: [yes('Approved')], certificate: 'eA==' });
    assert.deepEqual([object.status, errors], [{ conditions: [yes('Approved')] }, []]);
    const both = ['status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'];
    assert.deepEqual(update('approval', { conditions: [yes('Approved'), yes('Denied')] }).errors, both);
    assert.deepEqual(
      update('approval', { conditions: [yes('Approved'), yes('Denied')] }, { conditions: [yes('Approved')] }).errors,
      both,
    );
    assert.deepEqual(update('approval', { conditions: [yes('Approved'), yes('Approved')] }).errors, [
      'status.conditions[1].type: Duplicate value: "Approved"',
    ]);
    assert.deepEqual(update('approval', { conditions: [{ type: 'Denied', status: 'False' }] }).errors, [
      'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
    ]);
    assert.deepEqual(update('approval', { conditions: [{}] }).errors, [
      'status.conditions[0].type: Required value',
      'status.conditions[0].status: Required value',
    ]);
    assert.deepEqual(update('approval', { conditions: [] }, { conditions: [yes('Denied')] }).errors, [
      'status.conditions: Forbidden: updates may not remove a condition of type "Denied"',
    ]);
  });

  it('by status: no approval, and the certificate once', () => {
    const approval = yes('Approved', { reason: 'ByAnAdmin' });
    assert.deepEqual(update('status', { conditions: [yes('Approved')] }).errors, [
      'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
    ]);
    const kept = update('status', { conditions: [yes('Approved'), yes('Failed')] }, { conditions: [approval] });
    assert.deepEqual([kept.object.status, kept.errors], [{ conditions: [approval, yes('Failed')] }, []]);
    assert.deepEqual(update('status', {}, { conditions: [approval] }).errors, [
      'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
    ]);
    assert.deepEqual(update('status', { certificate: 'eA==' }).errors, []);
    assert.deepEqual(update('status', { certificate: 'eQ==' }, { certificate: 'eA==' }).errors, [
      'status.certificate: Forbidden: updates may not modify existing certificate content',
    ]);
    assert.deepEqual(update('status', {}, { certificate: 'eA==' }).errors, [
      'status.certificate: Forbidden: updates may not modify existing certificate content',
    ]);
  });
});
