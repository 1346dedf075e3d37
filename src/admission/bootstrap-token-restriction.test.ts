import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/object.ts';
import { bootstrapTokenRestriction } from './bootstrap-token-restriction.ts';
import type { AdmissionAttributes } from './plugin.ts';
import { refusalOf, request } from './testing/attributes.ts';

const user = { username: 'system:bootstrap:abcdef', groups: ['system:bootstrappers', 'system:masters'] };
const CSRS = 'certificatesigningrequests.certificates.k8s.io';
const csr = (signerName: string): KubeObject =>
  ({
    kind: 'CertificateSigningRequest',
    metadata: { name: 'x' },
    spec: { signerName, request: '', usages: [] },
  }) as KubeObject;
const kubelet = csr('kubernetes.io/kube-apiserver-client-kubelet');

const ask = async (target: string, over: Partial<AdmissionAttributes> = {}): Promise<void> =>
  bootstrapTokenRestriction.validate?.(request(target, { user, ...over }));

test('a bootstrap token asks for a client certificate of a node, and about itself', async () => {
  await ask(CSRS, { object: kubelet });
  await ask('selfsubjectreviews.authentication.k8s.io');
  await ask('selfsubjectaccessreviews.authorization.k8s.io');
  await ask('selfsubjectrulesreviews.authorization.k8s.io');
});

test('it writes nothing else, whatever groups it has', async () => {
  const attempts: readonly [target: string, over?: Partial<AdmissionAttributes>][] = [
    [CSRS, { object: csr('kubernetes.io/kube-apiserver-client') }],
    [CSRS, { object: csr('kubernetes.io/kubelet-serving') }],
    [CSRS, { object: csr('example.com/any') }],
    [CSRS, { operation: 'UPDATE', object: kubelet, oldObject: kubelet }],
    [`${CSRS}/approval`, { operation: 'UPDATE', object: kubelet, oldObject: kubelet }],
    [`${CSRS}/status`, { operation: 'UPDATE', object: kubelet, oldObject: kubelet }],
    [CSRS, { operation: 'DELETE', oldObject: kubelet }],
    ['certificatesigningrequests.example.com', { object: kubelet }],
    ['pods'],
    ['nodes'],
    ['secrets'],
    ['serviceaccounts/token'],
    ['pods/exec', { operation: 'CONNECT' }],
    ['tokenreviews.authentication.k8s.io'],
    ['subjectaccessreviews.authorization.k8s.io'],
  ];
  for (const [target, over] of attempts) {
    const error = await refusalOf(ask(target, over));
    assert.equal(error.code, 'Forbidden', target);
    assert.match(error.message, /a bootstrap token may only create certificate signing requests for the signer/);
  }
});

test('others are not its concern', async () => {
  for (const username of ['system:node:n', 'system:bootstrapper', 'abcdef']) {
    await ask('pods', { user: { username, groups: ['system:bootstrappers'] } });
  }
});
