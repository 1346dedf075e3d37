import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { requestPem } from '../../pki/testing/test-requests.ts';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import { brief, type TestClient } from '../testing/test-client.ts';

let server: TestApiserver;
let admin: TestClient;
const ns = '/api/v1/namespaces/default';
const deployments = '/apis/apps/v1/namespaces/default/deployments';

before(async () => {
  server = await startTestApiserver();
  admin = server.client();
});
after(() => server.close());

const pod = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

describe('scale', () => {
  before(() =>
    admin.created(deployments, {
      metadata: { name: 'web' },
      spec: {
        replicas: 2,
        selector: {
          matchLabels: { app: 'web' },
          matchExpressions: [{ key: 'tier', operator: 'In', values: ['b', 'a'] }],
        },
        template: {
          metadata: { labels: { app: 'web', tier: 'a' } },
          spec: { containers: [{ name: 'c', image: 'i' }] },
        },
      },
    }),
  );

  it('shows and changes the replica count, and nothing else', async () => {
    const scale = (await admin.get(`${deployments}/web/scale`)).json;
    assert.deepEqual([scale.kind, scale.apiVersion, scale.spec], ['Scale', 'autoscaling/v1', { replicas: 2 }]);
    assert.equal(scale.status.selector, 'app=web,tier in (a,b)');
    const put = await admin.put(`${deployments}/web/scale`, { ...scale, spec: { replicas: 5 } });
    assert.deepEqual([put.status, put.json.kind, put.json.spec.replicas], [200, 'Scale', 5]);
    const patched = await admin.patch(`${deployments}/web/scale`, { spec: { replicas: 3 } });
    assert.equal(patched.json.spec.replicas, 3);
    const whole = (await admin.get(`${deployments}/web`)).json;
    assert.deepEqual([whole.spec.replicas, whole.metadata.generation], [3, 3]);
    assert.equal((await admin.put(`${deployments}/web/scale`, { ...scale, spec: { replicas: 9 } })).status, 409);
  });

  it('refuses what is no number of replicas, and shows a Table', async () => {
    assert.match(
      (await admin.patch(`${deployments}/web/scale`, { spec: { replicas: -1 } })).json.message,
      /^Scale\.autoscaling "web" is invalid: spec\.replicas: Invalid value: -1: must be greater than or equal to 0$/,
    );
    assert.equal((await admin.get(`${deployments}/none/scale`)).status, 404);
    assert.equal((await admin.delete(`${deployments}/web/scale`)).status, 405);
    const get = await admin.get(`${deployments}/web/scale`, { accept: 'application/vnd.kubernetes.protobuf' });
    assert.equal(get.bytes.subarray(0, 4).toString('latin1'), 'k8s\0');
  });
});

describe('binding', () => {
  it('assigns a pod to a node once', async () => {
    await admin.created(`${ns}/pods`, pod('free'));
    const bound = await admin.post(`${ns}/pods/free/binding`, {
      metadata: { name: 'free', annotations: { by: 'test' } },
      target: { kind: 'Node', name: 'n1' },
    });
    assert.deepEqual([bound.status, bound.json.status], [201, 'Success']);
    const object = (await admin.get(`${ns}/pods/free`)).json;
    assert.deepEqual([object.spec.nodeName, object.metadata.annotations], ['n1', { by: 'test' }]);
    const condition = object.status.conditions.find((c: { type: string }) => c.type === 'PodScheduled');
    assert.equal(condition.status, 'True');
    assert.deepEqual(
      brief(
        await admin.post(`${ns}/pods/free/binding`, {
          metadata: { name: 'free' },
          target: { kind: 'Node', name: 'n2' },
        }),
      ),
      [
        409,
        'Conflict',
        'Operation cannot be fulfilled on pods/binding "free": pod free is already assigned to node "n1"',
      ],
    );
  });

  it('takes POST to `bindings` too, and refuses nonsense', async () => {
    await admin.created(`${ns}/pods`, pod('other'));
    const named = { metadata: { name: 'other' } };
    for (const target of [{ kind: 'Pod', name: 'x' }, {}]) {
      assert.equal((await admin.post(`${ns}/pods/other/binding`, { ...named, target })).status, 422);
    }
    for (const metadata of [{ name: 'free' }, {}, { name: 'other', namespace: 'kube-system' }]) {
      assert.equal((await admin.post(`${ns}/pods/other/binding`, { metadata, target: { name: 'n' } })).status, 400);
    }
    const stale = { metadata: { name: 'other', resourceVersion: '1' }, target: { name: 'n' } };
    assert.match(
      (await admin.post(`${ns}/pods/other/binding`, stale)).json.message,
      /Precondition failed: ResourceVersion in precondition: 1, ResourceVersion in object meta: \d+$/,
    );
    assert.equal(
      (await admin.post(`${ns}/bindings`, { metadata: { name: 'other' }, target: { name: 'n3' } })).status,
      201,
    );
    assert.equal((await admin.get(`${ns}/pods/other`)).json.spec.nodeName, 'n3');
    assert.equal(
      (await admin.post(`${ns}/pods/absent/binding`, { metadata: { name: 'absent' }, target: { name: 'n' } })).status,
      404,
    );
    await admin.created(`${ns}/pods`, pod('gated', { schedulingGates: [{ name: 'example.com/wait' }] }));
    assert.match(
      (await admin.post(`${ns}/pods/gated/binding`, { metadata: { name: 'gated' }, target: { name: 'n' } })).json
        .message,
      /has non-empty \.spec\.schedulingGates/,
    );
  });
});

describe('eviction', () => {
  it('deletes as it says', async () => {
    await admin.created(`${ns}/pods`, pod('evicted', { nodeName: 'n1' }));
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'evicted' } };
    assert.equal((await admin.post(`${ns}/pods/evicted/eviction?dryRun=All`, eviction)).status, 201);
    assert.equal((await admin.get(`${ns}/pods/evicted`)).json.metadata.deletionTimestamp, undefined);
    for (const metadata of [{ name: 'x' }, {}, { name: 'evicted', namespace: 'kube-system' }]) {
      assert.equal((await admin.post(`${ns}/pods/evicted/eviction`, { ...eviction, metadata })).status, 400);
    }
    const wrong = { ...eviction, deleteOptions: { preconditions: { uid: 'x' } } };
    assert.equal((await admin.post(`${ns}/pods/evicted/eviction`, wrong)).status, 409);
    const answer = await admin.post(`${ns}/pods/evicted/eviction`, {
      ...eviction,
      deleteOptions: { gracePeriodSeconds: 7 },
    });
    assert.deepEqual([answer.status, answer.json.status], [201, 'Success']);
    assert.equal((await admin.get(`${ns}/pods/evicted`)).json.metadata.deletionGracePeriodSeconds, 7);
  });
});

describe('eviction under a PodDisruptionBudget', () => {
  const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
  const labelled = (name: string) => ({ ...pod(name, { nodeName: 'n1' }), metadata: { name, labels: { app: name } } });
  const evict = (name: string) =>
    admin.post(`${ns}/pods/${name}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } });

  before(async () => {
    await admin.created(`${ns}/pods`, labelled('held'));
    await admin.patch(`${ns}/pods/held/status`, { status: { phase: 'Running' } });
    await admin.created(budgets, {
      metadata: { name: 'b' },
      spec: { minAvailable: 1, selector: { matchLabels: { app: 'held' } } },
    });
  });

  it('waits for who counts: nothing is taken from a number that is older than the budget', async () => {
    const answer = await evict('held');
    assert.deepEqual(brief(answer), [
      429,
      'TooManyRequests',
      "Cannot evict pod as it would violate the pod's disruption budget.",
    ]);
    assert.equal(answer.headers['retry-after'], '10');
    assert.equal(
      answer.json.details.causes[0].message,
      'The disruption budget b is still being processed by the server.',
    );
  });

  it('takes one, says so on the budget and the pod, and refuses the next', async () => {
    const status = { observedGeneration: 1, disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 0 };
    await admin.patch(`${budgets}/b/status`, { status });
    const wrong = await admin.post(`${ns}/pods/held/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: 'held' },
      deleteOptions: { preconditions: { uid: 'x' } },
    });
    assert.equal(wrong.status, 409);
    assert.equal((await admin.get(`${budgets}/b`)).json.status.disruptionsAllowed, 1, 'nothing was taken for it');
    assert.equal((await evict('held')).status, 201);
    const taken = (await admin.get(`${budgets}/b`)).json.status;
    assert.deepEqual([taken.disruptionsAllowed, Object.keys(taken.disruptedPods)], [0, ['held']]);
    const evicted = (await admin.get(`${ns}/pods/held`)).json;
    assert.equal(evicted.status.conditions.at(-1).reason, 'EvictionByEvictionAPI');
    await admin.created(`${ns}/pods`, { ...labelled('next'), metadata: { name: 'next', labels: { app: 'held' } } });
    await admin.patch(`${ns}/pods/next/status`, { status: { phase: 'Running' } });
    const answer = await evict('next');
    assert.equal(answer.status, 429);
    assert.equal(
      answer.json.details.causes[0].message,
      'The disruption budget b needs 0 healthy pods and has 2 currently',
    );
    assert.equal((await admin.get(`${ns}/pods/next`)).json.metadata.deletionTimestamp, undefined);
  });
});

describe('token', () => {
  it('issues a token that works, and dies with the pod that it is bound to', async () => {
    await admin.created(`${ns}/serviceaccounts`, { metadata: { name: 'sa' } });
    const object = await admin.created(`${ns}/pods`, pod('holder', { serviceAccountName: 'sa', nodeName: 'n1' }));
    const answer = await admin.post(`${ns}/serviceaccounts/sa/token`, {
      spec: {
        expirationSeconds: 900,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'holder', uid: object.metadata.uid },
      },
    });
    assert.equal(answer.status, 201, answer.text);
    assert.deepEqual(answer.json.spec.audiences, ['https://kubernetes.default.svc.cluster.local']);
    const audited = server.auditLines.find((line) => line.includes('issued-credential-id')) ?? '';
    assert.match(audited, /"authentication\.kubernetes\.io\/issued-credential-id":"JTI=[0-9a-f-]{36}"/);
    const { token, expirationTimestamp } = answer.json.status;
    assert.ok(Math.abs(Date.parse(expirationTimestamp) - Date.now() - 900_000) < 5_000);
    const holder = server.client('none', token);
    // Nothing is allowed to it, but it is known.
    assert.match(
      (await holder.get('/api/v1/nodes')).json.message,
      /^nodes is forbidden: User "system:serviceaccount:default:sa" cannot list/,
    );
    await admin.delete(`${ns}/pods/holder`, { gracePeriodSeconds: 0 });
    assert.equal((await holder.get('/api/v1/nodes')).status, 401);
  });

  it('refuses what it cannot vouch for', async () => {
    const path = `${ns}/serviceaccounts/sa/token`;
    await admin.created(`${ns}/pods`, pod('foreign', { serviceAccountName: 'default' }));
    const reference = (name: string, more: object = {}) => ({
      spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, ...more } },
    });
    assert.deepEqual(brief(await admin.post(path, reference('foreign'))), [
      400,
      'BadRequest',
      'cannot bind token for serviceaccount "sa" to pod running with different serviceaccount name.',
    ]);
    assert.equal((await admin.post(path, reference('absent'))).status, 404);
    assert.equal((await admin.post(path, reference('foreign', { kind: 'ConfigMap' }))).status, 400);
    assert.equal((await admin.post(`${ns}/serviceaccounts/none/token`, { spec: {} })).status, 404);
    assert.match(
      (await admin.post(path, { spec: { expirationSeconds: 60 } })).json.message,
      /may not specify a duration less than 10 minutes/,
    );
    assert.deepEqual(brief(await admin.post(path, { metadata: { name: 'other' }, spec: {} })), [
      422,
      'Invalid',
      'TokenRequest.authentication.k8s.io "sa" is invalid: metadata.name: Invalid value: "other": must match the service account name if specified',
    ]);
    assert.equal((await admin.post(path, { metadata: { namespace: 'kube-system' }, spec: {} })).status, 400);
    assert.match(
      (await admin.post(path, reference('foreign', { uid: 'x' }))).json.message,
      /^Operation cannot be fulfilled on Pod "foreign": the UID in the bound object reference \(x\)/,
    );
    assert.equal((await admin.get(path)).status, 405);
  });
});

describe('certificate signing requests', () => {
  const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';

  it('say who made them, whatever their body says, and are approved by a subresource', async () => {
    const spec = {
      request: Buffer.from(requestPem({ commonName: 'x' })).toString('base64'),
      signerName: 'example.com/signer',
      usages: ['client auth'],
      username: 'system:masters-please',
      uid: 'u',
      groups: ['system:masters'],
      extra: { evil: ['1'] },
    };
    const object = await admin.created(path, { metadata: { name: 'csr' }, spec, status: { certificate: 'eA==' } });
    assert.deepEqual(
      [object.spec.username, object.spec.groups, object.spec.uid, object.spec.extra?.evil, object.status],
      ['admin', ['system:masters', 'system:authenticated'], undefined, undefined, {}],
    );
    const condition = { type: 'Approved', status: 'True', reason: 'Test' };
    const direct = await admin.put(`${path}/csr`, { ...object, spec, status: { conditions: [condition] } });
    assert.deepEqual([direct.json.spec.username, direct.json.status], ['admin', {}]);
    const approved = await admin.put(`${path}/csr/approval`, {
      ...direct.json,
      spec,
      status: { conditions: [condition] },
    });
    assert.equal(approved.status, 200, approved.text);
    assert.deepEqual([approved.json.spec.username, approved.json.status.conditions[0].type], ['admin', 'Approved']);
  });
});

describe('what is not served yet', () => {
  it('is refused by name', async () => {
    await admin.created(`${ns}/pods`, pod('p'));
    for (const [path, message] of [
      [`${ns}/pods/p/proxy/x`, 'pods "p" is forbidden: the subresource "proxy" is not served yet'],
      [
        `${ns}/services/kubernetes/proxy`,
        'services "kubernetes" is forbidden: the subresource "proxy" is not served yet',
      ],
      ['/api/v1/nodes/n1/proxy/metrics', 'nodes "n1" is forbidden: the subresource "proxy" is not served yet'],
    ] as const) {
      assert.deepEqual(brief(await admin.get(path)), [403, 'Forbidden', message]);
    }
    assert.equal((await admin.patch(`${ns}/pods/p/resize`, {})).status, 403);
    assert.equal((await admin.patch(`${ns}/pods/p/ephemeralcontainers`, {})).status, 403);
    assert.equal((await admin.get(`${ns}/pods/p/nonsense`)).status, 404);
    assert.equal((await admin.get(`${ns}/configmaps/c/status`)).status, 404);
    for (const stream of ['exec', 'attach', 'portforward']) {
      assert.equal((await admin.get(`${ns}/pods/p/${stream}`)).json.message, 'Upgrade request required');
      for (const method of ['PUT', 'PATCH', 'DELETE']) {
        assert.equal((await admin.request(method, `${ns}/pods/p/${stream}`)).status, 405);
      }
    }
  });
});
