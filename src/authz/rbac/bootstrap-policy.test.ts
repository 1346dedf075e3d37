import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserInfo } from '../../api/user-info.ts';
import { aggregateRules } from './aggregate.ts';
import { bootstrapPolicy } from './bootstrap-policy.ts';
import type { ClusterRole, RbacReader } from './objects.ts';
import { RbacAuthorizer } from './rbac-authorizer.ts';
import { reconcileBinding, reconcileRole } from './reconcile.ts';

const policy = bootstrapPolicy();
const reader: RbacReader = {
  generation: () => 1,
  clusterRoles: () => policy.clusterRoles,
  clusterRoleBindings: () => policy.clusterRoleBindings,
  roles: () => policy.roles,
  roleBindings: () => policy.roleBindings,
};
const rbac = new RbacAuthorizer(reader);

function allowed(user: UserInfo, verb: string, resource: string, namespace = '', apiGroup = '', name = ''): boolean {
  const [plural = '', subresource = ''] = resource.split('/');
  const base = { user, verb, namespace, apiGroup, apiVersion: 'v1', resource: plural, subresource, name, path: '' };
  return rbac.decide({ ...base, resourceRequest: true }).verdict === 'allow';
}

const path = (user: UserInfo, url: string): boolean =>
  rbac.decide({
    user,
    verb: 'get',
    resourceRequest: false,
    namespace: '',
    apiGroup: '',
    apiVersion: '',
    resource: '',
    subresource: '',
    name: '',
    path: url,
  }).verdict === 'allow';

test('names are unique, every binding refers to a role that is there, and all carry the bootstrap marks', () => {
  const names = policy.clusterRoles.map((role) => role.metadata.name);
  assert.equal(new Set(names).size, names.length);
  for (const expected of [
    'cluster-admin',
    'admin',
    'edit',
    'view',
    'system:node',
    'system:monitoring',
    'system:controller:job-controller',
  ]) {
    assert.ok(names.includes(expected), expected);
  }
  for (const binding of policy.clusterRoleBindings)
    assert.ok(names.includes(binding.roleRef.name), String(binding.metadata.name));
  for (const binding of policy.roleBindings) {
    assert.ok(
      policy.roles.some(
        (role) => role.metadata.name === binding.roleRef.name && role.metadata.namespace === binding.metadata.namespace,
      ),
    );
  }
  for (const object of [
    ...policy.clusterRoles,
    ...policy.clusterRoleBindings,
    ...policy.roles,
    ...policy.roleBindings,
  ]) {
    assert.equal(object.metadata.labels?.['kubernetes.io/bootstrapping'], 'rbac-defaults');
    assert.equal(object.metadata.annotations?.['rbac.authorization.kubernetes.io/autoupdate'], 'true');
  }
});

test('anonymous users read health and version, and nothing else', () => {
  const anonymous = { username: 'system:anonymous', groups: ['system:unauthenticated'] };
  for (const url of ['/livez', '/readyz', '/healthz', '/version']) assert.ok(path(anonymous, url), url);
  for (const url of ['/api', '/apis', '/metrics', '/openapi/v2', '/readyz/etcd', '/'])
    assert.ok(!path(anonymous, url), url);
  assert.ok(!allowed(anonymous, 'create', 'selfsubjectaccessreviews', '', 'authorization.k8s.io'));
  assert.ok(!allowed(anonymous, 'get', 'pods', 'default'));
});

test('an authenticated user discovers and asks about itself, and nothing else', () => {
  const user = { username: 'u', groups: ['system:authenticated'] };
  assert.ok(path(user, '/apis/apps/v1') && path(user, '/openapi/v3/api/v1'));
  assert.ok(allowed(user, 'create', 'selfsubjectrulesreviews', '', 'authorization.k8s.io'));
  assert.ok(allowed(user, 'create', 'selfsubjectreviews', '', 'authentication.k8s.io'));
  assert.ok(!allowed(user, 'create', 'subjectaccessreviews', '', 'authorization.k8s.io'));
  assert.ok(!allowed(user, 'list', 'namespaces'));
  assert.ok(!path(user, '/metrics'));
});

test('the binding of system:node has no subjects: a node gets nothing from RBAC', () => {
  const node = { username: 'system:node:n1', groups: ['system:nodes'] };
  assert.ok(!allowed(node, 'get', 'secrets', 'default', '', 's'));
  assert.ok(!allowed(node, 'list', 'pods'));
});

test('components may do their work and no more', () => {
  const scheduler = { username: 'system:kube-scheduler', groups: [] };
  assert.ok(allowed(scheduler, 'create', 'pods/binding', 'x') && allowed(scheduler, 'list', 'nodes'));
  assert.ok(allowed(scheduler, 'update', 'leases', 'kube-system', 'coordination.k8s.io', 'kube-scheduler'));
  assert.ok(!allowed(scheduler, 'get', 'secrets', 'x') && !allowed(scheduler, 'create', 'pods', 'x'));
  const manager = { username: 'system:kube-controller-manager', groups: [] };
  assert.ok(allowed(manager, 'create', 'pods', 'x') && allowed(manager, 'update', 'namespaces/finalize', '', '', 'x'));
  assert.ok(allowed(manager, 'create', 'configmaps', 'x') && allowed(manager, 'list', 'secrets'));
  assert.ok(
    !allowed(manager, 'escalate', 'clusterroles', '', 'rbac.authorization.k8s.io'),
    'the manager is no cluster admin',
  );
  assert.ok(!allowed(manager, 'create', 'clusterrolebindings', '', 'rbac.authorization.k8s.io'));
  assert.ok(!allowed(manager, 'create', 'pods/exec', 'x'));
  const proxy = { username: 'system:kube-proxy', groups: [] };
  assert.ok(
    allowed(proxy, 'watch', 'endpointslices', '', 'discovery.k8s.io') && !allowed(proxy, 'get', 'secrets', 'x'),
  );
  const apiserver = { username: 'system:kube-apiserver', groups: [] };
  assert.ok(
    allowed(apiserver, 'create', 'nodes/proxy', '', '', 'n1') && allowed(apiserver, 'get', 'nodes/log', '', '', 'n1'),
  );
  assert.ok(!allowed(apiserver, 'get', 'secrets', 'x'));
});

test('admin, edit and view nest; view reads no secrets; paths are part of view', () => {
  const rules = aggregateRules(policy.clusterRoles);
  const has = (role: string, verb: string, resource: string, apiGroup = ''): boolean =>
    (rules.get(role) ?? []).some(
      (r) => r.verbs.includes(verb) && r.resources?.includes(resource) && r.apiGroups?.includes(apiGroup),
    );
  assert.ok(has('view', 'get', 'pods') && has('edit', 'get', 'pods') && has('admin', 'get', 'pods'));
  assert.ok(!has('view', 'get', 'secrets') && !has('view', 'get', 'pods/exec') && has('edit', 'get', 'secrets'));
  assert.ok(!has('edit', 'create', 'rolebindings', 'rbac.authorization.k8s.io'));
  assert.ok(has('admin', 'create', 'rolebindings', 'rbac.authorization.k8s.io'));
  assert.ok(has('view', 'watch', 'communicationpaths', 'paths.causeway.dev'));
  assert.ok(!has('admin', 'create', 'endpoints'), 'writing endpoints was taken from edit and admin (CVE-2021-25740)');
});

test('aggregation follows roles that aggregate, stops at cycles, and ignores what was stored', () => {
  const aggregating = (name: string, label: string, own: string): ClusterRole => ({
    metadata: { name, labels: { [own]: 'true' } },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: 'true' } }] },
    rules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  });
  const leaf = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  const rules = aggregateRules([
    aggregating('a', 'to-a', 'to-b'),
    aggregating('b', 'to-b', 'to-a'),
    { metadata: { name: 'leaf', labels: { 'to-b': 'true' } }, rules: [leaf, leaf] },
  ]);
  assert.deepEqual(rules.get('a'), [leaf]);
  assert.deepEqual(rules.get('b'), [leaf]);
});

test('reconciling adds what is missing, keeps what was added, and leaves protected objects alone', () => {
  const wanted = policy.clusterRoles.find((role) => role.metadata.name === 'system:basic-user') as ClusterRole;
  assert.deepEqual(reconcileRole(undefined, wanted), { action: 'create', object: wanted });
  assert.deepEqual(reconcileRole(wanted, wanted), { action: 'keep' });

  const extra = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  const stored: ClusterRole = {
    metadata: { name: 'system:basic-user', resourceVersion: '7', labels: { mine: 'yes' } },
    rules: [{ verbs: ['create'], apiGroups: ['authorization.k8s.io'], resources: ['selfsubjectaccessreviews'] }, extra],
  };
  const result = reconcileRole(stored, wanted);
  assert.equal(result.action, 'update');
  assert.ok(result.action === 'update');
  assert.equal(result.object.metadata.resourceVersion, '7');
  assert.deepEqual(result.object.metadata.labels, { 'kubernetes.io/bootstrapping': 'rbac-defaults', mine: 'yes' });
  assert.deepEqual(result.object.rules, [
    ...(stored.rules ?? []),
    { verbs: ['create'], apiGroups: ['authorization.k8s.io'], resources: ['selfsubjectrulesreviews'] },
    { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
  ]);
  assert.deepEqual(reconcileRole(result.object, wanted), { action: 'keep' });

  const off = {
    ...stored,
    metadata: { ...stored.metadata, annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
  };
  assert.deepEqual(reconcileRole(off, wanted), { action: 'keep' });
});

test('reconciling a binding adds subjects, never removes one, and makes it anew when its role differs', () => {
  const wanted = policy.clusterRoleBindings.find((one) => one.metadata.name === 'system:discovery');
  assert.ok(wanted);
  const mine = { kind: 'User', name: 'me', apiGroup: 'rbac.authorization.k8s.io' };
  const result = reconcileBinding({ ...wanted, subjects: [mine] }, wanted);
  assert.ok(result.action === 'update');
  assert.deepEqual(result.object.subjects, [mine, ...(wanted.subjects ?? [])]);
  const hijacked = { ...wanted, roleRef: { ...wanted.roleRef, name: 'cluster-admin' } };
  assert.deepEqual(reconcileBinding(hijacked, wanted), { action: 'recreate', object: wanted });
});

test('who may be given certificates of nodes, and who decides it', () => {
  const certificates = 'certificates.k8s.io';
  const may = (user: UserInfo, right: string): boolean =>
    allowed(user, 'create', `certificatesigningrequests/${right}`, '', certificates);
  const rights = ['nodeclient', 'selfnodeclient', 'selfnodeserver'];
  const of = (...groups: string[]): string[] => rights.filter((right) => may({ username: 'x', groups }, right));
  assert.deepEqual(of('system:bootstrappers'), ['nodeclient']);
  assert.deepEqual(of('system:nodes'), ['selfnodeclient', 'selfnodeserver']);
  assert.deepEqual(of('system:authenticated'), []);

  const manager = { username: 'system:kube-controller-manager', groups: [] };
  const signers = (user: UserInfo, verb: string): string[] =>
    ['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown'].filter((signer) =>
      allowed(user, verb, 'signers', '', certificates, `kubernetes.io/${signer}`),
    );
  assert.deepEqual(signers(manager, 'approve'), ['kube-apiserver-client-kubelet', 'kubelet-serving']);
  assert.deepEqual(signers(manager, 'sign'), [
    'kube-apiserver-client',
    'kube-apiserver-client-kubelet',
    'kubelet-serving',
  ]);
  assert.equal(allowed(manager, 'approve', 'signers', '', certificates, 'example.com/signer'), false);
  assert.deepEqual(
    rights.filter((right) => may(manager, right)),
    [],
  );
  for (const groups of [['system:bootstrappers'], ['system:nodes'], ['system:authenticated']]) {
    const user = { username: 'x', groups };
    assert.deepEqual([signers(user, 'approve'), signers(user, 'sign')], [[], []]);
    for (const part of ['approval', 'status']) {
      assert.equal(allowed(user, 'update', `certificatesigningrequests/${part}`, '', certificates), false);
    }
  }
});
