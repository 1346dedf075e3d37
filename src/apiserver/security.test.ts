import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Attributes } from '../authz/authorizer.ts';
import { limits } from './limits.ts';
import { startTestApiserver, type TestApiserver } from './testing/test-apiserver.ts';
import type { TestAnswer, TestClient } from './testing/test-client.ts';
import { testPki } from './testing/test-pki.ts';

let server: TestApiserver;
let admin: TestClient;
const asked: Attributes[] = [];
const secretToken = 'token-that-must-never-be-logged';

before(async () => {
  server = await startTestApiserver({
    tokenFile: `${secretToken},alice,alice-uid,"devs"\n`,
    authorizer: {
      name: 'test',
      authorize: async (attributes) => {
        asked.push(attributes);
        const { user, verb, resource, namespace, path, name } = attributes;
        const allowed =
          path === '/version' ||
          (user.username === 'alice' && verb === 'get' && resource === 'configmaps' && namespace === 'default') ||
          (user.username === 'alice' && verb === 'impersonate' && resource === 'users' && name === 'bob') ||
          (user.username === 'bob' && verb === 'list' && resource === 'nodes');
        return allowed ? { verdict: 'allow', reason: '' } : { verdict: 'no-opinion', reason: 'no rule' };
      },
    },
  });
  admin = server.client();
});
after(() => server.close());

const unauthorized = { code: 401, reason: 'Unauthorized', message: 'Unauthorized' };

function status(answer: TestAnswer): object {
  const { code, reason, message } = answer.json;
  assert.equal(answer.status, code);
  return { code, reason, message };
}

describe('who asks', () => {
  it('lets nobody in without credentials, but to ask for health and version', async () => {
    const nobody = server.client('none');
    for (const path of ['/livez', '/readyz', '/healthz', '/version']) {
      assert.equal((await nobody.get(path)).status, path === '/version' ? 200 : 403, path);
    }
    for (const path of [
      '/api',
      '/api/v1/pods',
      '/metrics',
      '/openapi/v2',
      '/livez/ping',
      '/',
      '/version/x',
      '/openid/v1/jwks',
    ]) {
      assert.deepEqual(status(await nobody.get(path)), unauthorized, path);
    }
    assert.deepEqual(status(await nobody.post('/api/v1/namespaces/default/configmaps', {})), unauthorized);
  });

  it('refuses wrong credentials, and never takes them for none', async () => {
    for (const authorization of ['Bearer wrong', 'Basic YTpi', 'Bearer', 'Bearer a b', `bearer ${secretToken}x`]) {
      const answer = await server.client('none').get('/version', { authorization });
      assert.deepEqual(status(answer), unauthorized, authorization);
    }
    assert.equal((await server.client('none', secretToken).get('/version')).status, 200);
  });

  it('refuses certificates of a foreign CA and of the wrong one of ours, and expired ones', async () => {
    const foreign = await testPki();
    const identities = [
      foreign.pki.issueClient({ user: 'admin', groups: ['system:masters'] }),
      server.pki.issueKubeletClient({ user: 'admin', groups: ['system:masters'] }),
      server.pki.issueFrontProxyClient({ user: 'admin', groups: ['system:masters'] }),
      server.pki.issueClient({ user: 'admin', groups: ['system:masters'], days: 1 / 86_400 }),
    ];
    await new Promise<void>((resolve) => setTimeout(resolve, 1_200));
    for (const identity of identities) {
      const client = server.client(identity);
      assert.deepEqual(status(await client.get('/api/v1/nodes')), unauthorized);
      assert.deepEqual(status(await client.get('/version')), unauthorized, 'a bad certificate is not anonymous');
    }
    await foreign.close();
    const failed = server.paths
      .list()
      .filter((p) => p.spec.path === 'client-to-apiserver' && p.status.connections.failed > 0);
    assert.ok(failed.length > 0);
  });

  it('believes a component, and nobody else, what it says of how it verified the server', async () => {
    const said = { 'causeway-verified-by': 'cluster CA, name x' };
    const statusOf = (name: string) => server.paths.get(name)?.status;
    const scheduler = server.client(server.pki.issueClient({ user: 'system:kube-scheduler', groups: [] }));
    await scheduler.get('/api/v1/nodes', said);
    assert.deepEqual(
      [statusOf('scheduler-to-apiserver')?.serverVerifiedBy, statusOf('scheduler-to-apiserver')?.verdict],
      ['cluster CA, name x', 'Safe'],
    );
    const node = server.client(server.pki.issueClient({ user: 'system:node:odd', groups: ['system:nodes'] }));
    await node.get('/api/v1/nodes/odd', { 'causeway-verified-by': 'x'.repeat(513) });
    assert.equal(statusOf('kubelet-to-apiserver.odd')?.serverVerifiedBy, undefined);
    const jane = server.client(server.pki.issueClient({ user: 'jane', groups: [] }));
    await jane.get('/api/v1/nodes', said);
    assert.equal(statusOf('client-to-apiserver.jane')?.serverVerifiedBy, 'the client (not observable)');
  });

  it('takes no identity from headers', async () => {
    const client = server.client('none', secretToken);
    await client.get('/api/v1/nodes', {
      'x-remote-user': 'admin',
      'x-remote-group': 'system:masters',
      'x-forwarded-for': '127.0.0.1',
      'x-client-cert': 'x',
    });
    assert.equal(asked.at(-1)?.user.username, 'alice');
    assert.deepEqual(asked.at(-1)?.user.groups, ['devs', 'system:authenticated']);
  });
});

describe('who may', () => {
  it('refuses with Kubernetes’ sentence', async () => {
    const alice = server.client('none', secretToken);
    const cases: readonly [method: string, path: string, message: string][] = [
      [
        'GET',
        '/api/v1/namespaces/default/secrets',
        'secrets is forbidden: User "alice" cannot list resource "secrets" in API group "" in the namespace "default": no rule',
      ],
      [
        'GET',
        '/apis/apps/v1/deployments?watch=1',
        'deployments.apps is forbidden: User "alice" cannot watch resource "deployments" in API group "apps" at the cluster scope: no rule',
      ],
      [
        'DELETE',
        '/api/v1/namespaces/default/pods/p',
        'pods "p" is forbidden: User "alice" cannot delete resource "pods" in API group "" in the namespace "default": no rule',
      ],
      [
        'GET',
        '/api/v1/namespaces/default/pods/p/log',
        'pods "p" is forbidden: User "alice" cannot get resource "pods/log" in API group "" in the namespace "default": no rule',
      ],
      ['GET', '/metrics', 'forbidden: User "alice" cannot get path "/metrics": no rule'],
      [
        'GET',
        '/api/v1/namespaces/default/nothings',
        'nothings is forbidden: User "alice" cannot list resource "nothings" in API group "" in the namespace "default": no rule',
      ],
    ];
    for (const [method, path, message] of cases) {
      assert.deepEqual(status(await alice.request(method, path)), { code: 403, reason: 'Forbidden', message });
    }
    assert.equal((await alice.get('/api/v1/namespaces/default/configmaps/none')).status, 404);
  });

  it('lets an administrator of one namespace reach no other through it', async () => {
    // What a binding to cluster-admin in one namespace gives.
    const own = await startTestApiserver({
      authorizer: {
        name: 'own-namespace',
        authorize: async ({ namespace }) => ({ verdict: namespace === 'default' ? 'allow' : 'no-opinion', reason: '' }),
      },
    });
    try {
      const client = own.client(own.identity('admin-of-default'));
      assert.equal((await client.get('/api/v1/namespaces/default/secrets')).status, 200);
      assert.equal((await client.get('/api/v1/namespaces/default')).status, 200);
      for (const [method, path] of [
        ['GET', '/api/v1/namespaces/default/namespaces'],
        ['POST', '/api/v1/namespaces/default/namespaces'],
        ['GET', '/api/v1/namespaces/default/namespaces/kube-system'],
        ['DELETE', '/api/v1/namespaces/default/namespaces/kube-system'],
        ['PUT', '/api/v1/namespaces/default/namespaces/kube-system/finalize'],
        ['GET', '/api/v1/namespaces/default/nodes'],
        ['DELETE', '/api/v1/namespaces/default/nodes/n1'],
        ['POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/clusterrolebindings'],
        ['GET', '/api/v1/watch/namespaces/default/namespaces'],
      ] as const) {
        assert.equal((await client.request(method, path)).status, 404, `${method} ${path}`);
      }
      assert.equal((await own.client().get('/api/v1/namespaces/kube-system')).json.status.phase, 'Active');
    } finally {
      await own.close();
    }
  });

  it('asks nothing of a body before the caller is known to be allowed', async () => {
    const alice = server.client('none', secretToken);
    const answer = await alice.post('/api/v1/namespaces/default/secrets', Buffer.alloc(limits.maxBodyBytes + 1));
    assert.equal(answer.status, 403);
    const large = await admin.post('/api/v1/namespaces/default/secrets', Buffer.alloc(limits.maxBodyBytes + 1));
    assert.deepEqual([large.status, large.json.reason], [413, 'RequestEntityTooLarge']);
  });

  it('lets a user act as another only as far as it may', async () => {
    const alice = server.client('none', secretToken);
    assert.equal((await alice.get('/api/v1/nodes')).status, 403);
    assert.equal((await alice.get('/api/v1/nodes', { 'impersonate-user': 'bob' })).status, 200);
    const line = JSON.parse(server.auditLines.at(-1)!);
    assert.deepEqual([line.user.username, line.impersonatedUser.username], ['alice', 'bob']);
    assert.deepEqual(status(await alice.get('/api/v1/nodes', { 'impersonate-user': 'admin' })), {
      code: 403,
      reason: 'Forbidden',
      message:
        'users "admin" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope: no rule',
    });
    const groups = await alice.get('/api/v1/nodes', {
      'impersonate-user': 'bob',
      'impersonate-group': 'system:masters',
    });
    assert.equal(groups.status, 403);
    assert.equal((await alice.get('/api/v1/nodes', { 'impersonate-group': 'system:masters' })).status, 400);
    assert.equal((await alice.get('/api/v1/nodes', { 'impersonate-extra-scopes': 'x' })).status, 400);
  });
});

describe('what is written down', () => {
  it('gives each answer an audit id that the client cannot choose', async () => {
    const first = await admin.get('/version', { 'audit-id': 'mine' });
    const second = await admin.get('/nothing');
    assert.match(String(first.headers['audit-id']), /^[0-9a-f-]{36}$/);
    assert.notEqual(first.headers['audit-id'], second.headers['audit-id']);
    const line = JSON.parse(server.auditLines.at(-1)!);
    assert.equal(line.auditID, second.headers['audit-id']);
    assert.deepEqual(
      [line.kind, line.apiVersion, line.level, line.stage, line.verb, line.requestURI, line.responseStatus.code],
      ['Event', 'audit.k8s.io/v1', 'Metadata', 'ResponseComplete', 'get', '/nothing', 404],
    );
  });

  it('notes what was done to what by whom, a watch as it begins', async () => {
    server.auditLines.length = 0;
    await admin.post('/api/v1/namespaces/default/secrets', {
      metadata: { generateName: 's-' },
      stringData: { p: 'hush-hush' },
    });
    const line = JSON.parse(server.auditLines[0]!);
    assert.match(line.objectRef.name, /^s-/);
    assert.deepEqual(
      [line.objectRef.resource, line.objectRef.namespace, line.user.username],
      ['secrets', 'default', 'admin'],
    );
    assert.deepEqual(line.sourceIPs, ['127.0.0.1']);
    const watch = admin.watch('/api/v1/secrets?watch=1');
    await watch.status;
    assert.equal(JSON.parse(server.auditLines.at(-1)!).stage, 'ResponseStarted');
    watch.stop();
  });

  it('writes no secret and no token anywhere', async () => {
    await server.client('none', secretToken).get('/version');
    await admin.post('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: secretToken } });
    await admin.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'sa' } });
    const issued = await admin.post('/api/v1/namespaces/default/serviceaccounts/sa/token', { spec: {} });
    assert.equal(issued.status, 201, issued.text);
    const token = issued.json.status.token as string;
    await server.client('none', token).get('/api/v1/nodes');
    await admin.post('/api/v1/namespaces/default/secrets', '{"stringData":{"p":"hush-hush"},"metadata":5}');
    const written = server.auditLines.join('') + server.logLines.join('') + JSON.stringify(server.paths.list());
    for (const secret of [secretToken, token, token.split('.')[1]!, 'hush-hush']) {
      assert.ok(!written.includes(secret), 'a secret was written down');
    }
  });

  it('tells nothing of an unexpected error, but logs it under its audit id', async (t) => {
    const broken = await startTestApiserver({
      authorizer: {
        name: 'broken',
        authorize: async () => {
          throw new Error('secret detail of /etc/host');
        },
      },
    });
    t.after(() => broken.close());
    const answer = await broken.client(broken.identity('user')).get('/api/v1/nodes');
    assert.deepEqual(status(answer), { code: 500, reason: 'InternalError', message: 'Internal error occurred' });
    assert.ok(!answer.text.includes('detail') && !answer.text.includes('.ts'));
    assert.ok(
      broken.logLines.some((l) => l.includes('secret detail') && l.includes(String(answer.headers['audit-id']))),
    );
  });
});

describe('overload', () => {
  it('answers 429 with a time to come back, and still serves administrators', async (t) => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const busy = await startTestApiserver({
      authorizer: { name: 'all', authorize: async () => ({ verdict: 'allow', reason: '' }) },
      change: (dependencies) => ({ ...dependencies, limits: { inFlight: { mutating: 2 } } }),
      plugins: [{ name: 'slow', admit: ({ name }) => (name === 'fast' ? Promise.resolve() : gate) }],
    });
    t.after(() => busy.close());
    const user = busy.client(busy.identity('user'));
    const path = '/api/v1/namespaces/default/configmaps';
    const waiting = [user.post(path, { metadata: { name: 'a' } }), user.post(path, { metadata: { name: 'b' } })];
    await new Promise<void>((resolve) => setTimeout(resolve, 50));
    const refused = await user.post(path, { metadata: { name: 'c' } });
    assert.deepEqual(
      [refused.status, refused.json.reason, refused.headers['retry-after']],
      [429, 'TooManyRequests', '1'],
    );
    assert.equal((await user.get(path)).status, 200, 'reading has a lane of its own');
    assert.equal((await busy.client().post(path, { metadata: { name: 'fast' } })).status, 201);
    release();
    assert.deepEqual(
      (await Promise.all(waiting)).map((a) => a.status),
      [201, 201],
    );
    assert.equal((await user.post(path, { metadata: { name: 'fast2' } })).status, 201);
  });

  it('waits for no body and no handler longer than a request may last', async (t) => {
    const slow = await startTestApiserver({
      change: (dependencies) => ({ ...dependencies, limits: { requestTimeoutMs: 300 } }),
      plugins: [{ name: 'stuck', admit: () => new Promise<void>((resolve) => setTimeout(resolve, 1_000)) }],
    });
    t.after(() => slow.close());
    const path = '/api/v1/namespaces/default/configmaps';
    const timeout = {
      code: 504,
      reason: 'Timeout',
      message: 'Timeout: request did not complete within the allotted timeout',
    };
    const revision = slow.store.revision();
    assert.deepEqual(status(await slow.client().dribble(path)), timeout);
    assert.equal(slow.store.revision(), revision);
    assert.deepEqual(status(await slow.client().post(path, { metadata: { name: 'x' } })), timeout);
    const line = JSON.parse(slow.auditLines.find((l) => l.includes('"code":504'))!);
    assert.equal(line.responseStatus.reason, 'Timeout');
  });

  it('finishes what is under way when it closes, and ends watches', async (t) => {
    const closing = await startTestApiserver({
      plugins: [{ name: 'slow', admit: () => new Promise<void>((resolve) => setTimeout(resolve, 300)) }],
    });
    t.after(() => closing.close());
    const client = closing.client();
    const watch = client.watch('/api/v1/configmaps?watch=1');
    await watch.status;
    const write = client.post('/api/v1/namespaces/default/configmaps', { metadata: { name: 'last' } });
    await new Promise<void>((resolve) => setTimeout(resolve, 50));
    const closed = closing.apiserver.close();
    assert.equal((await write).status, 201);
    await watch.ended;
    await closed;
  });
});

describe('credentials that end', () => {
  it('ends a watch with the credential that it was opened with', async () => {
    const short = server.client(
      server.pki.issueClient({ user: 'admin', groups: ['system:masters'], days: 2 / 86_400 }),
    );
    const begun = Date.now();
    const watch = short.watch('/api/v1/configmaps?watch=1');
    assert.equal(await watch.status, 200);
    await watch.ended;
    assert.ok(Date.now() - begun < 4_000);
    assert.deepEqual(
      status(await short.get('/version')),
      unauthorized,
      'the connection lives on, the credential does not',
    );
  });
});
