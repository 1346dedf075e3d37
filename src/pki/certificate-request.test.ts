import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseCertificateRequest } from './certificate-request.ts';
import { contextTag, element, octetString, sequence, utf8String } from './der.ts';
import { MAX_REQUEST_BYTES } from './limits.ts';
import { OID, oid } from './oids.ts';
import { ecKey, extensionRequest, pemOf, requestDer, requestPem, rsaKey } from './testing/test-requests.ts';

/** `openssl req -new -subj /O=devs/O=system:masters/CN=jane` */
const fromOpenssl =
  'MIHyMIGZAgEAMDcxDTALBgNVBAoMBGRldnMxFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJzMQ0wCwYDVQQDDARqYW5lMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErX/5btGN1VO98xhwLT+tgDkT1ZxIbW8r19u7S2MKkieCr5DoEuPDpxRVXqMLHJNVDYApJwjf2kN96CPV080+B6AAMAoGCCqGSM49BAMCA0gAMEUCICC/2UVNsr643k9tzKN3dOhq79ndNXfobTWaeTuv1d3qAiEAiYs8fzuC7DHSrnWXhX1bjijrNtQCSg5FD50PccCjIKw=';
const opensslPem = pemOf(Buffer.from(fromOpenssl, 'base64'));
const refused = (pem: string, why: RegExp): void => {
  assert.throws(
    () => parseCertificateRequest(pem),
    (error: Error) => error.name === 'ProtocolError' && why.test(error.message),
  );
};

describe('a certificate request', () => {
  it('is read: subject, names and whether it wants to be an authority', () => {
    const { subject, hasMoreAttributes, names, wantsAuthority } = parseCertificateRequest(opensslPem);
    assert.deepEqual(subject, { commonName: 'jane', organizations: ['devs', 'system:masters'] });
    assert.deepEqual(names, { emails: [], dnsNames: [], uris: [], ipAddresses: [], others: false });
    assert.deepEqual([hasMoreAttributes, wantsAuthority], [false, false]);
    const all = parseCertificateRequest(
      requestPem({
        commonName: 'x',
        more: [['2.5.4.11', 'unit']],
        dnsNames: ['a', 'b.c'],
        ipAddresses: ['10.0.0.1', '2001:db8:0:0::1', '::ffff:10.0.0.2'],
        uris: ['u:v'],
        emails: ['m@x'],
        otherNames: [element(contextTag(8, false), Buffer.from([42]))],
        wantsAuthority: true,
      }),
    );
    assert.deepEqual(all.names, {
      emails: ['m@x'],
      dnsNames: ['a', 'b.c'],
      uris: ['u:v'],
      ipAddresses: ['10.0.0.1', '2001:db8::1', '10.0.0.2'],
      others: true,
    });
    assert.deepEqual([all.hasMoreAttributes, all.wantsAuthority], [true, true]);
  });

  it('is read with every key that a certificate may have, and text before it', () => {
    for (const key of [ecKey(), ecKey('P-384'), ecKey('P-521'), rsaKey(2048), generateKeyPairSync('ed25519')]) {
      const pem = `Subject: somebody\n${requestPem({ commonName: 'x', key })}`;
      assert.equal(parseCertificateRequest(pem).publicKey.equals(key.publicKey), true);
    }
  });

  it('is proven by its signature', () => {
    const key = ecKey();
    refused(requestPem({ commonName: 'x', key, signer: ecKey().privateKey }), /does not belong to the public key/);
    refused(requestPem({ commonName: 'x', key, signer: rsaKey(2048).privateKey }), /does not belong to the public key/);
    refused(requestPem({ commonName: 'x', key, signatureOid: '1.2.840.10045.4.1' }), /algorithm is not supported/);
    refused(requestPem({ commonName: 'x', key: rsaKey(2048), signatureOid: OID.ecdsaWithSha256 }), /does not belong/);
    const der = requestDer({ commonName: 'system:node:a', key });
    for (let at = 4; at < der.length; at += 3) {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.throws(() => parseCertificateRequest(pemOf(changed)), /ProtocolError/, `byte ${at}`);
    }
  });

  it('is one PEM block of its type, whole and no longer than allowed', () => {
    const pem = requestPem({ commonName: 'x' });
    for (const text of ['', 'x', '-----BEGIN CERTIFICATE REQUEST-----\n…', pem.replace('END', 'FIN')]) {
      refused(text, /PEM block type must be CERTIFICATE REQUEST/);
    }
    for (const type of ['CERTIFICATE', 'PRIVATE KEY', 'NEW CERTIFICATE REQUEST']) {
      refused(pemOf(requestDer({ commonName: 'x' }), type), /PEM block type must be CERTIFICATE REQUEST/);
    }
    refused(pem + opensslPem, /one PEM block only/);
    refused(pem.replace(/\n/, '\nHeader: x\n'), /not base64/);
    refused(pemOf(Buffer.concat([requestDer({ commonName: 'x' }), Buffer.from([0])])), /trailing data/);
    refused(pem.padEnd(MAX_REQUEST_BYTES + 1, '\n'), /longer than/);
    assert.equal(parseCertificateRequest(pem.padEnd(MAX_REQUEST_BYTES, '\n')).subject.commonName, 'x');
    const der = requestDer({ commonName: 'x', dnsNames: ['x'] });
    for (let length = 0; length < der.length; length++) refused(pemOf(der.subarray(0, length)), /./);
  });

  it('says everything once', () => {
    const san = (name: string): Buffer =>
      sequence(oid(OID.subjectAltName), octetString(sequence(element(contextTag(2, false), Buffer.from(name)))));
    refused(requestPem({ commonName: 'x', more: [[OID.commonName, 'y']] }), /more than one common name/);
    refused(
      requestPem({
        commonName: 'x',
        more: [
          [OID.kubernetesUid, 'y'],
          [OID.kubernetesUid, 'z'],
        ],
      }),
      /more than one UID/,
    );
    const twice = [extensionRequest(san('a')), extensionRequest(san('b'))];
    refused(requestPem({ commonName: 'x', moreAttributes: twice }), /asked for once/);
    refused(requestPem({ commonName: 'x', moreAttributes: [extensionRequest(san('a'), san('b'))] }), /more than once/);
    refused(requestPem({ commonName: 'x', dnsNames: ['a\0b'] }), /characters that names cannot have/);
    const challenge = sequence(oid('1.2.840.113549.1.9.7'), element(0x31, utf8String('secret')));
    assert.equal(
      parseCertificateRequest(requestPem({ commonName: 'x', moreAttributes: [challenge] })).subject.commonName,
      'x',
    );
  });
});
