import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { it } from 'node:test';
import type { Node, Pod, PodCertificateRequest } from '../api/generated/types.ts';
import { systemClock } from '../lib/clock.ts';
import { notFound } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { makeStubRequest } from '../pki/make-certificate-request.ts';
import { newPodKey } from '../pki/pod-key.ts';
import { RequestSigner } from '../pki/request-signer.ts';
import { testAuthority } from '../pki/testing/test-peers.ts';
import type { ControllerDependencies } from './controller.ts';
import { PodServingSigner } from './pod-serving-signer.ts';

const authority = testAuthority('ca');
const stub = makeStubRequest(await newPodKey('ED25519')).toString('base64');
const pod: Pod = {
  metadata: { name: 'p', namespace: 'ns', uid: 'pod-uid', labels: { app: 'a' } },
  spec: { nodeName: 'n', serviceAccountName: 'default', containers: [] },
};
const node: Node = { metadata: { name: 'n', uid: 'node-uid' } };
const spec = {
  signerName: 'causeway.dev/pod-serving',
  podName: 'p',
  podUID: 'pod-uid',
  serviceAccountName: 'default',
  serviceAccountUID: 'sa-uid',
  nodeName: 'n',
  nodeUID: 'node-uid',
  maxExpirationSeconds: 3600,
  stubPKCS10Request: stub,
};

/** What the signer writes into a request; undefined when it leaves it alone. */
async function answer(more: Partial<PodCertificateRequest['spec']>, there: { pod?: Pod; node?: Node } = { pod, node }) {
  const request: PodCertificateRequest = { metadata: { name: 'r', namespace: 'ns' }, spec: { ...spec, ...more } };
  const abort = new AbortController();
  let status: PodCertificateRequest['status'];
  let added: (request: PodCertificateRequest) => void = () => undefined;
  let looked = (): void => undefined;
  const seen = new Promise<void>((resolve) => {
    looked = resolve;
  });
  const dependencies = {
    log: silentLog,
    clock: systemClock,
    certificates: new RequestSigner(() => authority, { dnsNames: ['kubernetes.ns.svc'], ipAddresses: [] }),
    informers: {
      for: () => ({
        handle: (handlers: { added: typeof added }) => {
          added = handlers.added;
        },
        get: () => {
          if (request.spec.signerName !== spec.signerName) looked();
          return request;
        },
        list: () => [],
      }),
    },
    client: {
      get: async ({ plural }: { plural: string }) => {
        const found = plural === 'pods' ? there.pod : there.node;
        if (found === undefined) throw notFound('', plural, 'x');
        return found;
      },
      list: async () => ({
        items: ['web', 'kubernetes'].map((name) => ({
          metadata: { name, namespace: 'ns' },
          spec: { selector: { app: 'a' } },
        })),
      }),
      update: async (_type: unknown, changed: PodCertificateRequest) => {
        ({ status } = changed);
        looked();
      },
    },
  } as unknown as ControllerDependencies;
  const controller = new PodServingSigner(dependencies);
  const running = controller.run(abort.signal);
  added(request);
  await seen;
  abort.abort();
  await running;
  return status;
}

it('issues a certificate for the names of the pod, and says its times', async () => {
  const { conditions, certificateChain = '', ...times } = (await answer({})) ?? {};
  const leaf = new X509Certificate(certificateChain);
  assert.equal(conditions?.[0]?.type, 'Issued');
  assert.equal(
    leaf.subjectAltName,
    'DNS:p.ns.pod, DNS:web.ns.svc, DNS:web.ns.svc.cluster.local, DNS:kubernetes.ns.svc.cluster.local',
  );
  const begins = leaf.validFromDate.getTime();
  assert.deepEqual(
    [times.notBefore, times.beginRefreshAt, times.notAfter].map((time) => Date.parse(time ?? '') - begins),
    [0, 2_700_000, 3_600_000],
  );
});

it('denies what is not, or not any more, as the request says', async () => {
  const reason = async (...asked: Parameters<typeof answer>): Promise<unknown> => {
    const { conditions: [condition] = [], ...rest } = (await answer(...asked)) ?? {};
    assert.deepEqual([condition?.type, rest], ['Denied', {}]);
    return `${condition?.reason}: ${condition?.message}`;
  };
  assert.equal(await reason({}, { node }), 'PodMismatch: pod p with UID pod-uid does not exist');
  assert.equal(await reason({}, { pod }), 'PodMismatch: node n with UID node-uid does not exist');
  assert.equal(await reason({ podUID: 'old' }), 'PodMismatch: pod p with UID old does not exist');
  assert.equal(await reason({ nodeUID: 'old' }), 'PodMismatch: node n with UID old does not exist');
  assert.equal(await reason({ nodeName: 'm' }), 'PodMismatch: pod p is not on node m');
  assert.equal(
    await reason({ serviceAccountName: 'admin' }),
    'PodMismatch: pod p does not run as service account admin',
  );
  assert.equal(
    await reason({ unverifiedUserAnnotations: { 'example.com/san': 'bank.ns.svc' } }),
    'UnknownAnnotations: the signer does not know the annotation example.com/san',
  );
});

it('leaves requests for other signers alone', async () => {
  assert.equal(await answer({ signerName: 'example.com/s' }), undefined);
});
