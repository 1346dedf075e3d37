import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signToken } from '../authn/json-web-token.ts';
import type { RestClient } from '../client/rest-client.ts';
import { ServiceAccountKeys } from '../pki/service-account-keys.ts';
import { tokenReviewAuthenticator } from './delegated-auth.ts';

const START = Date.UTC(2026, 10, 24, 8);

function setup() {
  let now = START;
  const asked: string[] = [];
  const json = async (_method: string, _path: string, body: { spec: { token: string } }): Promise<unknown> => {
    asked.push(body.spec.token);
    return { status: { authenticated: true, user: { username: 'ann', groups: ['a'] } } };
  };
  const authenticator = tokenReviewAuthenticator({ json } as unknown as RestClient, { now: () => now });
  return {
    asked,
    at: (seconds: number) => {
      now = START + seconds * 1000;
    },
    ask: (bearerToken: string) =>
      authenticator.authenticate({ bearerToken, certificateState: 'none', remoteAddress: '10.0.0.1' }),
  };
}

test('a token that is accepted ends when it says so, and no answer outlives it', async () => {
  const keys = new ServiceAccountKeys([ServiceAccountKeys.generate()]);
  const token = signToken({ exp: START / 1000 + 30 }, keys.signingKey());
  const { asked, at, ask } = setup();
  assert.equal((await ask(token))?.expiresAt, START + 30_000);
  at(29);
  await ask(token);
  assert.equal(asked.length, 1, 'the answer is remembered');
  at(30);
  await ask(token);
  assert.equal(asked.length, 2, 'whether it still holds is asked');
});

test('a token that says nothing has no end here, and is asked about again after two minutes', async () => {
  const { asked, at, ask } = setup();
  for (const token of ['static', 'a.b.c']) assert.equal((await ask(token))?.expiresAt, undefined);
  at(119);
  await ask('static');
  assert.equal(asked.length, 2);
  at(121);
  await ask('static');
  assert.equal(asked.length, 3);
});
