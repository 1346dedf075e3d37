import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseCertificateRequestDer } from './certificate-request.ts';
import { makeStubRequest } from './make-certificate-request.ts';
import { isChainOf, newPodKey, podKeyRefusal } from './pod-key.ts';
import { RequestSigner } from './request-signer.ts';
import { testAuthority } from './testing/test-peers.ts';
import { rsaKey } from './testing/test-requests.ts';
import { haveSameIssuer } from './trust.ts';
import { whyNoTrustBundle } from './trust-bundle.ts';

const authority = testAuthority('ca');
const reserved = { dnsNames: ['kubernetes.default.svc', '*.wild.svc'], ipAddresses: ['10.0.0.1'] };
const signer = new RequestSigner(() => authority, reserved);
const key = await newPodKey('ECDSAP256');
const content = {
  publicKey: createPublicKey(key.reveal()),
  podUid: 'uid-1',
  dnsNames: ['web.default.svc'],
  ipAddresses: ['10.0.0.2'],
  seconds: 3600,
};

describe('keys of pods', () => {
  it('of each type prove themselves by a stub request', async () => {
    for (const type of ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519']) {
      const made = await newPodKey(type);
      const request = parseCertificateRequestDer(makeStubRequest(made));
      assert.equal(podKeyRefusal(request.publicKey), undefined, type);
      assert.deepEqual([request.subject, request.names.dnsNames], [{ commonName: '', organizations: [] }, []]);
      const chain = signer.signPodServing({ ...content, publicKey: request.publicKey });
      assert.equal(isChainOf(chain, made.reveal()), true, type);
      assert.equal(isChainOf(chain, key.reveal()), false);
    }
    assert.throws(() => newPodKey('RSA2048'), { message: 'the key type "RSA2048" is not supported' });
  });

  it('are refused when they are weak', () => {
    const publicKey = rsaKey(2048).publicKey;
    assert.throws(() => signer.signPodServing({ ...content, publicKey }), { code: 'Forbidden' });
  });
});

describe('serving certificates of pods', () => {
  it('live as long as was asked, a day at most, and serve only', () => {
    const life = (seconds: number): number => {
      const leaf = new X509Certificate(signer.signPodServing({ ...content, seconds }));
      assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
      return (leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 1000;
    };
    assert.deepEqual([life(3600), life(86_400), life(7_000_000)], [3600, 86_400, 86_400]);
  });

  it("never have the control plane's names and addresses, nor everybody's", () => {
    const dnsNames = ['web.default.svc', 'kubernetes.default.svc', 'x.wild.svc', `${'a'.repeat(250)}.pod`];
    const ipAddresses = ['10.0.0.1', '127.0.0.1', '0.0.0.0', '10.0.0.2'];
    const leaf = new X509Certificate(signer.signPodServing({ ...content, dnsNames, ipAddresses }));
    assert.equal(leaf.subjectAltName, 'DNS:web.default.svc, IP Address:10.0.0.2');
  });

  it('are told apart by the authority that issued them', () => {
    const other = testAuthority('ca');
    const cas = [authority.certificatePem, other.certificatePem];
    const from = (one: typeof authority) => new RequestSigner(() => one, reserved).signPodServing(content);
    assert.equal(haveSameIssuer(from(authority), from(authority), cas), true);
    assert.equal(haveSameIssuer(from(authority), from(other), cas), false);
    assert.equal(haveSameIssuer(from(other), from(other), [authority.certificatePem]), false);
  });
});

it('a trust bundle holds certificates of authorities and nothing else', () => {
  const ca = authority.certificatePem;
  const leaf = signer.signPodServing(content);
  assert.equal(whyNoTrustBundle(`# ours\n${ca}\nwords\n${testAuthority('b').certificatePem}`), undefined);
  assert.equal(whyNoTrustBundle(ca + key.reveal()), 'entry 1 has bad block type: PRIVATE KEY');
  assert.equal(whyNoTrustBundle(ca + key.reveal().slice(0, 50)), 'there is a PEM block that does not end');
  assert.equal(whyNoTrustBundle(leaf), 'entry 0 does not have the CA bit set');
  assert.equal(whyNoTrustBundle(ca + ca), 'duplicate trust anchor (entry 1)');
  assert.equal(whyNoTrustBundle(''), 'at least one trust anchor must be provided');
  const headed = ca.replace('-----\n', '-----\nComment: x\n\n');
  assert.equal(whyNoTrustBundle(headed), 'entry 0 has PEM block headers');
});
