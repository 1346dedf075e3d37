import { CausewayError } from '../../lib/errors.ts';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from './objects.ts';

export type Reconciliation<T> =
  | { readonly action: 'keep' }
  | { readonly action: 'create'; readonly object: T }
  /** `object` is the stored one with what was missing added: its resourceVersion is kept. */
  | { readonly action: 'update'; readonly object: T }
  /** The roleRef differs, and it is immutable: delete the stored one (by its uid), then create `object`. */
  | { readonly action: 'recreate'; readonly object: T };

/** Adds missing rules, labels and annotations, never removes any; `autoupdate: "false"` on the stored object is respected. */
export function reconcileRole<T extends Role | ClusterRole>(_existing: T | undefined, _wanted: T): Reconciliation<T> {
  throw new CausewayError('InternalError', 'not implemented');
}

/** Adds missing subjects, never removes any; `autoupdate: "false"` on the stored object is respected. */
export function reconcileBinding<T extends RoleBinding | ClusterRoleBinding>(
  _existing: T | undefined,
  _wanted: T,
): Reconciliation<T> {
  throw new CausewayError('InternalError', 'not implemented');
}
