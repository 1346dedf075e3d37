import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserInfo } from '../../api/user-info.ts';
import type { Attributes } from '../authorizer.ts';
import { forbidden } from '../forbidden.ts';
import { superuserAuthorizer } from '../superuser.ts';
import { UnionAuthorizer } from '../union.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, RbacReader, Role, RoleBinding, Subject } from './objects.ts';
import { RbacAuthorizer } from './rbac-authorizer.ts';

const apiGroup = 'rbac.authorization.k8s.io';

interface Contents {
  clusterRoles?: readonly ClusterRole[];
  clusterRoleBindings?: readonly ClusterRoleBinding[];
  roles?: readonly Role[];
  roleBindings?: readonly RoleBinding[];
}

function readerOf(contents: Contents): RbacReader & { contents: Contents; bump(): void } {
  let generation = 1;
  const reader = {
    contents,
    bump: () => void generation++,
    generation: () => generation,
    clusterRoles: () => reader.contents.clusterRoles ?? [],
    clusterRoleBindings: () => reader.contents.clusterRoleBindings ?? [],
    roles: () => reader.contents.roles ?? [],
    roleBindings: () => reader.contents.roleBindings ?? [],
  };
  return reader;
}

const clusterRole = (name: string, ...rules: PolicyRule[]): ClusterRole => ({ metadata: { name }, rules });
const role = (namespace: string, name: string, ...rules: PolicyRule[]): Role => ({
  metadata: { namespace, name },
  rules,
});
const clusterBinding = (name: string, roleName: string, ...subjects: Subject[]): ClusterRoleBinding => ({
  metadata: { name },
  roleRef: { apiGroup, kind: 'ClusterRole', name: roleName },
  subjects,
});
const binding = (
  namespace: string,
  name: string,
  kind: string,
  roleName: string,
  ...subjects: Subject[]
): RoleBinding => ({
  metadata: { namespace, name },
  roleRef: { apiGroup, kind, name: roleName },
  subjects,
});
const user = (name: string): Subject => ({ kind: 'User', name, apiGroup });
const group = (name: string): Subject => ({ kind: 'Group', name, apiGroup });
const account = (namespace: string | undefined, name: string): Subject => ({ kind: 'ServiceAccount', name, namespace });

const alice: UserInfo = { username: 'alice', groups: ['dev', 'system:authenticated'] };

function ask(who: UserInfo, verb: string, resource: string, over: Partial<Attributes> = {}): Attributes {
  const [name = '', subresource = ''] = resource.split('/');
  return {
    user: who,
    verb,
    resourceRequest: true,
    namespace: 'default',
    apiGroup: '',
    apiVersion: 'v1',
    resource: name,
    subresource,
    name: '',
    path: '',
    ...over,
  };
}

const get = (path: string, who = alice): Attributes =>
  ask(who, 'get', '', { resourceRequest: false, namespace: '', path });

function verdict(rule: PolicyRule, attributes: Attributes): string {
  const rbac = new RbacAuthorizer(
    readerOf({
      clusterRoles: [clusterRole('r', rule)],
      clusterRoleBindings: [clusterBinding('b', 'r', user('alice'))],
    }),
  );
  return rbac.decide(attributes).verdict;
}

test('a rule matches verbs, groups, resources, subresources and names as Kubernetes does', () => {
  const pods = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  const cases: [PolicyRule, Attributes, 'allow' | 'no-opinion'][] = [
    [pods, ask(alice, 'get', 'pods'), 'allow'],
    [pods, ask(alice, 'GET', 'pods'), 'no-opinion'],
    [pods, ask(alice, 'list', 'pods'), 'no-opinion'],
    [pods, ask(alice, 'get', 'pods/log'), 'no-opinion'],
    [pods, ask(alice, 'get', 'pods', { apiGroup: 'apps' }), 'no-opinion'],
    [{ ...pods, apiGroups: ['*'] }, ask(alice, 'get', 'pods', { apiGroup: 'apps' }), 'allow'],
    [{ ...pods, verbs: ['*'] }, ask(alice, 'anything', 'pods'), 'allow'],
    [{ ...pods, resources: ['*'] }, ask(alice, 'get', 'pods/log'), 'allow'],
    [{ ...pods, resources: ['pods/*'] }, ask(alice, 'get', 'pods/log'), 'no-opinion'],
    [{ ...pods, resources: ['pods/log'] }, ask(alice, 'get', 'pods/log'), 'allow'],
    [{ ...pods, resources: ['pods/log'] }, ask(alice, 'get', 'pods'), 'no-opinion'],
    [{ ...pods, resources: ['*/scale'] }, ask(alice, 'get', 'deployments/scale'), 'allow'],
    [{ ...pods, resources: ['*/scale'] }, ask(alice, 'get', 'deployments'), 'no-opinion'],
    [{ ...pods, resourceNames: ['a'] }, ask(alice, 'get', 'pods', { name: 'a' }), 'allow'],
    [{ ...pods, resourceNames: ['a'] }, ask(alice, 'get', 'pods', { name: 'b' }), 'no-opinion'],
    [{ ...pods, resourceNames: ['a'] }, ask(alice, 'get', 'pods'), 'no-opinion'],
    [{ verbs: ['get'] }, ask(alice, 'get', 'pods'), 'no-opinion'],
    [{ verbs: ['get'], nonResourceURLs: ['*'] }, ask(alice, 'get', 'pods'), 'no-opinion'],
    [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, get('/metrics'), 'no-opinion'],
    [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }, get('/metrics'), 'allow'],
    [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }, get('/metrics/'), 'no-opinion'],
    [{ verbs: ['get'], nonResourceURLs: ['/apis/*'] }, get('/apis/apps/v1'), 'allow'],
    [{ verbs: ['get'], nonResourceURLs: ['/apis/*'] }, get('/apis'), 'no-opinion'],
    [{ verbs: ['get'], nonResourceURLs: ['/apis*'] }, get('/apis'), 'allow'],
    [{ verbs: ['get'], nonResourceURLs: ['*'] }, get('/anything'), 'allow'],
    [{ verbs: ['get'], nonResourceURLs: ['/a*b'] }, get('/axb'), 'no-opinion'],
  ];
  for (const [rule, attributes, expected] of cases) {
    assert.equal(
      verdict(rule, attributes),
      expected,
      JSON.stringify([rule, attributes.verb, attributes.resource, attributes.path]),
    );
  }
});

test('the reason names the first binding that allows, its role and its subject', () => {
  const rule = { verbs: ['list'], apiGroups: [''], resources: ['pods'] };
  const reason = (contents: Contents, who: UserInfo): string =>
    new RbacAuthorizer(readerOf(contents)).decide(ask(who, 'list', 'pods')).reason;

  assert.equal(
    reason(
      { clusterRoles: [clusterRole('y', rule)], clusterRoleBindings: [clusterBinding('x', 'y', group('dev'))] },
      alice,
    ),
    'RBAC: allowed by ClusterRoleBinding "x" of ClusterRole "y" to Group "dev"',
  );
  // Both bindings allow; the user's own list is looked at first, but the earlier binding is the one named.
  assert.equal(
    reason(
      {
        clusterRoles: [clusterRole('y', rule)],
        clusterRoleBindings: [
          clusterBinding('a', 'y', user('bob'), group('dev')),
          clusterBinding('b', 'y', user('alice')),
        ],
      },
      alice,
    ),
    'RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "y" to Group "dev"',
  );
  assert.equal(
    reason(
      { roles: [role('default', 'y', rule)], roleBindings: [binding('default', 'x', 'Role', 'y', user('alice'))] },
      alice,
    ),
    'RBAC: allowed by RoleBinding "x/default" of Role "y" to User "alice"',
  );
  const robot = { username: 'system:serviceaccount:ci:robot', groups: [] };
  assert.equal(
    reason(
      {
        clusterRoles: [clusterRole('view', rule)],
        roleBindings: [binding('default', 'x', 'ClusterRole', 'view', account('ci', 'robot'))],
      },
      robot,
    ),
    'RBAC: allowed by RoleBinding "x/default" of ClusterRole "view" to ServiceAccount "robot/ci"',
  );
});

test('a role or binding in one namespace gives nothing in another or cluster-wide', () => {
  const rule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] };
  const rbac = new RbacAuthorizer(
    readerOf({
      roles: [role('a', 'r', rule)],
      roleBindings: [
        binding('a', 'x', 'Role', 'r', user('alice')),
        // The role of the other namespace cannot be referred to.
        binding('b', 'x', 'Role', 'r', user('alice')),
        // A RoleBinding without a namespace must not count as cluster-wide.
        { ...binding('', 'x', 'ClusterRole', 'r', user('alice')), metadata: { name: 'x' } },
      ],
      clusterRoles: [clusterRole('r', rule)],
    }),
  );
  assert.equal(rbac.decide(ask(alice, 'get', 'secrets', { namespace: 'a' })).verdict, 'allow');
  assert.equal(rbac.decide(ask(alice, 'get', 'secrets', { namespace: '' })).verdict, 'no-opinion');
  assert.equal(rbac.decide(get('/metrics')).verdict, 'no-opinion');
  assert.deepEqual(rbac.decide(ask(alice, 'get', 'secrets', { namespace: 'b' })), {
    verdict: 'no-opinion',
    reason: 'RBAC: role.rbac.authorization.k8s.io "r" not found',
  });
});

test('subjects match exactly: no other kind, no other namespace, no group that looks like a user', () => {
  const rule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] };
  const rbac = (...subjects: Subject[]): RbacAuthorizer =>
    new RbacAuthorizer(
      readerOf({
        clusterRoles: [clusterRole('r', rule)],
        clusterRoleBindings: [clusterBinding('b', 'r', ...subjects)],
      }),
    );
  const allowed = (subject: Subject, who: UserInfo): boolean =>
    rbac(subject).decide(ask(who, 'get', 'pods')).verdict === 'allow';

  assert.equal(allowed(group('alice'), alice), false);
  assert.equal(allowed(user('dev'), alice), false);
  assert.equal(allowed(user('Alice'), alice), false);
  assert.equal(allowed({ kind: 'user', name: 'alice' }, alice), false);
  assert.equal(allowed(account('a', 'x'), { username: 'system:serviceaccount:a:x', groups: [] }), true);
  assert.equal(allowed(account('b', 'x'), { username: 'system:serviceaccount:a:x', groups: [] }), false);
  // In a ClusterRoleBinding there is no namespace to take instead.
  assert.equal(allowed(account(undefined, 'x'), { username: 'system:serviceaccount::x', groups: [] }), false);
  // A key with our own separator in it reaches no other list.
  assert.equal(allowed(group('x'), { username: 'g:x', groups: ['u:alice'] }), false);
});

test('a missing role is named in the denial, and does not hide what another binding allows', () => {
  const reader = readerOf({
    clusterRoleBindings: [clusterBinding('b', 'gone', user('alice')), clusterBinding('c', 'lost', group('dev'))],
  });
  const rbac = new RbacAuthorizer(reader);
  assert.equal(
    rbac.decide(ask(alice, 'list', 'pods')).reason,
    'RBAC: [clusterrole.rbac.authorization.k8s.io "gone" not found, clusterrole.rbac.authorization.k8s.io "lost" not found]',
  );
  reader.contents = {
    ...reader.contents,
    clusterRoles: [clusterRole('lost', { verbs: ['list'], apiGroups: [''], resources: ['pods'] })],
  };
  assert.equal(
    rbac.decide(ask(alice, 'list', 'pods')).verdict,
    'no-opinion',
    'the index is kept until the generation changes',
  );
  reader.bump();
  assert.equal(
    rbac.decide(ask(alice, 'list', 'pods')).reason,
    'RBAC: allowed by ClusterRoleBinding "c" of ClusterRole "lost" to Group "dev"',
  );
  reader.contents = {};
  reader.bump();
  assert.deepEqual(rbac.decide(ask(alice, 'list', 'pods')), { verdict: 'no-opinion', reason: '' });
});

test("the forbidden sentences are Kubernetes'", () => {
  const message = (attributes: Attributes, reason = ''): string => forbidden(attributes, reason).message;
  assert.equal(
    message(ask(alice, 'list', 'pods')),
    'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  assert.equal(
    message(ask(alice, 'get', 'deployments/scale', { apiGroup: 'apps', name: 'web' })),
    'deployments.apps "web" is forbidden: User "alice" cannot get resource "deployments/scale" in API group "apps" in the namespace "default"',
  );
  assert.equal(
    message(
      ask(alice, 'list', 'nodes', { namespace: '' }),
      'RBAC: clusterrole.rbac.authorization.k8s.io "x" not found',
    ),
    'nodes is forbidden: User "alice" cannot list resource "nodes" in API group "" at the cluster scope: RBAC: clusterrole.rbac.authorization.k8s.io "x" not found',
  );
  assert.equal(message(get('/foo')), 'forbidden: User "alice" cannot get path "/foo"');
  const error = forbidden(ask(alice, 'get', 'deployments', { apiGroup: 'apps', name: 'web' }), '');
  assert.equal(error.code, 'Forbidden');
  assert.deepEqual(error.details, { name: 'web', group: 'apps', kind: 'deployments' });
});

test('rulesFor gives what holds in the namespace; URLs only from cluster-wide bindings', async () => {
  const urls = { verbs: ['get'], nonResourceURLs: ['/metrics'] };
  const pods = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  const rbac = new RbacAuthorizer(
    readerOf({
      clusterRoles: [
        clusterRole('wide', urls),
        clusterRole('narrow', pods, { verbs: ['get'], nonResourceURLs: ['/logs'] }),
      ],
      clusterRoleBindings: [
        clusterBinding('b', 'wide', user('alice'), group('dev')),
        clusterBinding('c', 'gone', group('dev')),
      ],
      roleBindings: [binding('default', 'x', 'ClusterRole', 'narrow', group('dev'))],
    }),
  );
  assert.deepEqual(await rbac.rulesFor(alice, 'default'), {
    resourceRules: [pods],
    nonResourceRules: [urls],
    incomplete: true,
    evaluationError: 'clusterrole.rbac.authorization.k8s.io "gone" not found',
  });
  assert.deepEqual((await rbac.rulesFor(alice, 'other')).resourceRules, []);
});

test('the superuser group is allowed whatever RBAC holds; nobody else is, and the first opinion counts', async () => {
  const rbac = new RbacAuthorizer(readerOf({ clusterRoleBindings: [clusterBinding('b', 'gone', user('alice'))] }));
  const union = new UnionAuthorizer([superuserAuthorizer, rbac]);
  const root = { username: 'root', groups: ['system:masters'] };
  assert.equal((await union.authorize(ask(root, 'delete', 'nodes'))).verdict, 'allow');
  assert.deepEqual(await union.authorize(ask(alice, 'delete', 'nodes')), {
    verdict: 'no-opinion',
    reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
  });
  const denier = { name: 'D', authorize: async () => ({ verdict: 'deny' as const, reason: 'no' }) };
  assert.deepEqual(await new UnionAuthorizer([denier, superuserAuthorizer]).authorize(ask(root, 'get', 'pods')), {
    verdict: 'deny',
    reason: 'no',
  });
});

test('a decision costs little with many roles and bindings', () => {
  const clusterRoles = Array.from({ length: 500 }, (_, i) =>
    clusterRole(`r${i}`, { verbs: ['get'], apiGroups: [''], resources: [`x${i}`] }),
  );
  const clusterRoleBindings = clusterRoles.map((_, i) => clusterBinding(`b${i}`, `r${i}`, user(`u${i}`)));
  const roleBindings = Array.from({ length: 5_000 }, (_, i) =>
    binding(`n${i % 100}`, `b${i}`, 'ClusterRole', 'r1', user(`u${i}`)),
  );
  const rbac = new RbacAuthorizer(readerOf({ clusterRoles, clusterRoleBindings, roleBindings }));
  rbac.decide(ask(alice, 'get', 'pods'));
  const who = { username: 'u7', groups: ['a', 'b', 'system:authenticated'] };
  const start = performance.now();
  for (let i = 0; i < 10_000; i++) rbac.decide(ask(who, 'get', 'x7', { namespace: 'n7' }));
  // 10,000 requests each second need less than 1,000 ms; this leaves room for a slow machine and still catches a scan of everything.
  assert.ok(performance.now() - start < 500, `${performance.now() - start} ms`);
});
