import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Secret } from '../../api/generated/types.ts';
import { credentialsFor, placeOf } from './pull-secrets.ts';

function secret(auths: object): Secret {
  const text = JSON.stringify({ auths });
  return {
    metadata: { name: 's' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(text).toString('base64') },
  } as Secret;
}

const entry = (username: string) => ({ username, password: 'p' });

function users(image: string, auths: object): string[] {
  const place = placeOf(image);
  assert.ok(place);
  return credentialsFor(place, [secret(auths)]).map(({ username }) => username);
}

test('knows the registry of a name', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  for (const [image, registry, repository] of [
    ['busybox', 'docker.io', 'busybox'],
    ['team/app:1', 'docker.io', 'team/app'],
    ['index.docker.io/team/app', 'docker.io', 'team/app'],
    ['localhost/app', 'localhost', 'app'],
    ['registry.example:5000/a/b:1', 'registry.example:5000', 'a/b'],
    [`r.example/a@${digest}`, 'r.example', 'a'],
    [`r.example/a:1@${digest}`, 'r.example', 'a'],
  ])
    assert.deepEqual(placeOf(image ?? ''), { registry, repository });
  for (const wrong of ['', 'UPPER CASE', 'a//b', '/a', 'r.example/', 'r.example/Upper', 'a@sha256:00', 'a b', 'a\nb'])
    assert.equal(placeOf(wrong), undefined, wrong);
});

test('gives a credential to its own registry, port and path only; the longest path first', () => {
  const auths = {
    'r.example': entry('host'),
    'https://r.example/team': entry('team'),
    'r.example/team/app': entry('app'),
    'r.example/tea': entry('tea'),
    'r.example:5000': entry('port'),
    'evil-r.example': entry('evil'),
    example: entry('short'),
    '*.sub.example': entry('star'),
    'https://index.docker.io/v1/': entry('hub'),
  };
  assert.deepEqual(users('r.example/team/app:1', auths), ['app', 'team', 'host']);
  assert.deepEqual(users('r.example/other', auths), ['host']);
  assert.deepEqual(users('r.example:5000/team/app', auths), ['port']);
  assert.deepEqual(users('a.sub.example/x', auths), ['star']);
  assert.deepEqual(users('sub.example/x', auths), []);
  assert.deepEqual(users('a.b.sub.example/x', auths), []);
  assert.deepEqual(users('busybox', auths), ['hub']);
  assert.deepEqual(users('r.example.attacker.example/x', auths), []);
});

test('reads both kinds of secrets and both ways to say a password, shows none, and passes over what is broken', () => {
  const place = placeOf('r.example/x');
  assert.ok(place);
  const auth = Buffer.from('me:pa:ss').toString('base64');
  const old = {
    type: 'kubernetes.io/dockercfg',
    data: { '.dockercfg': Buffer.from(JSON.stringify({ 'r.example': { auth } })).toString('base64') },
  };
  const found = credentialsFor(place, [old as unknown as Secret]);
  assert.equal(found[0]?.password.reveal(), 'pa:ss');
  assert.ok(!JSON.stringify(found).includes('pa:ss'));
  const opaque = { ...secret({ 'r.example': entry('x') }), type: 'Opaque' };
  const broken = {
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': 'bnVsbA==' },
  } as unknown as Secret;
  const rubbish = {
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': 'e3s=' },
  } as unknown as Secret;
  assert.deepEqual(
    credentialsFor(place, [
      opaque,
      broken,
      rubbish,
      secret({ 'r.example': null }),
      secret({ 'r.example': { auth: 'Og==' } }),
    ]),
    [],
  );
});
