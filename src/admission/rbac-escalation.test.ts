import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/object.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { ClusterRole, RbacReader } from '../authz/rbac/objects.ts';
import { RbacAuthorizer } from '../authz/rbac/rbac-authorizer.ts';
import { RbacEscalation } from './rbac-escalation.ts';
import { refusalOf, request } from './testing/attributes.ts';

const pods = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
const secrets = { verbs: ['get'], apiGroups: [''], resources: ['secrets'] };

function clusterRole(name: string, more: Partial<ClusterRole> & { labels?: Record<string, string> } = {}): ClusterRole {
  const { labels, ...rest } = more;
  const metadata = { name, resourceVersion: '5', ...(labels === undefined ? {} : { labels }) };
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata, ...rest } as ClusterRole;
}

const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { part: 'true' } }] };
const whole = clusterRole('whole', { aggregationRule, rules: [] });
const plain = clusterRole('plain', { rules: [] });
const stored = [whole, plain, clusterRole('p', { labels: { part: 'true' }, rules: [pods, secrets] })];

const reader: RbacReader = {
  generation: () => 1,
  clusterRoles: () => stored,
  clusterRoleBindings: () => [],
  roles: () => [],
  roleBindings: () => [],
};
const mayNothing: Authorizer = { name: 'test', authorize: async () => ({ verdict: 'no-opinion', reason: '' }) };
const plugin = new RbacEscalation({ rbac: new RbacAuthorizer(reader), authorizer: mayNothing });

function write(object: ClusterRole, oldObject: ClusterRole | undefined): Promise<void> {
  const operation = oldObject === undefined ? 'CREATE' : 'UPDATE';
  const before = oldObject === undefined ? {} : { oldObject: oldObject as KubeObject };
  return plugin.validate(
    request('clusterroles.rbac.authorization.k8s.io', {
      namespace: '',
      operation,
      object: object as KubeObject,
      ...before,
    }),
  );
}

test('what an aggregating role holds anyway may be stored in it by who may not escalate', async () => {
  await write({ ...whole, rules: [pods, secrets] }, whole);
  const before = { ...whole, rules: [pods, secrets, { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] };
  await write({ ...whole, rules: [pods, secrets] }, before);
});

test('nothing else: not more, not less, nowhere else, and nothing along with it', async () => {
  const held = [pods, secrets];
  const refused: readonly [what: string, object: ClusterRole, before: ClusterRole | undefined][] = [
    ['more', { ...whole, rules: [...held, { ...secrets, verbs: ['*'] }] }, whole],
    ['less', { ...whole, rules: [pods] }, whole],
    ['none', whole, { ...whole, rules: held }],
    [
      'other names',
      { ...whole, rules: [pods, { ...secrets, resourceNames: [] }, { ...secrets, resourceNames: ['a'] }] },
      whole,
    ],
    ['a label', { ...whole, metadata: { ...whole.metadata, labels: { part: 'true' } }, rules: held }, whole],
    ['an annotation', { ...whole, metadata: { ...whole.metadata, annotations: { a: 'b' } }, rules: held }, whole],
    ['no aggregation', { ...whole, aggregationRule: undefined, rules: held }, whole],
    ['another aggregation', { ...whole, aggregationRule: { clusterRoleSelectors: [{}] }, rules: held }, whole],
    ['another role', { ...plain, rules: held }, plain],
    ['another role that is to aggregate', { ...plain, aggregationRule, rules: held }, plain],
    ['a new role', { ...whole, rules: held }, undefined],
    [
      'a role that is not known',
      clusterRole('unknown', { aggregationRule, rules: [] }),
      clusterRole('unknown', { aggregationRule, rules: held }),
    ],
  ];
  for (const [what, object, before] of refused) {
    assert.equal((await refusalOf(write(object, before))).code, 'Forbidden', what);
  }
});
