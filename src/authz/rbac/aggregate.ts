import { CausewayError } from '../../lib/errors.ts';
import type { ClusterRole, PolicyRule } from './objects.ts';

/** The rules of each ClusterRole that has an `aggregationRule`, by name; what its `rules` should hold. Nested aggregation included. */
export function aggregateRules(_clusterRoles: readonly ClusterRole[]): Map<string, readonly PolicyRule[]> {
  throw new CausewayError('InternalError', 'not implemented');
}
