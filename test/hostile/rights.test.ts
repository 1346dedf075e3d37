import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { shellPod, WAIT } from '../support/pods.ts';
import { type ApiAnswer, type ApiClient, refusal } from './support/api-client.ts';
import { startTarget, type Target } from './support/target.ts';

/** Somebody who has a right uses it to get another. */

let target: Target;
/** The identity of a node whose machine the attacker owns. */
let node: ApiClient;
/** May manage everything in its namespace, and nothing else. */
let developer: ApiClient;

const PODS = '/api/v1/namespaces/default/pods';

before(async () => {
  target = await startTarget();
  developer = target.client({ user: 'dev', groups: ['developers'] });
  await target.cluster.ok(['create', 'secret', 'generic', 'other-secret', '--from-literal=key=value']);
  await target.cluster.ok(['create', 'secret', 'generic', 'own-secret', '--from-literal=key=value']);
  await target.cluster.ok(['create', 'configmap', 'other-config', '--from-literal=key=value']);
  await target.cluster.ok(['create', 'serviceaccount', 'admin-robot']);
  await target.cluster.ok([
    'create',
    'clusterrolebinding',
    'robot',
    '--clusterrole=cluster-admin',
    '--serviceaccount=default:admin-robot',
  ]);
  await target.cluster.ok(['create', 'rolebinding', 'developers', '--clusterrole=admin', '--group=developers']);
  const envFrom = (name: string) => [{ secretRef: { name } }];
  await target.cluster.create(
    shellPod('honest', WAIT, {
      spec: { nodeName: target.nodeName, serviceAccountName: 'admin-robot' },
      container: { envFrom: [...envFrom('other-secret'), { configMapRef: { name: 'other-config' } }] },
    }),
  );
  const made = await target.admin.send('/api/v1/nodes', { body: { metadata: { name: 'evil' } } });
  assert.equal(made.status, 201, made.text);
  node = target.client({ user: 'system:node:evil', groups: ['system:nodes'], uid: made.json.metadata.uid });
  // Without tolerating everything it would be evicted from a node that is not Ready.
  await target.cluster.create(
    shellPod('own', WAIT, {
      spec: { nodeName: 'evil', tolerations: [{ operator: 'Exists' }] },
      container: { envFrom: envFrom('own-secret') },
    }),
  );
});
after(() => target?.close());

const merge = (body: object) => ({
  method: 'PATCH',
  headers: { 'content-type': 'application/merge-patch+json' },
  body,
});

function refused(answer: ApiAnswer, message: RegExp): void {
  const { code, reason, message: said } = refusal(answer);
  assert.deepEqual([code, reason], [403, 'Forbidden'], said);
  assert.match(said, message);
}

describe('a node', () => {
  it('reads what its own pods need', async () => {
    assert.equal((await node.send(`${PODS}/own`)).status, 200);
    assert.equal((await node.send('/api/v1/namespaces/default/secrets/own-secret')).status, 200);
  });

  it('reads nothing of another node', async () => {
    const cannot = (verb: string, resource: string) =>
      new RegExp(`User "system:node:evil" cannot ${verb} resource "${resource}"`);
    const attempts: readonly [path: string, message: RegExp][] = [
      ['/api/v1/namespaces/default/secrets/other-secret', cannot('get', 'secrets')],
      ['/api/v1/namespaces/default/secrets?fieldSelector=metadata.name=other-secret', cannot('list', 'secrets')],
      ['/api/v1/namespaces/default/secrets', cannot('list', 'secrets')],
      ['/api/v1/secrets?watch=1', cannot('watch', 'secrets')],
      ['/api/v1/namespaces/default/configmaps/other-config', cannot('get', 'configmaps')],
      ['/api/v1/namespaces/default/configmaps', cannot('list', 'configmaps')],
      [`${PODS}/honest`, cannot('get', 'pods')],
      [PODS, cannot('list', 'pods')],
      [`/api/v1/pods?fieldSelector=spec.nodeName%3D${target.nodeName}`, cannot('list', 'pods')],
      [`/api/v1/pods?watch=1&fieldSelector=spec.nodeName!%3Devil`, cannot('watch', 'pods')],
      [`/api/v1/nodes/${target.nodeName}`, cannot('get', 'nodes')],
      [`${PODS}/honest/log`, cannot('get', 'pods/log')],
      [`${PODS}/honest/exec?command=id`, cannot('create', 'pods/exec')],
      ['/apis/rbac.authorization.k8s.io/v1/clusterroles', cannot('list', 'clusterroles')],
    ];
    for (const [path, message] of attempts) refused(await node.send(path), message);
    const own = (await node.send('/api/v1/pods?fieldSelector=spec.nodeName%3Devil')).json as {
      items: { metadata: { name: string } }[];
    };
    assert.deepEqual(
      own.items.map((pod) => pod.metadata.name),
      ['own'],
    );
  });

  it('writes nothing of another node, and its own Node within limits (CVE-2025-5187)', async () => {
    const itself = '/api/v1/nodes/evil';
    const other = `/api/v1/nodes/${target.nodeName}`;
    const owner = [
      { apiVersion: 'v1', kind: 'Namespace', name: 'default', uid: '00000000-0000-4000-8000-000000000000' },
    ];
    const attempts: readonly [what: string, answer: () => Promise<ApiAnswer>, message: RegExp][] = [
      [
        'another status',
        () =>
          node.send(`${other}/status`, merge({ status: { addresses: [{ type: 'InternalIP', address: '10.9.9.9' }] } })),
        /node "evil" is not allowed to modify node|User "system:node:evil" cannot patch/,
      ],
      [
        'another object',
        () => node.send(other, merge({ metadata: { labels: { a: 'b' } } })),
        /node "evil" is not allowed to modify node|User "system:node:evil" cannot patch/,
      ],
      [
        'another Node',
        () => node.send('/api/v1/nodes', { body: { metadata: { name: 'third' } } }),
        /node "evil" is not allowed to modify node "third"/,
      ],
      ['deleting another', () => node.send(other, { method: 'DELETE' }), /cannot delete resource "nodes"/],
      ['deleting itself', () => node.send(itself, { method: 'DELETE' }), /cannot delete resource "nodes"/],
      [
        'an isolation label',
        () => node.send(itself, merge({ metadata: { labels: { 'node-restriction.kubernetes.io/tier': 'secret' } } })),
        /node-restriction\.kubernetes\.io\/tier/,
      ],
      [
        'a role label',
        () => node.send(itself, merge({ metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } })),
        /node-role\.kubernetes\.io\/control-plane/,
      ],
      ['an owner', () => node.send(itself, merge({ metadata: { ownerReferences: owner } })), /ownerReferences/],
      ['a taint', () => node.send(itself, merge({ spec: { taints: [] } })), /taints/],
      [
        'a pod for another node',
        () =>
          node.send(PODS, {
            body: { ...shellPod('planted', WAIT), spec: { nodeName: target.nodeName, containers: [] } },
          }),
        /pods "planted" is forbidden/,
      ],
      [
        'a pod that is no mirror',
        () => node.send(PODS, { body: shellPod('planted', WAIT, { spec: { nodeName: 'evil' } }) }),
        /pods "planted" is forbidden|mirror/,
      ],
      [
        'another pod’s status',
        () => node.send(`${PODS}/honest/status`, merge({ status: { phase: 'Failed' } })),
        /cannot patch resource "pods\/status"|node "evil" can only update pod status for pods with spec\.nodeName set to itself/,
      ],
      [
        'another pod',
        () => node.send(`${PODS}/honest`, { method: 'DELETE' }),
        /node "evil" can only delete pods with spec\.nodeName set to itself|cannot delete resource "pods"/,
      ],
      [
        'the labels of its own pod',
        () => node.send(`${PODS}/own`, merge({ metadata: { labels: { app: 'trusted' } } })),
        /cannot patch resource "pods"/,
      ],
      [
        'a label by the status of its own pod',
        () => node.send(`${PODS}/own/status`, merge({ metadata: { labels: { app: 'trusted' } } })),
        /labels/,
      ],
      [
        'a lease of another',
        () =>
          node.send(
            `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${target.nodeName}`,
            merge({ spec: {} }),
          ),
        /leases|lease/,
      ],
      [
        'a secret',
        () => node.send('/api/v1/namespaces/default/secrets', { body: { metadata: { name: 'x' } } }),
        /cannot create resource "secrets"/,
      ],
    ];
    for (const [what, attempt, message] of attempts) {
      const answer = await attempt();
      assert.equal(answer.status, 403, `${what}: ${answer.text}`);
      refused(answer, message);
    }
    const after = (await target.admin.send(itself)).json as { metadata: Record<string, unknown> };
    assert.equal(after.metadata['ownerReferences'], undefined);
  });

  it('makes tokens for the accounts of its own pods only, bound to them', async () => {
    const ask = (account: string, bound: object | undefined, audiences?: string[]) =>
      node.send(`/api/v1/namespaces/default/serviceaccounts/${account}/token`, {
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: {
            ...(audiences === undefined ? {} : { audiences }),
            expirationSeconds: 3600,
            ...(bound === undefined ? {} : { boundObjectRef: bound }),
          },
        },
      });
    const uidOf = async (pod: string) => (await target.admin.send(`${PODS}/${pod}`)).json.metadata.uid as string;
    const own = { apiVersion: 'v1', kind: 'Pod', name: 'own', uid: await uidOf('own') };
    const honest = { apiVersion: 'v1', kind: 'Pod', name: 'honest', uid: await uidOf('honest') };
    assert.equal((await ask('default', own)).status, 201);
    refused(await ask('admin-robot', honest), /system:node:evil|node "evil"/);
    refused(await ask('admin-robot', own), /system:node:evil|node requested token/);
    refused(await ask('default', undefined), /node requested token not bound to a pod/);
    refused(await ask('default', { ...own, uid: 'wrong' }), /uid|UID/);
    refused(await ask('default', own, ['https://vault.example']), /audience/);
  });

  it('is a node by its groups and its name together', async () => {
    for (const who of [
      { user: 'system:node:evil', groups: [] },
      { user: 'evil', groups: ['system:nodes'] },
      { user: 'system:node:', groups: ['system:nodes'] },
    ]) {
      const client = target.client(who);
      refused(await client.send('/api/v1/namespaces/default/secrets/own-secret'), /cannot get resource "secrets"/);
      client.close();
    }
  });
});

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

describe('a developer', () => {
  it('grants nothing that it has not', async () => {
    const role = (name: string, rules: object[]) => ({
      body: { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name }, rules },
    });
    const roles = `${RBAC}/namespaces/default/roles`;
    refused(
      await developer.send(roles, role('more', [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }])),
      /^roles\.rbac\.authorization\.k8s\.io "more" is forbidden: user "dev" \(groups=\["developers" "system:authenticated"\]\) is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["nodes"\], Verbs:\["get"\]\}$/,
    );
    refused(
      await developer.send(roles, role('all', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }])),
      /is attempting to grant RBAC permissions not currently held/,
    );
    assert.equal(
      (await developer.send(roles, role('less', [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]))).status,
      201,
    );
    refused(
      await developer.send(`${roles}/less`, merge({ rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }] })),
      /is attempting to grant RBAC permissions not currently held/,
    );
  });

  it('binds nobody to what it has not, and nothing outside of its namespace', async () => {
    const binding = (name: string, roleName: string) => ({
      body: {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: roleName },
        subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'dev' }],
      },
    });
    const bindings = `${RBAC}/namespaces/default/rolebindings`;
    refused(
      await developer.send(bindings, binding('up', 'cluster-admin')),
      /is attempting to grant RBAC permissions not currently held/,
    );
    refused(
      await developer.send(bindings, binding('up', 'system:kube-controller-manager')),
      /is attempting to grant RBAC permissions not currently held/,
    );
    refused(
      await developer.send(`${RBAC}/clusterrolebindings`, {
        body: { ...binding('up', 'cluster-admin').body, kind: 'ClusterRoleBinding' },
      }),
      /User "dev" cannot create resource "clusterrolebindings"/,
    );
    refused(
      await developer.send(`${RBAC}/namespaces/kube-system/rolebindings`, binding('up', 'view')),
      /in the namespace "kube-system"/,
    );
    assert.equal((await developer.send(bindings, binding('same', 'view'))).status, 201);
  });

  it('impersonates nobody', async () => {
    for (const headers of [
      { 'impersonate-user': 'kubernetes-admin' },
      { 'impersonate-user': 'dev', 'impersonate-group': 'system:masters' },
      { 'impersonate-user': 'system:serviceaccount:kube-system:default' },
      { 'impersonate-user': 'dev', 'impersonate-extra-scopes': 'all' },
      { 'impersonate-user': 'dev', 'impersonate-uid': '0' },
    ]) {
      refused(await developer.send(PODS, { headers }), /cannot impersonate resource "(users|serviceaccounts)"/);
    }
    const alone = await developer.send(PODS, { headers: { 'impersonate-group': 'system:masters' } });
    assert.ok(alone.status === 400 || alone.status === 403 || alone.status === 500, alone.text);
    const administrator = await target.admin.send('/api/v1/nodes', { headers: { 'impersonate-user': 'dev' } });
    refused(administrator, /User "dev" cannot list resource "nodes"/);
  });

  it('reaches nothing beyond its namespace by a longer way', async () => {
    const attempts: readonly [path: string, message: RegExp][] = [
      ['/api/v1/namespaces/kube-system/secrets', /in the namespace "kube-system"/],
      ['/api/v1/secrets', /cannot list resource "secrets" in API group "" at the cluster scope/],
      ['/api/v1/nodes', /cannot list resource "nodes"/],
      [`/api/v1/nodes/${target.nodeName}/proxy/pods`, /cannot get resource "nodes\/proxy"/],
      ['/apis/paths.causeway.dev/v1/communicationpaths', /cannot list resource "communicationpaths"/],
      ['/metrics', /cannot get path "\/metrics"/],
      ['/api/v1/watch/secrets', /cannot watch resource "secrets"|cannot list resource "secrets"/],
    ];
    for (const [path, message] of attempts) refused(await developer.send(path), message);
    // A pod on a named node, or with another account of the namespace, gives no more than the account has; the host it does not get.
    const host = await developer.send(PODS, {
      body: {
        ...shellPod('host', WAIT, {
          spec: { hostNetwork: true, hostPID: true, volumes: [{ name: 'h', hostPath: { path: '/' } }] },
        }),
      },
    });
    refused(host, /violates PodSecurity "baseline:latest"/);
    const privileged = await developer.send(PODS, {
      body: shellPod('privileged', WAIT, { container: { securityContext: { privileged: true } } }),
    });
    refused(privileged, /violates PodSecurity "baseline:latest": privileged/);
    refused(
      await developer.send(
        '/api/v1/namespaces/default',
        merge({ metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } } }),
      ),
      /User "dev" cannot patch resource "namespaces"/,
    );
  });
});

describe('a token of a service account', () => {
  it('is good for its audience only', async () => {
    const audience = ['--audience=https://vault.example'];
    const elsewhere = (await target.cluster.ok(['create', 'token', 'admin-robot', ...audience])).trim();
    const answer = await target.client({ token: elsewhere }).send('/api/v1/nodes');
    assert.deepEqual(refusal(answer), { code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
    const review = async (token: string, audiences?: string[]) =>
      (
        await target.admin.send('/apis/authentication.k8s.io/v1/tokenreviews', {
          body: {
            apiVersion: 'authentication.k8s.io/v1',
            kind: 'TokenReview',
            spec: { token, ...(audiences === undefined ? {} : { audiences }) },
          },
        })
      ).json.status as { authenticated?: boolean };
    assert.equal((await review(elsewhere)).authenticated ?? false, false);
    assert.equal((await review(elsewhere, ['https://other.example'])).authenticated ?? false, false);
    assert.equal((await review(elsewhere, ['https://vault.example'])).authenticated, true);
    const here = (await target.cluster.ok(['create', 'token', 'admin-robot'])).trim();
    assert.equal((await review(here, ['https://vault.example'])).authenticated ?? false, false);
    assert.equal((await target.client({ token: here }).send('/api/v1/nodes')).status, 200);
  });
});
