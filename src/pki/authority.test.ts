import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Secret } from '../lib/secret.ts';
import { CertificateAuthority } from './authority.ts';
import { OID } from './oids.ts';
import { dnsNamesOf, subjectOf, uriNamesOf } from './subject.ts';
import { testAuthority } from './testing/test-peers.ts';

const NOW = Date.UTC(2026, 10, 24, 8, 0, 0);
const clock = { now: () => NOW };
const DAY = 86_400_000;

describe('CertificateAuthority', () => {
  const authority = testAuthority('test-ca', clock);

  it('makes a CA of ten years that may not have intermediates', () => {
    const { certificate } = authority;
    assert.equal(certificate.ca, true);
    assert.equal(certificate.validFromDate.getTime(), NOW - 5 * 60_000);
    assert.equal(certificate.validToDate.getTime(), NOW + 3652 * DAY);
    assert.ok(certificate.verify(certificate.publicKey));
  });

  it('issues serving certificates for servers only', () => {
    const issued = authority.issueServing({
      commonName: 'kube-apiserver',
      organizations: ['o'],
      dnsNames: ['localhost', 'kubernetes.default.svc'],
      ipAddresses: ['127.0.0.1', '::1', 'fd00::1:2', '::ffff:10.0.0.1'],
      uris: ['causeway:node-uid:x'],
    });
    const { certificate } = issued;
    assert.deepEqual(certificate.keyUsage, [OID.serverAuth]);
    assert.equal(certificate.ca, false);
    assert.equal(certificate.checkHost('kubernetes.default.svc'), 'kubernetes.default.svc');
    assert.equal(certificate.checkHost('kube-apiserver'), undefined);
    for (const ip of ['127.0.0.1', '::1', 'fd00::1:2', '::ffff:10.0.0.1']) assert.equal(certificate.checkIP(ip), ip);
    assert.equal(certificate.checkIP('127.0.0.2'), undefined);
    assert.deepEqual(dnsNamesOf(certificate), ['localhost', 'kubernetes.default.svc']);
    assert.deepEqual(uriNamesOf(certificate), ['causeway:node-uid:x']);
    assert.ok(certificate.checkIssued(authority.certificate));
    assert.ok(certificate.verify(authority.certificate.publicKey));
    assert.equal(issued.notBefore, NOW - 5 * 60_000);
    assert.equal(issued.notAfter, NOW + 7 * DAY);
    assert.equal(certificate.validToDate.getTime(), issued.notAfter);
  });

  it('issues client certificates for clients only, with user, groups and UID', () => {
    const { certificate, notAfter } = authority.issueClient({
      user: 'jané, CN=root',
      groups: ['system:masters', 'a\nO=b', 'c+d'],
      uid: 'u-1',
      days: 365,
    });
    assert.deepEqual(certificate.keyUsage, [OID.clientAuth]);
    assert.deepEqual(subjectOf(certificate), {
      commonName: 'jané, CN=root',
      organizations: ['system:masters', 'a\nO=b', 'c+d'],
      uid: 'u-1',
    });
    assert.equal(notAfter, NOW + 365 * DAY);
    assert.equal(certificate.subjectAltName, undefined);
  });

  it('gives each certificate a positive serial number of 20 random bytes', () => {
    const serials = new Set<string>();
    for (let i = 0; i < 50; i++) serials.add(authority.issueClient({ user: 'u', groups: [] }).certificate.serialNumber);
    assert.equal(serials.size, 50);
    for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{39}$/);
  });

  it('issues nothing that outlives the CA', () => {
    const late = { now: () => NOW + 3650 * DAY };
    const { certificatePem, privateKeyPem } = CertificateAuthority.create('old', { clock });
    const old = new CertificateAuthority(certificatePem, privateKeyPem, { clock: late });
    assert.equal(old.issueClient({ user: 'u', groups: [] }).notAfter, NOW + 3652 * DAY);
  });

  it('refuses an expired CA, one that is not valid yet, a leaf, and a foreign key', () => {
    const made = CertificateAuthority.create('a', { clock });
    const other = CertificateAuthority.create('a', { clock });
    const at = (now: number) => ({ clock: { now: () => now } });
    assert.throws(() => new CertificateAuthority(made.certificatePem, made.privateKeyPem, at(NOW + 3652 * DAY)), {
      message: /^the certificate expired on /,
    });
    assert.throws(() => new CertificateAuthority(made.certificatePem, made.privateKeyPem, at(NOW - DAY)), {
      message: /^the certificate is not valid before /,
    });
    assert.throws(() => new CertificateAuthority(made.certificatePem, other.privateKeyPem, { clock }), {
      message: 'the private key does not belong to the certificate',
    });
    const leaf = authority.issueClient({ user: 'u', groups: [] });
    assert.throws(() => new CertificateAuthority(leaf.certificatePem, leaf.privateKeyPem, { clock }), {
      message: 'the certificate is not one of a CA',
    });
    assert.throws(() => new CertificateAuthority(made.certificatePem, new Secret('x'), { clock }), {
      message: 'the private key cannot be parsed',
    });
  });

  const openssl = spawnSync('openssl', ['version']).status === 0;
  it('makes what OpenSSL accepts strictly, for the one purpose', { skip: openssl ? false : 'no openssl' }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'causeway-pki-'));
    try {
      const real = testAuthority('strict-ca');
      const write = (name: string, pem: string) => {
        writeFileSync(join(folder, name), pem);
        return join(folder, name);
      };
      const ca = write('ca.crt', real.certificatePem);
      const server = write(
        's.crt',
        real.issueServing({ commonName: 's', dnsNames: ['s'], ipAddresses: ['::1'] }).certificatePem,
      );
      const client = write('c.crt', real.issueClient({ user: 'ü', groups: ['g'], uid: '1' }).certificatePem);
      const verify = (purpose: string, file: string) =>
        spawnSync('openssl', ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca, file]).status;
      assert.equal(verify('sslserver', server), 0);
      assert.equal(verify('sslclient', client), 0);
      assert.notEqual(verify('sslclient', server), 0);
      assert.notEqual(verify('sslserver', client), 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('takes the issuer name from the CA byte for byte', () => {
    const { certificate } = authority.issueClient({ user: 'u', groups: [] });
    assert.equal(certificate.issuer, authority.certificate.subject);
    assert.equal(new X509Certificate(certificate.toString()).fingerprint256, certificate.fingerprint256);
  });
});
