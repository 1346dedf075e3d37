import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Pod, PodCertificateProjection, PodCertificateRequest } from '../../api/generated/types.ts';
import { parseCertificateRequestDer } from '../../pki/certificate-request.ts';
import { RequestSigner } from '../../pki/request-signer.ts';
import { testAuthority } from '../../pki/testing/test-peers.ts';
import { noCertificates } from '../testing/no-certificates.ts';
import { PodCertificates } from './pod-certificates.ts';

const HOUR_MS = 3_600_000;
const pod: Pod = { metadata: { name: 'p', namespace: 'ns', uid: 'uid-1' }, spec: { containers: [] } };
const signer = new RequestSigner(() => testAuthority('ca'), { dnsNames: [], ipAddresses: [] });
type Answer = 'issue' | 'wait' | 'deny' | 'other key' | 'lose';

/** A signer that answers as it is told, and a kubelet whose clock stands. */
function setUp(signerName = 'example.com/s') {
  const projection: PodCertificateProjection = { signerName, keyType: 'ECDSAP256', credentialBundlePath: 'b' };
  const asked: string[] = [];
  const warnings: string[] = [];
  const state = { now: 0, answer: 'issue' as Answer, current: true, podIPs: [] as string[] };
  const chainFor = (stub: string): string => {
    const { publicKey } = parseCertificateRequestDer(Buffer.from(stub, 'base64'));
    return signer.signPodServing({ publicKey, podUid: 'uid-1', dnsNames: ['x.y.svc'], ipAddresses: [], seconds: 3600 });
  };
  const statusOf = (n: number): PodCertificateRequest['status'] | undefined => {
    const condition = { status: 'True' as const, lastTransitionTime: '', reason: 'Because', message: 'no' };
    if (state.answer === 'wait') return {};
    if (state.answer === 'deny') return { conditions: [{ type: 'Denied', ...condition }] };
    if (state.answer === 'lose') return undefined;
    return {
      conditions: [{ type: 'Issued', ...condition }],
      certificateChain: chainFor(asked[state.answer === 'other key' ? 0 : n] ?? ''),
      beginRefreshAt: new Date(state.now + 0.75 * HOUR_MS).toISOString(),
      notAfter: new Date(state.now + HOUR_MS).toISOString(),
    };
  };
  const certificates = new PodCertificates({
    source: {
      ...noCertificates.certificateSource,
      ask: async (_pod, _projection, stub) => `r${asked.push(stub) - 1}`,
      request: async (_namespace, name) => {
        const status = statusOf(Number(name.slice(1)));
        return status === undefined ? undefined : ({ metadata: { name }, status } as PodCertificateRequest);
      },
    },
    clock: { now: () => state.now },
    isOfCurrentAuthority: () => state.current,
  });
  const get = () =>
    certificates.get({
      pod,
      projection,
      addresses: { podIPs: state.podIPs, hostIPs: [] },
      signal: new AbortController().signal,
      warn: (error) => warnings.push((error as Error).message),
    });
  return { state, asked, warnings, get, certificates };
}

it('a certificate is kept until it is to be refreshed, and then has a new key', async () => {
  const { state, asked, get, certificates } = setUp();
  const first = await get();
  state.now = 0.74 * HOUR_MS;
  assert.equal(await get(), first);
  state.now = 0.76 * HOUR_MS;
  const next = await get();
  assert.notEqual(next.key.reveal(), first.key.reveal());
  assert.equal(asked.length, 2);
  certificates.forget('uid-1');
  await get();
  assert.equal(asked.length, 3);
});

it('who waits asks once, and says for whom it waits', async () => {
  const { state, asked, get } = setUp();
  state.answer = 'wait';
  const why = { message: 'waits for the signer example.com/s to answer PodCertificateRequest r0' };
  await assert.rejects(get(), why);
  await assert.rejects(get(), why);
  state.answer = 'issue';
  await get();
  assert.equal(asked.length, 1);
});

it('a refusal is told, and what was refused is asked again later', async () => {
  const { state, asked, get } = setUp();
  state.answer = 'deny';
  for (const _ of [1, 2]) {
    await assert.rejects(get(), { message: 'PodCertificateRequest r0 is Denied: Because: no' });
  }
  assert.equal(asked.length, 1);
  state.now += 60_001;
  state.answer = 'lose';
  await assert.rejects(get(), { message: 'PodCertificateRequest r1 is gone' });
  state.now += 60_001;
  state.answer = 'other key';
  await assert.rejects(get(), { message: 'the certificate of r2 is for another key' });
  state.now += 60_001;
  state.answer = 'issue';
  await get();
});

it('the old certificate serves while the next one is not there, and no longer than it is valid', async () => {
  const { state, warnings, get } = setUp();
  const first = await get();
  state.now = 0.8 * HOUR_MS;
  state.answer = 'deny';
  assert.equal(await get(), first);
  assert.deepEqual(warnings, ['PodCertificateRequest r1 is Denied: Because: no']);
  state.now = HOUR_MS;
  await assert.rejects(get(), /is Denied/);
});

it("of the cluster's signer: the next one comes with the pod's address, and with another authority", async () => {
  const { state, asked, get } = setUp('causeway.dev/pod-serving');
  await get();
  await get();
  assert.equal(asked.length, 1);
  state.podIPs = ['10.1.0.5'];
  await get();
  await get();
  assert.equal(asked.length, 2);
  state.current = false;
  await get();
  assert.equal(asked.length, 3);
});
