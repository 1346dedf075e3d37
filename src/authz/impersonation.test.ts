import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserInfo } from '../api/user-info.ts';
import { CausewayError, isCode } from '../lib/errors.ts';
import type { Attributes, Authorizer } from './authorizer.ts';
import { impersonate, parseImpersonation } from './impersonation.ts';

const alice: UserInfo = { username: 'alice', groups: ['system:authenticated'] };

/** Allows the checks that are listed as `resource[/subresource] namespace/name`. */
function allowing(...allowed: string[]): Authorizer {
  return {
    name: 'test',
    authorize: async (a: Attributes) => {
      assert.equal(a.verb, 'impersonate');
      assert.equal(a.user, alice, 'the requester is asked about, never the one to become');
      const key = `${a.resource}${a.subresource === '' ? '' : `/${a.subresource}`} ${a.namespace}/${a.name}`;
      return { verdict: allowed.includes(key) ? 'allow' : 'no-opinion', reason: '' };
    },
  };
}

async function refusal(attempt: Promise<unknown>): Promise<CausewayError> {
  const error = await attempt.then(
    () => assert.fail('it was allowed'),
    (e: unknown) => e,
  );
  assert.ok(error instanceof CausewayError);
  return error;
}

test("without a right nobody is impersonated, and the sentence is Kubernetes'", async () => {
  const error = await refusal(impersonate(allowing(), alice, ['Impersonate-User', 'bob']));
  assert.equal(error.code, 'Forbidden');
  assert.equal(
    error.message,
    'users "bob" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope',
  );
  const account = await refusal(impersonate(allowing(), alice, ['impersonate-user', 'system:serviceaccount:ci:robot']));
  assert.equal(
    account.message,
    'serviceaccounts "robot" is forbidden: User "alice" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "ci"',
  );
});

test('the right on a user gives neither a group, nor extra, nor a uid', async () => {
  const user = ['Impersonate-User', 'bob'];
  const only = allowing('users /bob');
  assert.deepEqual(await impersonate(only, alice, user), { username: 'bob', groups: ['system:authenticated'] });
  assert.match(
    (await refusal(impersonate(only, alice, [...user, 'Impersonate-Group', 'system:masters']))).message,
    /^groups "system:masters" is forbidden/,
  );
  assert.match(
    (await refusal(impersonate(only, alice, [...user, 'Impersonate-Extra-Scopes', 'all']))).message,
    /^userextras.authentication.k8s.io "all" is forbidden: User "alice" cannot impersonate resource "userextras\/scopes" in API group "authentication.k8s.io" at the cluster scope$/,
  );
  assert.match(
    (await refusal(impersonate(only, alice, [...user, 'Impersonate-Uid', '1']))).message,
    /^uids.authentication.k8s.io "1" is forbidden/,
  );
});

test('everything that was allowed becomes the user', async () => {
  const authorizer = allowing(
    'users /bob',
    'groups /dev',
    'groups /ops',
    'userextras/example.org/scope /a',
    'userextras/example.org/scope /b',
    'uids /u-1',
  );
  const headers = [
    'Impersonate-User',
    'bob',
    'Impersonate-Group',
    'dev',
    'impersonate-group',
    'ops',
    'Impersonate-Extra-Example.org%2fScope',
    'a',
    'Impersonate-Extra-example.org%2Fscope',
    'b',
    'Impersonate-Uid',
    'u-1',
    'Accept',
    '*/*',
  ];
  assert.deepEqual(await impersonate(authorizer, alice, headers), {
    username: 'bob',
    uid: 'u-1',
    groups: ['dev', 'ops', 'system:authenticated'],
    extra: { 'example.org/scope': ['a', 'b'] },
  });
});

test('a service account gets its own groups; anonymous is not made authenticated', async () => {
  assert.deepEqual(
    await impersonate(allowing('serviceaccounts ci/robot'), alice, [
      'Impersonate-User',
      'system:serviceaccount:ci:robot',
    ]),
    {
      username: 'system:serviceaccount:ci:robot',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:ci', 'system:authenticated'],
    },
  );
  assert.deepEqual(
    await impersonate(allowing('users /system:anonymous'), alice, ['Impersonate-User', 'system:anonymous']),
    {
      username: 'system:anonymous',
      groups: ['system:unauthenticated'],
    },
  );
});

test('no header, no impersonation', () => {
  assert.equal(parseImpersonation(alice, ['Accept', '*/*', 'X-Impersonate-User', 'root']), undefined);
});

test('headers that could be read in two ways, or hide something, are refused', () => {
  const bad: string[][] = [
    ['Impersonate-Group', 'system:masters'],
    ['Impersonate-Uid', '1'],
    ['Impersonate-Extra-A', '1'],
    ['Impersonate-User', ''],
    ['Impersonate-User', 'bob', 'impersonate-USER', 'root'],
    ['Impersonate-User', 'bob', 'Impersonate-Uid', '1', 'Impersonate-Uid', '2'],
    ['Impersonate-User', 'bob', 'Impersonate-Group', ''],
    ['Impersonate-User', 'bob\r\nImpersonate-Group: system:masters'],
    ['Impersonate-User', 'bob\u0000'],
    ['Impersonate-User', 'bob', 'Impersonate-Role', 'x'],
    ['Impersonate-User', 'bob', 'Impersonate-Extra-%zz', 'x'],
    ['Impersonate-User', 'bob', 'Impersonate-Extra-%0a', 'x'],
    ['Impersonate-User', 'bob', 'Impersonate-Extra-', 'x'],
    ['Impersonate-User', 'b'.repeat(1025)],
    ['Impersonate-User', 'bob', ...Array.from({ length: 128 }, (_, i) => ['Impersonate-Group', `g${i}`]).flat()],
  ];
  for (const headers of bad) {
    assert.throws(
      () => parseImpersonation(alice, headers),
      (error) => isCode(error, 'BadRequest'),
      headers.join(' ').slice(0, 80),
    );
  }
  assert.ok(parseImpersonation(alice, ['Impersonate-User', 'b'.repeat(1024)]));
  assert.ok(
    parseImpersonation(alice, [
      'Impersonate-User',
      'b',
      ...Array.from({ length: 127 }, () => ['Impersonate-Group', 'g']).flat(),
    ]),
  );
});

test('nobody says at which address the apiserver sees a node', () => {
  for (const key of ['causeway.dev%2fremote-address', 'Causeway.dev%2FRemote-Address', 'causeway.dev/remote-address']) {
    assert.throws(
      () => parseImpersonation(alice, ['Impersonate-User', 'bob', `Impersonate-Extra-${key}`, '10.0.0.1']),
      /causeway.dev\/remote-address is what the apiserver sees: nobody can impersonate it/,
    );
  }
});

test('an extra key cannot reach the prototype', () => {
  const result = parseImpersonation(alice, ['Impersonate-User', 'bob', 'Impersonate-Extra-__proto__', 'x']);
  assert.deepEqual(Object.keys(result?.user.extra ?? {}), ['__proto__']);
  assert.equal(({} as Record<string, unknown>)['0'], undefined);
});
