import assert from 'node:assert/strict';
import { it } from 'node:test';
import { requestedSubject } from './certificate-request.ts';

/** `openssl req -new -subj /O=devs/O=system:masters/CN=jane` */
const request =
  'MIHyMIGZAgEAMDcxDTALBgNVBAoMBGRldnMxFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJzMQ0wCwYDVQQDDARqYW5lMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErX/5btGN1VO98xhwLT+tgDkT1ZxIbW8r19u7S2MKkieCr5DoEuPDpxRVXqMLHJNVDYApJwjf2kN96CPV080+B6AAMAoGCCqGSM49BAMCA0gAMEUCICC/2UVNsr643k9tzKN3dOhq79ndNXfobTWaeTuv1d3qAiEAiYs8fzuC7DHSrnWXhX1bjijrNtQCSg5FD50PccCjIKw=';
const pem = (body: string, type = 'CERTIFICATE REQUEST'): string =>
  `-----BEGIN ${type}-----\n${body.match(/.{1,64}/g)?.join('\n')}\n-----END ${type}-----\n`;

it('reads whom a certificate request asks for', () => {
  assert.deepEqual(requestedSubject(pem(request)), { commonName: 'jane', organizations: ['devs', 'system:masters'] });
});

it('reads nothing of what is no request', () => {
  const der = Buffer.from(request, 'base64');
  for (const text of ['', 'x', pem(request, 'CERTIFICATE'), pem(request, 'PRIVATE KEY')]) {
    assert.throws(() => requestedSubject(text), /PEM block type must be CERTIFICATE REQUEST/, text);
  }
  for (let length = 0; length < der.length; length += 7) {
    assert.throws(() => requestedSubject(pem(der.subarray(0, length).toString('base64'))), /^ProtocolError: /);
  }
});
