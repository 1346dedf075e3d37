import type { UserInfo } from '../../api/user-info.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { Authorizer } from '../authorizer.ts';
import { forbiddenResource } from '../forbidden.ts';
import { uncovered } from './covers.ts';
import { describeRules, quotedList } from './describe-rules.ts';
import type { PolicyRule, RoleRef } from './objects.ts';
import type { RbacAuthorizer } from './rbac-authorizer.ts';

export interface EscalationDeps {
  readonly rbac: Pick<RbacAuthorizer, 'policyRulesFor' | 'resolve'>;
  /** The whole union: asked for `escalate` and `bind`. */
  readonly authorizer: Authorizer;
}

/** Which role or binding is being written. `namespace` is '' for the cluster-wide kinds. */
export interface RbacTarget {
  readonly resource: 'roles' | 'clusterroles' | 'rolebindings' | 'clusterrolebindings';
  readonly namespace: string;
  readonly name: string;
}

const group = 'rbac.authorization.k8s.io';

const fullAuthority: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/** The way back in: whoever is in this group is not limited by what RBAC says. */
function isSuperuser(user: UserInfo): boolean {
  return user.groups.includes('system:masters');
}

/**
 * Throws Forbidden unless `user` holds `rules` in the role's namespace, or may `escalate` the role. A role that aggregates others needs
 * full authority, because what it will hold is not known yet.
 */
export async function checkRoleEscalation(
  deps: EscalationDeps,
  user: UserInfo,
  role: RbacTarget,
  rules: readonly PolicyRule[],
  aggregates = false,
): Promise<void> {
  if (isSuperuser(user)) return;
  if (await allowed(deps.authorizer, user, 'escalate', role.namespace, role.resource, role.name)) return;
  confirm(deps, user, role, rules);
  if (aggregates && uncovered(deps.rbac.policyRulesFor(user, role.namespace).rules, fullAuthority).length > 0) {
    throw refused(role, 'must have cluster-admin privileges to use the aggregationRule');
  }
}

/** Throws Forbidden unless `user` may `bind` the role or holds each of its rules; NotFound when there is no such role. */
export async function checkBinding(
  deps: EscalationDeps,
  user: UserInfo,
  binding: RbacTarget,
  roleRef: RoleRef,
): Promise<void> {
  if (isSuperuser(user)) return;
  const resource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : roleRef.kind === 'Role' ? 'roles' : undefined;
  if (resource !== undefined && roleRef.apiGroup === group) {
    // Asked where the binding stands, so that one can be allowed to hand out a role in one namespace only.
    if (await allowed(deps.authorizer, user, 'bind', binding.namespace, resource, roleRef.name)) return;
  }
  const { rules, problem } = deps.rbac.resolve(roleRef, binding.namespace);
  if (problem !== undefined) throw new CausewayError('NotFound', problem, { details: { name: roleRef.name, group } });
  confirm(deps, user, binding, rules);
}

function confirm(deps: EscalationDeps, user: UserInfo, target: RbacTarget, rules: readonly PolicyRule[]): void {
  const { rules: held, problems } = deps.rbac.policyRulesFor(user, target.namespace);
  const missing = uncovered(held, rules);
  if (missing.length === 0) return;
  const who = `user ${JSON.stringify(user.username)} (groups=${quotedList(user.groups)})`;
  const unresolved = problems.length === 0 ? '' : `; resolution errors: [${problems.join(' ')}]`;
  throw refused(
    target,
    `${who} is attempting to grant RBAC permissions not currently held:\n${describeRules(missing)}${unresolved}`,
  );
}

function refused(target: RbacTarget, why: string): CausewayError {
  return forbiddenResource(group, target.resource, target.name, why);
}

async function allowed(
  authorizer: Authorizer,
  user: UserInfo,
  verb: 'escalate' | 'bind',
  namespace: string,
  resource: string,
  name: string,
): Promise<boolean> {
  const decision = await authorizer.authorize({
    user,
    verb,
    resourceRequest: true,
    namespace,
    apiGroup: group,
    apiVersion: 'v1',
    resource,
    subresource: '',
    name,
    path: '',
  });
  return decision.verdict === 'allow';
}
