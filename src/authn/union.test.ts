import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CausewayError } from '../lib/errors.ts';
import { testAuthority } from '../pki/testing/test-peers.ts';
import { anonymousAuthenticator } from './anonymous.ts';
import type { Authenticator, Credentials } from './authenticator.ts';
import { tokenFileAuthenticator } from './token-file.ts';
import { unauthorized } from './unauthorized.ts';
import { unionAuthenticator, unionTokenReviewer } from './union.ts';
import { x509Authenticator } from './x509.ts';

const ca = testAuthority('ca');
const peerCertificate = ca.issueClient({ user: 'jane', groups: ['dev'] }).certificate;
const tokens = tokenFileAuthenticator('good,joe,u1,"ops,system:authenticated"\nbare,ann,u2', { apiAudiences: ['api'] });
const fussy: Authenticator = {
  name: 'fussy',
  authenticate: async ({ bearerToken }) => {
    if (bearerToken?.startsWith('fussy-')) throw unauthorized('mine, and wrong');
    return undefined;
  },
};
const union = unionAuthenticator([x509Authenticator(), fussy, tokens, anonymousAuthenticator()]);
const ask = (credentials: Partial<Credentials>) =>
  union.authenticate({ certificateState: 'none', remoteAddress: '10.0.0.1', path: '/api/v1/pods', ...credentials });

describe('union of authenticators', () => {
  it('adds system:authenticated once to everybody', async () => {
    const byCertificate = await ask({ certificateState: 'verified', peerCertificate });
    assert.deepEqual(byCertificate?.user.groups, ['dev', 'system:authenticated']);
    assert.equal(byCertificate?.method, 'x509');
    assert.deepEqual((await ask({ bearerToken: 'good' }))?.user.groups, ['ops', 'system:authenticated']);
    assert.deepEqual((await ask({ bearerToken: 'bare' }))?.user.groups, ['system:authenticated']);
  });

  it('lets the certificate decide when both are good', async () => {
    const both = await ask({ certificateState: 'verified', peerCertificate, bearerToken: 'good' });
    assert.equal(both?.user.username, 'jane');
  });

  const refused: [string, Partial<Credentials>][] = [
    ['an unknown token', { bearerToken: 'wrong' }],
    ['an empty token', { bearerToken: '' }],
    ['a token that its owner refuses', { bearerToken: 'fussy-1' }],
    ['no credential', {}],
    ['an invalid certificate', { certificateState: 'invalid', peerCertificate }],
    ['an invalid certificate with a good token', { certificateState: 'invalid', peerCertificate, bearerToken: 'good' }],
    ['a good certificate with a wrong token', { certificateState: 'verified', peerCertificate, bearerToken: 'wrong' }],
    ['an unknown token on an anonymous path', { bearerToken: 'wrong', path: '/healthz' }],
    ['an invalid certificate on an anonymous path', { certificateState: 'invalid', peerCertificate, path: '/healthz' }],
  ];
  for (const [what, credentials] of refused) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(ask(credentials), { code: 'Unauthorized', message: 'Unauthorized' });
    });
  }

  it('is anonymous on its few paths only, without system:authenticated', async () => {
    for (const path of ['/livez', '/readyz', '/healthz', '/version']) {
      assert.deepEqual(await ask({ path }), {
        user: { username: 'system:anonymous', groups: ['system:unauthenticated'] },
        method: 'anonymous',
      });
    }
    for (const path of [
      '/',
      '/api',
      '/livez/',
      '/livez/x',
      '/LIVEZ',
      '//livez',
      '/version/../api',
      '/metrics',
      '/openapi/v2',
    ]) {
      await assert.rejects(ask({ path }), { code: 'Unauthorized' }, path);
    }
  });

  it('tries the others when one refuses, and prefers to say that it could not decide', async () => {
    const broken: Authenticator = {
      name: 'broken',
      authenticate: async ({ bearerToken }) => {
        if (bearerToken !== undefined) throw new CausewayError('InternalError', 'storage is away');
        return undefined;
      },
    };
    const tolerant = unionAuthenticator([broken, fussy, tokens]);
    const credentials = { certificateState: 'none', remoteAddress: '10.0.0.1' } as const;
    assert.equal((await tolerant.authenticate({ ...credentials, bearerToken: 'good' }))?.user.username, 'joe');
    await assert.rejects(tolerant.authenticate({ ...credentials, bearerToken: 'fussy-1' }), { code: 'InternalError' });
  });

  it('reviews tokens by whoever knows them', async () => {
    const reviewer = unionTokenReviewer([tokens]);
    const found = await reviewer.reviewToken('bare', []);
    assert.deepEqual(found?.user.groups, ['system:authenticated']);
    assert.equal(await reviewer.reviewToken('wrong', []), undefined);
  });
});
