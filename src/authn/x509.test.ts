import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { makeCertificate } from '../pki/certificate.ts';
import { testAuthority } from '../pki/testing/test-peers.ts';
import { whyUnauthorized } from './unauthorized.ts';
import { x509Authenticator } from './x509.ts';

const ca = testAuthority('ca');
const authenticator = x509Authenticator();
const rest = { remoteAddress: '10.0.0.1' };

describe('x509', () => {
  it('takes user, groups and UID from the subject, and ends with the certificate', async () => {
    const { certificate, notAfter } = ca.issueClient({ user: 'jane', groups: ['dev', 'ops'], uid: 'u1' });
    const answer = await authenticator.authenticate({
      ...rest,
      certificateState: 'verified',
      peerCertificate: certificate,
    });
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    assert.deepEqual(answer, {
      user: {
        username: 'jane',
        groups: ['dev', 'ops'],
        uid: 'u1',
        extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
      },
      method: 'x509',
      expiresAt: Math.floor(notAfter / 1000) * 1000,
    });
    const again = await authenticator.authenticate({
      ...rest,
      certificateState: 'verified',
      peerCertificate: certificate,
    });
    assert.equal(again, answer);
  });

  it('says of nodes at which address they are seen, unless it is its own', async () => {
    const extraOf = async (groups: string[], remoteAddress: string): Promise<unknown> => {
      const { certificate } = ca.issueClient({ user: 'system:node:n', groups });
      const one = x509Authenticator({ ownAddresses: ['10.0.0.9', '2001:DB8::9'] });
      const answer = await one.authenticate({
        remoteAddress,
        certificateState: 'verified',
        peerCertificate: certificate,
      });
      return answer?.user.extra?.['causeway.dev/remote-address'];
    };
    const nodes = ['system:nodes'];
    assert.deepEqual(await extraOf(nodes, '10.0.0.1'), ['10.0.0.1']);
    assert.deepEqual(await extraOf(nodes, '::ffff:10.0.0.1'), ['10.0.0.1']);
    assert.deepEqual(await extraOf(nodes, '2001:db8:0::1'), ['2001:db8::1']);
    for (const own of ['10.0.0.9', '::ffff:10.0.0.9', '2001:db8::9', 'tunnel']) {
      assert.equal(await extraOf(nodes, own), undefined, own);
    }
    assert.equal(await extraOf(['dev'], '10.0.0.1'), undefined);
  });

  it('does not take a line break in an organization for a second group', async () => {
    const { certificate } = ca.issueClient({ user: 'jane', groups: ['dev\nO=system:masters'] });
    const answer = await authenticator.authenticate({
      ...rest,
      certificateState: 'verified',
      peerCertificate: certificate,
    });
    assert.deepEqual(answer?.user.groups, ['dev\nO=system:masters']);
  });

  it('has no opinion without a certificate', async () => {
    assert.equal(await authenticator.authenticate({ ...rest, certificateState: 'none' }), undefined);
  });

  it('refuses an invalid certificate, whatever it says', async () => {
    const { certificate } = ca.issueClient({ user: 'jane', groups: ['system:masters'] });
    await assert.rejects(
      authenticator.authenticate({ ...rest, certificateState: 'invalid', peerCertificate: certificate }),
      { code: 'Unauthorized', message: 'Unauthorized' },
    );
    await assert.rejects(authenticator.authenticate({ ...rest, certificateState: 'verified' }), {
      code: 'Unauthorized',
    });
  });

  it('refuses a certificate that expires while its connection is open', async () => {
    const { certificate, notAfter } = ca.issueClient({ user: 'jane', groups: [] });
    let now = notAfter - 2000;
    const timed = x509Authenticator({ clock: { now: () => now } });
    const ask = () => timed.authenticate({ ...rest, certificateState: 'verified', peerCertificate: certificate });
    assert.equal((await ask())?.user.username, 'jane');
    now = notAfter;
    await assert.rejects(ask(), { code: 'Unauthorized' });
  });

  it('refuses a certificate without a common name', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const certificate = makeCertificate({
      use: 'client',
      subject: { commonName: '', organizations: ['system:masters'] },
      publicKey,
      notBefore: 0,
      notAfter: Date.now() + 60_000,
      issuerKey: privateKey,
    });
    const asked = authenticator.authenticate({ ...rest, certificateState: 'verified', peerCertificate: certificate });
    const error = await asked.catch((thrown) => thrown);
    assert.equal(error.code, 'Unauthorized');
    assert.equal(whyUnauthorized(error), 'the client certificate has no common name');
  });
});
