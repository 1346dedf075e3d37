import type { UserInfo } from '../../api/user-info.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { Authorizer } from '../authorizer.ts';
import type { PolicyRule, RbacReader, RoleRef } from './objects.ts';
import type { RbacAuthorizer } from './rbac-authorizer.ts';

export interface EscalationDeps {
  readonly rbac: RbacAuthorizer;
  readonly reader: RbacReader;
  /** The whole union: asked for `escalate` and `bind`. */
  readonly authorizer: Authorizer;
}

/** Throws Forbidden unless `user` holds `rules` in `namespace` ('' for cluster-wide), or may `escalate` the role. */
export async function checkRoleEscalation(
  _deps: EscalationDeps,
  _user: UserInfo,
  _role: { readonly resource: 'roles' | 'clusterroles'; readonly namespace: string; readonly name: string },
  _rules: readonly PolicyRule[],
): Promise<void> {
  throw new CausewayError('InternalError', 'not implemented');
}

/** Throws Forbidden unless `user` may `bind` the role or holds each of its rules. */
export async function checkBinding(
  _deps: EscalationDeps,
  _user: UserInfo,
  _binding: {
    readonly resource: 'rolebindings' | 'clusterrolebindings';
    readonly namespace: string;
    readonly name: string;
  },
  _roleRef: RoleRef,
): Promise<void> {
  throw new CausewayError('InternalError', 'not implemented');
}
