import { CausewayError } from '../../lib/errors.ts';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from './objects.ts';

export interface BootstrapPolicy {
  readonly clusterRoles: readonly ClusterRole[];
  readonly clusterRoleBindings: readonly ClusterRoleBinding[];
  /** In kube-system and kube-public: create those namespaces first. */
  readonly roles: readonly Role[];
  readonly roleBindings: readonly RoleBinding[];
}

/** Everything that the apiserver makes sure of at its start. Fresh objects at each call. */
export function bootstrapPolicy(): BootstrapPolicy {
  throw new CausewayError('InternalError', 'not implemented');
}
