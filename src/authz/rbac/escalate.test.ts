import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserInfo } from '../../api/user-info.ts';
import { CausewayError } from '../../lib/errors.ts';
import { superuserAuthorizer } from '../superuser.ts';
import { UnionAuthorizer } from '../union.ts';
import { bootstrapPolicy } from './bootstrap-policy.ts';
import { checkBinding, checkRoleEscalation, type EscalationDeps, type RbacTarget } from './escalate.ts';
import type { ClusterRole, PolicyRule, RbacReader, RoleBinding, RoleRef } from './objects.ts';
import { RbacAuthorizer } from './rbac-authorizer.ts';

const apiGroup = 'rbac.authorization.k8s.io';
const policy = bootstrapPolicy();

function deps(roleBindings: readonly RoleBinding[], clusterRoles: readonly ClusterRole[] = []): EscalationDeps {
  const reader: RbacReader = {
    generation: () => 1,
    clusterRoles: () => [...policy.clusterRoles, ...clusterRoles],
    clusterRoleBindings: () => policy.clusterRoleBindings,
    roles: () => policy.roles,
    roleBindings: () => roleBindings,
  };
  const rbac = new RbacAuthorizer(reader);
  return { rbac, authorizer: new UnionAuthorizer([superuserAuthorizer, rbac]) };
}

const bound = (namespace: string, role: string, name = 'mallory'): RoleBinding => ({
  metadata: { namespace, name: role },
  roleRef: { apiGroup, kind: 'ClusterRole', name: role },
  subjects: [{ kind: 'User', name, apiGroup }],
});

const mallory: UserInfo = { username: 'mallory', groups: ['system:authenticated'] };
const root: UserInfo = { username: 'root', groups: ['system:masters'] };
const role = (namespace: string): RbacTarget => ({ resource: 'roles', namespace, name: 'r' });
const inNamespace: RbacTarget = { resource: 'rolebindings', namespace: 'team', name: 'b' };
const clusterWide: RbacTarget = { resource: 'clusterrolebindings', namespace: '', name: 'b' };
const ref = (name: string, kind = 'ClusterRole'): RoleRef => ({ apiGroup, kind, name });

async function refusal(attempt: Promise<void>): Promise<CausewayError> {
  const error = await attempt.then(
    () => assert.fail('it was allowed'),
    (e: unknown) => e,
  );
  assert.ok(error instanceof CausewayError);
  return error;
}

test('a namespace admin cannot write a role with more than it holds, and is told what is missing', async () => {
  const rules: PolicyRule[] = [
    { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', 'nodes'] },
    { verbs: ['*'], apiGroups: ['apps'], resources: ['deployments'] },
  ];
  const error = await refusal(checkRoleEscalation(deps([bound('team', 'admin')]), mallory, role('team'), rules));
  assert.equal(error.code, 'Forbidden');
  assert.equal(
    error.message,
    'roles.rbac.authorization.k8s.io "r" is forbidden: user "mallory" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}\n' +
      '{APIGroups:["apps"], Resources:["deployments"], Verbs:["*"]}',
  );
});

test('what is held may be granted, in the namespace where it is held and only there', async () => {
  const rules: PolicyRule[] = [
    { verbs: ['get', 'create'], apiGroups: [''], resources: ['pods', 'secrets'] },
    { verbs: ['update'], apiGroups: ['apps'], resources: ['deployments/scale'], resourceNames: ['web'] },
  ];
  await checkRoleEscalation(deps([bound('team', 'admin')]), mallory, role('team'), rules);
  await refusal(checkRoleEscalation(deps([bound('team', 'admin')]), mallory, role('other'), rules));
  await refusal(
    checkRoleEscalation(
      deps([bound('team', 'admin')]),
      mallory,
      { resource: 'clusterroles', namespace: '', name: 'r' },
      rules,
    ),
  );
});

test('a right on one name does not cover a rule for all names, nor pods their subresources', async () => {
  const narrow: ClusterRole = {
    metadata: { name: 'narrow' },
    rules: [
      { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['mine'] },
      { verbs: ['get'], apiGroups: [''], resources: ['pods', '*/scale'] },
      { verbs: ['get'], nonResourceURLs: ['/logs/*'] },
    ],
  };
  const held = deps([bound('team', 'narrow')], [narrow]);
  const attempt = (rule: PolicyRule): Promise<void> => checkRoleEscalation(held, mallory, role('team'), [rule]);
  await attempt({ verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['mine'] });
  await attempt({ verbs: ['get'], apiGroups: [''], resources: ['deployments/scale'] });
  await attempt({ verbs: ['get'], nonResourceURLs: ['/logs/a', '/logs/*'] });
  await refusal(attempt({ verbs: ['get'], apiGroups: [''], resources: ['secrets'] }));
  await refusal(attempt({ verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['mine', 'yours'] }));
  await refusal(attempt({ verbs: ['get'], apiGroups: [''], resources: ['pods/log'] }));
  await refusal(attempt({ verbs: ['get'], apiGroups: [''], resources: ['*'] }));
  await refusal(attempt({ verbs: ['get'], nonResourceURLs: ['*'] }));
  await refusal(attempt({ verbs: ['get'], nonResourceURLs: ['/log*'] }));
  await refusal(attempt({ verbs: ['get'], apiGroups: ['*'], resources: ['pods'] }));
});

test('escalate lifts the check; so does being a superuser', async () => {
  const all: PolicyRule[] = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }];
  const escalator: ClusterRole = {
    metadata: { name: 'escalator' },
    rules: [{ verbs: ['escalate'], apiGroups: [apiGroup], resources: ['roles'], resourceNames: ['r'] }],
  };
  const held = deps([bound('team', 'escalator')], [escalator]);
  await checkRoleEscalation(held, mallory, role('team'), all);
  await refusal(checkRoleEscalation(held, mallory, { ...role('team'), name: 'other' }, all));
  await checkRoleEscalation(deps([]), root, role('team'), all);
});

test('an aggregating cluster role needs full authority, because what it will hold is not known', async () => {
  const target: RbacTarget = { resource: 'clusterroles', namespace: '', name: 'r' };
  const error = await refusal(checkRoleEscalation(deps([]), mallory, target, [], true));
  assert.equal(
    error.message,
    'clusterroles.rbac.authorization.k8s.io "r" is forbidden: must have cluster-admin privileges to use the aggregationRule',
  );
  await checkRoleEscalation(deps([]), root, target, [], true);
});

test('binding a role needs its rules or the right to bind it, asked where the binding stands', async () => {
  await checkBinding(deps([bound('team', 'admin')]), mallory, inNamespace, ref('view'));
  const error = await refusal(checkBinding(deps([bound('team', 'admin')]), mallory, inNamespace, ref('cluster-admin')));
  assert.equal(
    error.message,
    'rolebindings.rbac.authorization.k8s.io "b" is forbidden: user "mallory" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}',
  );
  const binder: ClusterRole = {
    metadata: { name: 'binder' },
    rules: [{ verbs: ['bind'], apiGroups: [apiGroup], resources: ['clusterroles'], resourceNames: ['cluster-admin'] }],
  };
  await checkBinding(deps([bound('team', 'binder')], [binder]), mallory, inNamespace, ref('cluster-admin'));
  await refusal(checkBinding(deps([bound('team', 'binder')], [binder]), mallory, clusterWide, ref('cluster-admin')));
  await refusal(checkBinding(deps([bound('team', 'binder')], [binder]), mallory, inNamespace, ref('admin')));
});

test('a role that does not exist (yet) cannot be bound, except by a superuser', async () => {
  const error = await refusal(checkBinding(deps([bound('team', 'admin')]), mallory, inNamespace, ref('later')));
  assert.equal(error.code, 'NotFound');
  assert.equal(error.message, 'clusterrole.rbac.authorization.k8s.io "later" not found');
  await refusal(checkBinding(deps([bound('team', 'admin')]), mallory, inNamespace, ref('later', 'Role')));
  await refusal(
    checkBinding(deps([bound('team', 'admin')]), mallory, inNamespace, ref('cluster-admin', 'clusterrole')),
  );
  await checkBinding(deps([]), root, inNamespace, ref('later'));
});

test('a role whose lists multiply to billions is refused at once', async () => {
  const many = Array.from({ length: 3_000 }, (_, i) => `x${i}`);
  const start = performance.now();
  const error = await refusal(
    checkRoleEscalation(deps([bound('team', 'admin')]), mallory, role('team'), [
      { verbs: many, apiGroups: many, resources: many, resourceNames: many },
    ]),
  );
  assert.match(error.message, /more than 50000 combinations/);
  assert.ok(performance.now() - start < 1_000);
});
