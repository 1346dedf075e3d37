import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { CertificateAuthority } from './authority.ts';
import { parseCertificateRequest } from './certificate-request.ts';
import { contextTag, element } from './der.ts';
import { verifyKubelet } from './kubelet-identity.ts';
import { OID } from './oids.ts';
import type { RequestProfile } from './request-rules.ts';
import { RequestSigner } from './request-signer.ts';
import { subjectOf } from './subject.ts';
import { testAuthority } from './testing/test-peers.ts';
import { ecKey, requestPem, rsaKey, type TestRequest } from './testing/test-requests.ts';

const DAY_MS = 86_400_000;
const authority = testAuthority('ca');
const reserved = { dnsNames: ['API.test', '*.wild.test'], ipAddresses: ['10.0.0.1', '2001:DB8::0:1'] };
const signer = new RequestSigner(() => authority, reserved);

const usages: Readonly<Record<RequestProfile, readonly string[]>> = {
  'kubelet-client': ['digital signature', 'client auth'],
  'kubelet-serving': ['digital signature', 'server auth'],
  client: ['client auth'],
};
const good: Readonly<Record<RequestProfile, TestRequest>> = {
  'kubelet-client': { commonName: 'system:node:n1', organizations: ['system:nodes'] },
  'kubelet-serving': {
    commonName: 'system:node:n1',
    organizations: ['system:nodes'],
    dnsNames: ['n1'],
    ipAddresses: ['10.0.0.9'],
  },
  client: { commonName: 'jane', organizations: ['devs', 'ops'] },
};

function refusal(profile: RequestProfile, change: TestRequest, asked = usages[profile]): string | undefined {
  return signer.refusal(profile, parseCertificateRequest(requestPem({ ...good[profile], ...change })), asked);
}

function signed(profile: RequestProfile, change: TestRequest = {}, seconds?: number, asked = usages[profile]) {
  const request = parseCertificateRequest(requestPem({ ...good[profile], ...change }));
  const options = { usages: asked, nodeUid: 'uid-1', ...(seconds === undefined ? {} : { seconds }) };
  return new X509Certificate(signer.sign(profile, request, options));
}

const profiles = ['kubelet-client', 'kubelet-serving', 'client'] as const;

describe('what is refused', () => {
  const everywhere: readonly (readonly [RegExp, TestRequest])[] = [
    [/a certificate authority is not given by request/, { wantsAuthority: true }],
    [/the subject names a UID/, { more: [[OID.kubernetesUid, 'u']] }],
    [/more than a common name/, { more: [['2.5.4.11', 'unit']] }],
    [/the curve secp224r1 is not allowed/, { key: ecKey('secp224r1') }],
    [/the curve secp256k1 is not allowed/, { key: ecKey('secp256k1') }],
    [/RSA key of 1024 bits is too weak/, { key: rsaKey(1024) }],
    [/RSA key of 2047 bits is too weak/, { key: rsaKey(2047) }],
    [/public exponent of the RSA key is not allowed/, { key: rsaKey(2048, 3) }],
    [/Email subjectAltNames are not allowed/, { emails: ['a@b'] }],
    [/URI subjectAltNames are not allowed/, { uris: ['causeway:node-uid:other'] }],
    [/subjectAltNames of other kinds/, { otherNames: [element(contextTag(8, false), Buffer.from([42]))] }],
  ];
  for (const profile of profiles) {
    it(`of any request, for ${profile}`, () => {
      assert.equal(refusal(profile, {}), undefined);
      for (const [why, change] of everywhere) assert.match(refusal(profile, change) ?? '', why);
    });
  }

  it('of a node that is called or addressed like others', () => {
    for (const profile of ['kubelet-client', 'kubelet-serving'] as const) {
      for (const organizations of [
        [],
        ['system:nodes', 'system:masters'],
        ['system:nodes', 'system:nodes'],
        ['devs'],
      ]) {
        assert.match(refusal(profile, { organizations }) ?? '', /subject organization is not system:nodes/);
      }
      assert.match(refusal(profile, { commonName: 'n1' }) ?? '', /does not begin with system:node:/);
      for (const name of ['', 'N1', 'a b', '*', '*.a', 'a..b', '-a', 'a/b', 'x'.repeat(64), 'ab.'.repeat(90)]) {
        assert.match(refusal(profile, { commonName: `system:node:${name}` }) ?? '', /is not the name of a node/, name);
      }
      const long = `system:node:${'ab.'.repeat(20)}abc`;
      const own = profile === 'kubelet-client' ? {} : { dnsNames: [long.slice(12)] };
      assert.equal(refusal(profile, { commonName: long, ...own }), undefined);
      assert.match(refusal(profile, { commonName: `${long}d` }) ?? '', /63 characters at most/);
      const taken = [
        'localhost',
        'kubernetes.default.svc',
        'web.default.svc',
        'a.cluster.local',
        'api.test',
        'x.wild.test',
      ];
      for (const name of taken) {
        const change = { commonName: `system:node:${name}`, dnsNames: [name] };
        assert.match(refusal(profile, change) ?? '', /a node cannot be called/, name);
      }
      assert.match(refusal(profile, { commonName: 'system:node:10.1.2.3' }) ?? '', /cannot be called like an address/);
    }
  });

  it('of names in certificates', () => {
    assert.match(refusal('kubelet-client', { dnsNames: ['n1'] }) ?? '', /DNS subjectAltNames are not allowed/);
    assert.match(refusal('kubelet-client', { ipAddresses: ['10.0.0.9'] }) ?? '', /IP subjectAltNames are not allowed/);
    assert.match(refusal('client', { dnsNames: ['x'] }) ?? '', /DNS subjectAltNames are not allowed/);
    assert.match(refusal('kubelet-serving', { dnsNames: [] }) ?? '', /the DNS subjectAltName n1 is required/);
    for (const name of ['*.x', 'N1', 'a_b']) {
      assert.match(refusal('kubelet-serving', { dnsNames: ['n1', name] }) ?? '', /not a DNS name/, name);
    }
    for (const name of ['api.test', 'a.wild.test', 'kubernetes.default.svc', 'localhost']) {
      assert.match(
        refusal('kubelet-serving', { dnsNames: ['n1', name] }) ?? '',
        /control plane's or of services/,
        name,
      );
    }
    for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '2001:db8::1', '127.0.0.1', '127.1.2.3', '::1', '0.0.0.0']) {
      assert.match(refusal('kubelet-serving', { ipAddresses: [address] }) ?? '', /control plane's/, address);
    }
    assert.equal(refusal('kubelet-serving', { ipAddresses: [], dnsNames: ['n1', 'n1.example.com'] }), undefined);
  });

  it('of people', () => {
    const empty: TestRequest = { commonName: '', organizations: ['devs'] };
    assert.match(refusal('client', empty) ?? '', /has no common name/);
    assert.match(
      refusal('client', { organizations: ['devs', 'system:masters'] }) ?? '',
      /into the group system:masters/,
    );
    assert.match(refusal('client', { organizations: ['system:nodes'] }) ?? '', /kube-apiserver-client-kubelet/);
    assert.match(refusal('client', { commonName: 'system:node:n1' }) ?? '', /kube-apiserver-client-kubelet/);
    assert.match(refusal('client', { organizations: ['a\nO=system:masters'] }) ?? '', /control characters/);
  });

  it('of usages', () => {
    const wrong = {
      'kubelet-client': ['server auth', 'any', 'cert sign'],
      'kubelet-serving': ['client auth', 'any', 'crl sign'],
      client: ['server auth', 'any', 'signing', 'code signing'],
    };
    for (const profile of profiles) {
      for (const usage of wrong[profile]) {
        assert.equal(refusal(profile, {}, [...usages[profile], usage]), `the usage "${usage}" is not allowed`);
        assert.match(refusal(profile, {}, [usage]) ?? '', /is required/);
      }
      assert.match(refusal(profile, {}, []) ?? '', /is required/);
      assert.equal(refusal(profile, {}, [...usages[profile], 'key encipherment']), undefined);
    }
  });
});

describe('what is signed', () => {
  it('names the node and its UID, and is for one use only', () => {
    const client = signed('kubelet-client');
    assert.deepEqual(subjectOf(client), {
      commonName: 'system:node:n1',
      organizations: ['system:nodes'],
      uid: 'uid-1',
    });
    assert.deepEqual(client.keyUsage, [OID.clientAuth]);
    assert.equal(client.subjectAltName, undefined);
    const serving = signed('kubelet-serving');
    assert.equal(verifyKubelet(serving, { nodeName: 'n1', nodeUid: 'uid-1' }), undefined);
    assert.notEqual(verifyKubelet(serving, { nodeName: 'n1', nodeUid: 'uid-2' }), undefined);
    assert.deepEqual(serving.keyUsage, [OID.serverAuth]);
    assert.equal(serving.subjectAltName, 'DNS:n1, URI:causeway:node-uid:uid-1, IP Address:10.0.0.9');
    const person = signed('client');
    assert.deepEqual(subjectOf(person), { commonName: 'jane', organizations: ['devs', 'ops'] });
    assert.deepEqual(person.keyUsage, [OID.clientAuth]);
    for (const one of [client, serving, person]) {
      assert.equal(one.ca, false);
      assert.equal(one.checkIssued(authority.certificate) && one.verify(authority.certificate.publicKey), true);
    }
  });

  it('is for the key that was shown, of every kind', () => {
    for (const key of [ecKey(), ecKey('P-384'), ecKey('P-521'), rsaKey(2048), generateKeyPairSync('ed25519')]) {
      const certificate = signed('client', { key }, undefined, ['client auth', 'key encipherment']);
      assert.equal(certificate.checkPrivateKey(key.privateKey), true);
    }
  });

  it('lives as long as was asked for, but no longer than the signer allows', () => {
    const days = (certificate: X509Certificate): number => (certificate.validToDate.getTime() - Date.now()) / DAY_MS;
    const about = (found: number, wanted: number): void =>
      assert.ok(Math.abs(found - wanted) < 0.01, `${found} ${wanted}`);
    about(days(signed('kubelet-client', {}, 600)), 600 / 86_400);
    for (const [profile, max] of [
      ['kubelet-client', 90],
      ['kubelet-serving', 7],
      ['client', 365],
    ] as const) {
      about(days(signed(profile)), max);
      about(days(signed(profile, {}, 10 * 365 * 86_400)), max);
    }
  });

  it('never outlives the authority', () => {
    const tenYears = 3652 * DAY_MS;
    const { certificatePem, privateKeyPem } = CertificateAuthority.create('old', {
      clock: { now: () => Date.now() - tenYears + DAY_MS },
    });
    let ahead = 0;
    const old = new CertificateAuthority(certificatePem, privateKeyPem, { clock: { now: () => Date.now() + ahead } });
    const oldSigner = new RequestSigner(() => old, reserved);
    const request = parseCertificateRequest(requestPem(good.client));
    const last = new X509Certificate(oldSigner.sign('client', request, { usages: usages.client }));
    assert.equal(last.validToDate.getTime(), old.certificate.validToDate.getTime());
    ahead = 2 * DAY_MS;
    assert.throws(() => oldSigner.sign('client', request, { usages: usages.client }), /authority has expired/);
  });

  it('comes from the authority that signs now; servers send along how the one before knows it', () => {
    const options = { clock: systemClock };
    const next = CertificateAuthority.create('next', options);
    const cross = authority.crossSign(new X509Certificate(next.certificatePem));
    let current = authority;
    const following = new RequestSigner(() => current, reserved);
    const sign = (profile: RequestProfile): string[] => {
      const request = parseCertificateRequest(requestPem(good[profile]));
      const pem = following.sign(profile, request, { usages: usages[profile], nodeUid: 'uid-1' });
      return pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g) ?? [];
    };
    const issuers = (pems: readonly string[]): string[] => pems.map((pem) => new X509Certificate(pem).issuer);
    assert.deepEqual(issuers(sign('kubelet-serving')), ['CN=ca']);
    current = new CertificateAuthority(next.certificatePem, next.privateKeyPem, options, cross);
    assert.deepEqual(issuers(sign('kubelet-serving')), ['CN=next', 'CN=ca']);
    assert.deepEqual(issuers(sign('kubelet-client')), ['CN=next']);
  });

  it('is nothing for a request that breaks the rules, nor for a node without a UID', () => {
    assert.throws(() => signed('client', { organizations: ['system:masters'] }), { code: 'Forbidden' });
    const request = parseCertificateRequest(requestPem(good['kubelet-client']));
    const options = { usages: usages['kubelet-client'] };
    assert.throws(() => signer.sign('kubelet-client', request, options), /the UID of the node is missing/);
  });
});
