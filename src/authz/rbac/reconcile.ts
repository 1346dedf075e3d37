import type { ObjectMeta } from '../../api/object.ts';
import { uncovered } from './covers.ts';
import { compactRules } from './describe-rules.ts';
import type { ClusterRole, ClusterRoleBinding, LabelSelector, Role, RoleBinding, Subject } from './objects.ts';

export type Reconciliation<T> =
  | { readonly action: 'keep' }
  | { readonly action: 'create'; readonly object: T }
  /** `object` is the stored one with what was missing added: its resourceVersion is kept. */
  | { readonly action: 'update'; readonly object: T }
  /** The roleRef differs, and it is immutable: delete the stored one (by its uid), then create `object`. */
  | { readonly action: 'recreate'; readonly object: T };

const autoupdate = 'rbac.authorization.kubernetes.io/autoupdate';

/** Adds missing rules, labels and annotations, never removes any; `autoupdate: "false"` on the stored object is respected. */
export function reconcileRole<T extends Role | ClusterRole>(existing: T | undefined, wanted: T): Reconciliation<T> {
  if (existing === undefined) return { action: 'create', object: wanted };
  if (isProtected(existing.metadata)) return { action: 'keep' };
  const changes: { metadata?: ObjectMeta; rules?: unknown; aggregationRule?: unknown } = {};
  const metadata = mergeMetadata(existing.metadata, wanted.metadata);
  if (metadata !== undefined) changes.metadata = metadata;

  const had = selectorsOf(existing);
  const want = selectorsOf(wanted);
  if (want === undefined) {
    // The rules of an aggregating role are made by the aggregation; those of any other are compared.
    const missing = uncovered(existing.rules ?? [], wanted.rules ?? []);
    if (missing.length > 0) changes.rules = [...(existing.rules ?? []), ...compactRules(missing)];
    if (had !== undefined) changes.aggregationRule = undefined;
  } else {
    const known = new Set((had ?? []).map((selector) => JSON.stringify(selector)));
    const missing = want.filter((selector) => !known.has(JSON.stringify(selector)));
    if (missing.length > 0) changes.aggregationRule = { clusterRoleSelectors: [...(had ?? []), ...missing] };
  }
  return changed(existing, changes);
}

/** Adds missing subjects, never removes any; `autoupdate: "false"` on the stored object is respected. */
export function reconcileBinding<T extends RoleBinding | ClusterRoleBinding>(
  existing: T | undefined,
  wanted: T,
): Reconciliation<T> {
  if (existing === undefined) return { action: 'create', object: wanted };
  if (isProtected(existing.metadata)) return { action: 'keep' };
  const { roleRef: is } = existing;
  const { roleRef: should } = wanted;
  if (is.kind !== should.kind || is.name !== should.name || is.apiGroup !== should.apiGroup) {
    return { action: 'recreate', object: wanted };
  }
  const changes: { metadata?: ObjectMeta; subjects?: readonly Subject[] } = {};
  const metadata = mergeMetadata(existing.metadata, wanted.metadata);
  if (metadata !== undefined) changes.metadata = metadata;
  const known = new Set((existing.subjects ?? []).map(subjectKey));
  const missing = (wanted.subjects ?? []).filter((subject) => !known.has(subjectKey(subject)));
  if (missing.length > 0) changes.subjects = [...(existing.subjects ?? []), ...missing];
  return changed(existing, changes);
}

function changed<T extends object>(existing: T, changes: object): Reconciliation<T> {
  if (Object.keys(changes).length === 0) return { action: 'keep' };
  const object = { ...existing, ...changes } as Record<string, unknown>;
  for (const [key, value] of Object.entries(changes)) if (value === undefined) delete object[key];
  return { action: 'update', object: object as unknown as T };
}

function isProtected(metadata: ObjectMeta): boolean {
  return metadata.annotations?.[autoupdate] === 'false';
}

/** The stored metadata with the labels and annotations that it lacks, or undefined when it lacks none. What is stored wins. */
function mergeMetadata(existing: ObjectMeta, wanted: ObjectMeta): ObjectMeta | undefined {
  const lacks = (has: Record<string, string> = {}, wants: Record<string, string> = {}): boolean =>
    Object.keys(wants).some((key) => !Object.hasOwn(has, key));
  if (!lacks(existing.labels, wanted.labels) && !lacks(existing.annotations, wanted.annotations)) return undefined;
  return {
    ...existing,
    labels: { ...wanted.labels, ...existing.labels },
    annotations: { ...wanted.annotations, ...existing.annotations },
  };
}

function selectorsOf(role: Role | ClusterRole): readonly LabelSelector[] | undefined {
  const rule = (role as ClusterRole).aggregationRule;
  return rule === undefined ? undefined : (rule.clusterRoleSelectors ?? []);
}

function subjectKey(subject: Subject): string {
  return JSON.stringify([subject.kind, subject.apiGroup ?? '', subject.namespace ?? '', subject.name]);
}
