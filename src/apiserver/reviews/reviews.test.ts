import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Attributes } from '../../authz/authorizer.ts';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import type { TestAnswer, TestClient } from '../testing/test-client.ts';

let server: TestApiserver;
let admin: TestClient;
let lastAsked: Attributes | undefined;
const authorization = '/apis/authorization.k8s.io/v1';
const authentication = '/apis/authentication.k8s.io/v1';

before(async () => {
  server = await startTestApiserver({
    tokenFile: 'alices-token,alice,1,"devs"\n',
    authorizer: {
      name: 'test',
      authorize: async (attributes) => {
        lastAsked = attributes;
        if (attributes.user.username === 'mallory') return { verdict: 'deny', reason: 'never' };
        return attributes.verb === 'get'
          ? { verdict: 'allow', reason: 'reads' }
          : { verdict: 'no-opinion', reason: '' };
      },
    },
  });
  admin = server.client();
});
after(() => server.close());

async function status(path: string, body: object, client = admin): Promise<TestAnswer['json']> {
  const answer = await client.post(path, body);
  assert.equal(answer.status, 201, answer.text);
  return answer.json.status;
}

describe('access reviews', () => {
  const resourceAttributes = {
    verb: 'get',
    resource: 'pods',
    subresource: 'log',
    namespace: 'x',
    name: 'p',
    group: 'g',
  };

  it('ask the authoriser exactly what is asked', async () => {
    assert.deepEqual(
      await status(`${authorization}/subjectaccessreviews`, {
        spec: { resourceAttributes, user: 'bob', groups: ['a'], uid: 'u', extra: { k: ['v'] } },
      }),
      { allowed: true, reason: 'reads' },
    );
    assert.deepEqual(lastAsked, {
      user: { username: 'bob', groups: ['a'], uid: 'u', extra: { k: ['v'] } },
      resourceRequest: true,
      verb: 'get',
      namespace: 'x',
      apiGroup: 'g',
      apiVersion: '*',
      resource: 'pods',
      subresource: 'log',
      name: 'p',
      path: '',
    });
    assert.deepEqual(
      await status(`${authorization}/subjectaccessreviews`, { spec: { resourceAttributes, user: 'mallory' } }),
      { allowed: false, denied: true, reason: 'never' },
    );
    assert.deepEqual(
      await status(`${authorization}/subjectaccessreviews`, {
        spec: { nonResourceAttributes: { verb: 'post', path: '/x' }, groups: ['a'] },
      }),
      { allowed: false },
    );
    assert.equal(lastAsked?.path, '/x');
  });

  it('ask about the caller itself', async () => {
    assert.equal(
      (await status(`${authorization}/selfsubjectaccessreviews`, { spec: { resourceAttributes } })).allowed,
      true,
    );
    const rules = await status(`${authorization}/selfsubjectrulesreviews`, { spec: { namespace: 'x' } });
    assert.deepEqual(rules, {
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [],
      incomplete: false,
    });
  });

  it('refuse what asks nothing, or too much', async () => {
    const refusals: readonly [path: string, spec: object, message: RegExp][] = [
      [
        'subjectaccessreviews',
        { user: 'x' },
        /exactly one of nonResourceAttributes or resourceAttributes must be specified/,
      ],
      [
        'subjectaccessreviews',
        { user: 'x', resourceAttributes, nonResourceAttributes: { path: '/', verb: 'get' } },
        /cannot be specified in combination with resourceAttributes/,
      ],
      ['subjectaccessreviews', { resourceAttributes }, /at least one of user or group must be specified/],
      ['selfsubjectaccessreviews', {}, /exactly one of/],
    ];
    for (const [path, spec, message] of refusals) {
      const answer = await admin.post(`${authorization}/${path}`, { spec });
      assert.equal(answer.status, 422, answer.text);
      assert.match(answer.json.message, message);
    }
    const local = `${authorization}/namespaces/default/localsubjectaccessreviews`;
    assert.match(
      (await admin.post(local, { spec: { user: 'x', resourceAttributes } })).json.message,
      /must match metadata\.namespace/,
    );
    assert.equal(
      (
        await status(local, {
          spec: { user: 'x', resourceAttributes: { ...resourceAttributes, namespace: 'default' } },
        })
      ).allowed,
      true,
    );
    assert.equal((await admin.get(`${authorization}/subjectaccessreviews`)).status, 405);
    for (const path of ['subjectaccessreviews/x', 'localsubjectaccessreviews']) {
      assert.equal((await admin.get(`${authorization}/${path}`)).status, 404, path);
    }
    assert.equal((await admin.post(`${authorization}/localsubjectaccessreviews`, {})).status, 404);
  });

  it('are no objects: they have no metadata but the namespace of the URL', async () => {
    const named = await admin.post(`${authorization}/selfsubjectaccessreviews`, {
      metadata: { name: 'x', creationTimestamp: null, labels: {} },
      spec: { resourceAttributes },
    });
    assert.deepEqual(
      [named.status, named.json.message],
      [
        422,
        'SelfSubjectAccessReview.authorization.k8s.io "" is invalid: metadata: Invalid value: {"name":"x"}: must be empty',
      ],
    );
    const local = `${authorization}/namespaces/default/localsubjectaccessreviews`;
    const spec = { user: 'x', resourceAttributes: { ...resourceAttributes, namespace: 'default' } };
    assert.deepEqual((await admin.post(local, { spec })).json.metadata, { namespace: 'default' });
    const other = await admin.post(local, { metadata: { namespace: 'other' }, spec });
    assert.deepEqual(
      [other.status, other.json.message],
      [400, 'the namespace of the provided object does not match the namespace sent on the request'],
    );
  });

  it('pass on what a list would be narrowed to', async () => {
    const ask = async (fieldSelector: object): Promise<Attributes['fieldSelector']> => {
      await status(`${authorization}/subjectaccessreviews`, {
        spec: { user: 'x', resourceAttributes: { verb: 'get', resource: 'pods', fieldSelector } },
      });
      return lastAsked?.fieldSelector;
    };
    const node = { key: 'spec.nodeName', operator: '=', value: 'n1' };
    assert.deepEqual(await ask({ rawSelector: 'spec.nodeName=n1' }), [node]);
    const requirements = [
      { key: 'spec.nodeName', operator: 'In', values: ['n1'] },
      { key: 'a', operator: 'NotIn', values: ['b'] },
      { key: 'c', operator: 'In', values: ['d', 'e'] },
      { key: 'f', operator: 'Later', values: ['g'] },
    ];
    assert.deepEqual(await ask({ requirements }), [node, { key: 'a', operator: '!=', value: 'b' }]);
    assert.equal(await ask({ rawSelector: 'no selector' }), undefined);
    const both = await admin.post(`${authorization}/subjectaccessreviews`, {
      spec: { user: 'x', resourceAttributes: { fieldSelector: { rawSelector: 'a=b', requirements } } },
    });
    assert.match(
      both.json.message,
      /rawSelector: Invalid value: "a=b": may not specified at the same time as requirements/,
    );
  });
});

describe('authentication reviews', () => {
  it('say whose a token is, and that one is nobody’s', async () => {
    assert.deepEqual(await status(`${authentication}/tokenreviews`, { spec: { token: 'alices-token' } }), {
      authenticated: true,
      user: { username: 'alice', uid: '1', groups: ['devs', 'system:authenticated'] },
      audiences: ['https://kubernetes.default.svc.cluster.local'],
    });
    const wrong = await status(`${authentication}/tokenreviews`, { spec: { token: 'wrong' } });
    assert.deepEqual(wrong, { user: {}, error: 'invalid bearer token' });
    assert.equal((await admin.post(`${authentication}/tokenreviews`, { spec: {} })).status, 400);
  });

  it('say who the caller is', async () => {
    const alice = server.client('none', 'alices-token');
    const answer = await alice.post(`${authentication}/selfsubjectreviews`, {});
    // The authoriser of this test allows reading only.
    assert.equal(answer.status, 403);
    assert.deepEqual(
      (
        await status(`${authentication}/selfsubjectreviews`, {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'SelfSubjectReview',
        })
      ).userInfo.username,
      'admin',
    );
  });
});
