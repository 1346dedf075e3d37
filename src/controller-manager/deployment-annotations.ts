import type { Deployment, ReplicaSet } from '../api/generated/types.ts';

/** Which rollout a set is of, counted from 1; on the deployment, the present one. `kubectl rollout` reads it. */
export const REVISION_ANNOTATION = 'deployment.kubernetes.io/revision';
/** The revisions that a set had before it came back, comma-separated. */
const HISTORY_ANNOTATION = 'deployment.kubernetes.io/revision-history';
/** The size of the deployment, and the most pods that it could have, when the set was sized last. */
const DESIRED_ANNOTATION = 'deployment.kubernetes.io/desired-replicas';
const MAX_ANNOTATION = 'deployment.kubernetes.io/max-replicas';
/** Characters of the history: the oldest revisions are forgotten. */
const MAX_HISTORY_LENGTH = 2000;

/** What a deployment has and its sets must not: they have their own, or none. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  REVISION_ANNOTATION,
  HISTORY_ANNOTATION,
  DESIRED_ANNOTATION,
  MAX_ANNOTATION,
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
]);

type Annotations = Readonly<Record<string, string>>;

export function revisionOf(rs: ReplicaSet): number {
  return numberOf(rs.metadata.annotations?.[REVISION_ANNOTATION]) ?? 0;
}

export function maxRevision(sets: readonly ReplicaSet[]): number {
  return Math.max(0, ...sets.map(revisionOf));
}

export function desiredReplicasOf(rs: ReplicaSet): number | undefined {
  return numberOf(rs.metadata.annotations?.[DESIRED_ANNOTATION]);
}

export function maxReplicasOf(rs: ReplicaSet): number {
  return numberOf(rs.metadata.annotations?.[MAX_ANNOTATION]) ?? 0;
}

/** What a set notes of the size of its deployment, so that a later scaling is recognised. */
export function sizeAnnotations(replicas: number, maxSurge: number): Annotations {
  return { [DESIRED_ANNOTATION]: String(replicas), [MAX_ANNOTATION]: String(replicas + maxSurge) };
}

/**
 * The annotations of the set that is rolled out: the deployment's own (such as `kubernetes.io/change-cause`) and the highest
 * revision. A set that comes back remembers the revision that it had.
 */
export function rolledOutAnnotations(
  deployment: Deployment,
  rs: ReplicaSet | undefined,
  revision: number,
): Annotations {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.has(key));
  const known = rs?.metadata.annotations ?? {};
  const result: Record<string, string> = { ...known, ...Object.fromEntries(copied) };
  const before = rs === undefined ? 0 : revisionOf(rs);
  if (before >= revision) return result;
  result[REVISION_ANNOTATION] = String(revision);
  if (before > 0) result[HISTORY_ANNOTATION] = extended(known[HISTORY_ANNOTATION], before);
  return result;
}

function extended(history: string | undefined, revision: number): string {
  const revisions = [...(history === undefined || history === '' ? [] : history.split(',')), String(revision)];
  while (revisions.length > 1 && revisions.join(',').length > MAX_HISTORY_LENGTH) revisions.shift();
  return revisions.join(',');
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
