import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { validateVolumes } from '../core/volume-validation.ts';
import type { PodCertificateRequest, PodCertificateRequestStatus, VolumeProjection } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import { Kind, texts } from '../testing/kinds.ts';

describe('a PodCertificateRequest', () => {
  const kind = new Kind('certificates.k8s.io', 'PodCertificateRequest');
  const spec = {
    signerName: 'example.com/s',
    podName: 'p',
    podUID: 'u',
    serviceAccountName: 'default',
    serviceAccountUID: 'u',
    nodeName: 'n',
    nodeUID: 'u',
    stubPKCS10Request: 'eA==',
  };
  const errors = (more: object): string[] => kind.createErrors({ spec: { ...spec, ...more } });
  const condition = (type: string, status = 'True') =>
    ({ type, status, reason: 'R', message: 'm', lastTransitionTime: '2026-01-01T00:00:00Z' }) as const;
  const issued = {
    conditions: [condition('Issued')],
    certificateChain: 'x',
    notBefore: '2026-01-01T00:00:00Z',
    beginRefreshAt: '2026-01-01T12:00:00Z',
    notAfter: '2026-01-02T00:00:00Z',
  };
  const after = (first: object, then: object): string[] => {
    const set = (status: object) => (object: KubeObject) => {
      object['status'] = status as KubeObject['status'];
    };
    const old = { ...kind.created({ spec }), status: first } as KubeObject;
    return kind.update(old, set(then), 'status').errors;
  };

  it('names its pod, and lives a day unless it says otherwise', () => {
    assert.equal((kind.created({ spec }) as unknown as PodCertificateRequest).spec.maxExpirationSeconds, 86_400);
    assert.deepEqual(errors({}), []);
    assert.deepEqual(errors({ podUID: '' }), ['spec.podUID: Required value']);
    assert.match(errors({ nodeName: 'N' })[0] ?? '', /^spec.nodeName: Invalid value: "N"/);
    assert.match(errors({ podUID: 'x'.repeat(129) })[0] ?? '', /^spec.podUID: Too long/);
    const deprecated = 'spec.pkixPublicKey: Forbidden: deprecated: use spec.stubPKCS10Request';
    assert.deepEqual(errors({ pkixPublicKey: 'eA==' }), [deprecated]);
    assert.match(errors({ unverifiedUserAnnotations: { bare: 'x' } })[0] ?? '', /must be prefixed with a domain/);
  });

  it('lives from an hour to 91 days, and a day of a signer of Kubernetes', () => {
    for (const seconds of [3600, 7_862_400]) assert.deepEqual(errors({ maxExpirationSeconds: seconds }), []);
    for (const seconds of [0, 3599, 7_862_401]) assert.equal(errors({ maxExpirationSeconds: seconds }).length, 1);
    const kubernetes = { signerName: 'x.kubernetes.io/s', maxExpirationSeconds: 86_401 };
    assert.deepEqual(errors(kubernetes), [
      'spec.maxExpirationSeconds: Invalid value: 86401: must be in the range [3600, 86400]',
    ]);
    assert.deepEqual(errors({ ...kubernetes, signerName: 'notkubernetes.io/s' }), []);
  });

  it('never changes, but its status once', () => {
    const old = kind.created({ spec });
    const change = kind.update(old, (object) => {
      (object as unknown as PodCertificateRequest).spec.podName = 'q';
      object['status'] = issued as KubeObject['status'];
    });
    assert.deepEqual(change.errors, ['spec: Invalid value: "<spec>": field is immutable']);
    assert.deepEqual(change.object.status, {});
    assert.deepEqual(after({}, issued), []);
    assert.match(after(issued, { conditions: [condition('Denied')] })[0] ?? '', /immutable after/);
    assert.match(after({}, { certificateChain: 'x' })[0] ?? '', /immutable unless transitioning/);
  });

  it('ends in one way, whole', () => {
    const denied: PodCertificateRequestStatus = { conditions: [condition('Denied')] };
    assert.deepEqual(after({}, denied), []);
    assert.match(after({}, { ...denied, certificateChain: 'x' })[0] ?? '', /must be empty when denying or failing/);
    const { notAfter: _, ...partly } = issued;
    assert.match(after({}, partly)[0] ?? '', /^status.notAfter: Required value/);
    assert.match(after({}, { conditions: [condition('Denied'), condition('Failed')] })[0] ?? '', /at most one/);
    assert.match(after({}, { conditions: [condition('Issued', 'False')] })[0] ?? '', /Unsupported value: "False"/);
    assert.match(after({}, { conditions: [condition('Approved')] })[0] ?? '', /Unsupported value: "Approved"/);
  });
});

it('a ClusterTrustBundle is called like its signer, and keeps it', () => {
  const kind = new Kind('certificates.k8s.io', 'ClusterTrustBundle');
  const errors = (name: string, signerName?: string): string[] =>
    kind.createErrors({ spec: { trustBundle: 'x', ...(signerName === undefined ? {} : { signerName }) } }, name);
  assert.deepEqual(errors('mine'), []);
  assert.deepEqual(errors('example.com:foo:v1', 'example.com/foo'), []);
  assert.match(errors('example.com:foo:v1')[0] ?? '', /^metadata.name: Invalid value/);
  for (const name of ['mine', 'example.com:fooo:v1', 'example.com:foo']) {
    assert.match(errors(name, 'example.com/foo')[0] ?? '', /must be named with prefix example.com:foo:/, name);
  }
  assert.equal(errors('example.com:foo:', 'example.com/foo').length > 0, true);
  assert.match(errors('a', 'odd')[0] ?? '', /fully qualified domain/);
  const old = kind.created({ spec: { trustBundle: 'x', signerName: 'example.com/foo' } }, 'example.com:foo:v1');
  const { errors: changed } = kind.update(old, (object) => {
    object['spec'] = { trustBundle: 'x' };
  });
  assert.match(changed.join(), /spec.signerName: Invalid value: "": field is immutable/);
});

it('volumes with certificates and trust say what they want, each in a file of its own', () => {
  const errors = (...sources: VolumeProjection[]): string[] =>
    texts(validateVolumes([{ name: 'v', projected: { sources } }], 'volumes')).map((text) =>
      text.replace(/^.*\.sources/, ''),
    );
  const podCertificate = { signerName: 'example.com/s', keyType: 'ED25519', credentialBundlePath: 'b.pem' };
  const clusterTrustBundle = { name: 'example.com:s:v1', path: 'ca.pem' };
  assert.deepEqual(errors({ podCertificate }, { clusterTrustBundle }), []);
  const certificate = (more: object) => errors({ podCertificate: { ...podCertificate, ...more } })[0] ?? '';
  assert.match(certificate({ keyType: 'RSA2048' }), /keyType: Unsupported value: "RSA2048"/);
  assert.match(certificate({ maxExpirationSeconds: 60 }), /must be in the range/);
  assert.match(certificate({ credentialBundlePath: '' }), /specify at least one of/);
  assert.match(certificate({ keyPath: '../x' }), /keyPath: Invalid value/);
  assert.match(certificate({ keyPath: 'b.pem' }), /conflicting duplicate paths/);
  const trust = (more: object) => errors({ clusterTrustBundle: { ...clusterTrustBundle, ...more } })[0] ?? '';
  assert.match(trust({ signerName: 'example.com/s' }), /only one of name and signerName/);
  assert.match(trust({ name: undefined }), /either name or signerName must be specified/);
  assert.match(trust({ labelSelector: {} }), /labelSelector must be unset/);
  assert.match(trust({ path: '/ca.pem' }), /path: Invalid value/);
});
