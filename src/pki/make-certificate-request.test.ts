import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { it } from 'node:test';
import { parseCertificateRequest } from './certificate-request.ts';
import { makeCertificateRequest, newPrivateKey } from './make-certificate-request.ts';

const subject = { commonName: 'system:node:n1', organizations: ['system:nodes'] };

it('a request says what it was made of, is signed by its key, and does not hold it', () => {
  const key = newPrivateKey();
  const names = { dnsNames: ['n1'], ipAddresses: ['192.0.2.1', '2001:db8::1'], uris: [] };
  const pem = makeCertificateRequest(key, subject, names);
  const read = parseCertificateRequest(pem);
  assert.deepEqual(read.subject, subject);
  assert.deepEqual([read.names.dnsNames, read.names.ipAddresses], [['n1'], ['192.0.2.1', '2001:db8::1']]);
  assert.deepEqual(parseCertificateRequest(makeCertificateRequest(key, subject)).names.dnsNames, []);
  assert.ok(!pem.includes('PRIVATE'));
  const text = execFileSync('openssl', ['req', '-verify', '-noout', '-text'], {
    input: pem,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  assert.match(text.toString(), /O = system:nodes, CN = system:node:n1[\s\S]*DNS:n1, IP Address:192\.0\.2\.1/);
});
