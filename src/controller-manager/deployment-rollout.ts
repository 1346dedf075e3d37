import { createHash } from 'node:crypto';
import type { Deployment, PodTemplateSpec, ReplicaSet } from '../api/generated/types.ts';

/** The label by which the pods of one template are told from those of another. */
export const TEMPLATE_HASH_LABEL = 'pod-template-hash';
export const REVISION_ANNOTATION = 'deployment.kubernetes.io/revision';
const DESIRED_ANNOTATION = 'deployment.kubernetes.io/desired-replicas';
const MAX_ANNOTATION = 'deployment.kubernetes.io/max-replicas';
/** Letters and digits without vowels and look-alikes, as Kubernetes' generated names have them. */
const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

/** A short name of a template; `collisions` makes another one when the name is taken by a different template. */
export function templateHash(template: PodTemplateSpec, collisions: number): string {
  const digest = createHash('sha256').update(canonical(template)).update(String(collisions)).digest();
  let text = '';
  for (const byte of digest.subarray(0, 10)) text += SAFE[byte % SAFE.length];
  return text;
}

/** JSON with sorted keys and without the hash label, so that equal templates have equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (key, v: unknown) => {
    if (key === TEMPLATE_HASH_LABEL) return undefined;
    if (typeof v !== 'object' || v === null || Array.isArray(v)) return v;
    return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return canonical(withoutEmpty(a)) === canonical(withoutEmpty(b));
}

function withoutEmpty(template: PodTemplateSpec | undefined): PodTemplateSpec {
  const { creationTimestamp: _, ...metadata } = template?.metadata ?? {};
  return { ...template, metadata };
}

export function revisionOf(rs: ReplicaSet): number {
  return Number(rs.metadata.annotations?.[REVISION_ANNOTATION] ?? 0);
}

/** `maxSurge` and `maxUnavailable` as numbers: percentages are of the wanted replicas, the first rounded up, the second down. */
export function rolloutLimits(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  const replicas = deployment.spec?.replicas ?? 1;
  if (deployment.spec?.strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: replicas };
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const maxSurge = scaled(rolling?.maxSurge ?? '25%', replicas, Math.ceil);
  let maxUnavailable = scaled(rolling?.maxUnavailable ?? '25%', replicas, Math.floor);
  if (maxSurge === 0 && maxUnavailable === 0) maxUnavailable = 1;
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, replicas) };
}

function scaled(value: number | string, of: number, round: (n: number) => number): number {
  if (typeof value === 'number') return value;
  return value.endsWith('%') ? round((Number(value.slice(0, -1)) * of) / 100) : Number(value);
}

function replicasOf(rs: ReplicaSet): number {
  return rs.spec?.replicas ?? 0;
}

function total(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, rs) => sum + replicasOf(rs), 0);
}

function available(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, rs) => sum + (rs.status?.availableReplicas ?? 0), 0);
}

export interface ScaleStep {
  readonly rs: ReplicaSet;
  readonly replicas: number;
}

/**
 * The next changes of a rolling update: the new set grows while the whole stays within `maxSurge`, the old ones shrink while
 * enough pods are available. Pure; an empty answer means wait.
 */
export function rollingSteps(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): ScaleStep[] {
  const wanted = deployment.spec?.replicas ?? 1;
  const { maxSurge, maxUnavailable } = rolloutLimits(deployment);
  const all = [fresh, ...old];
  if (replicasOf(fresh) > wanted) return [{ rs: fresh, replicas: wanted }];
  const room = wanted + maxSurge - total(all);
  if (replicasOf(fresh) < wanted && room > 0) {
    return [{ rs: fresh, replicas: Math.min(wanted, replicasOf(fresh) + room) }];
  }
  return shrinkOld(wanted, maxUnavailable, fresh, old);
}

function shrinkOld(wanted: number, maxUnavailable: number, fresh: ReplicaSet, old: readonly ReplicaSet[]): ScaleStep[] {
  const live = old.filter((rs) => replicasOf(rs) > 0);
  if (live.length === 0) return [];
  const minimum = wanted - maxUnavailable;
  const freshUnavailable = replicasOf(fresh) - (fresh.status?.availableReplicas ?? 0);
  let budget = total([fresh, ...old]) - minimum - freshUnavailable;
  if (budget <= 0) return [];
  const steps = new Map<ReplicaSet, number>();
  // Pods that are not available are no loss: they go first.
  for (const rs of byAge(live)) {
    const unavailable = replicasOf(rs) - (rs.status?.availableReplicas ?? 0);
    const cut = Math.min(budget, Math.max(0, unavailable));
    if (cut === 0) continue;
    steps.set(rs, replicasOf(rs) - cut);
    budget -= cut;
  }
  let spare = Math.min(budget, available([fresh, ...old]) - minimum);
  for (const rs of byAge(live)) {
    if (spare <= 0) break;
    const now = steps.get(rs) ?? replicasOf(rs);
    const cut = Math.min(spare, now);
    if (cut === 0) continue;
    steps.set(rs, now - cut);
    spare -= cut;
  }
  return [...steps].map(([rs, replicas]) => ({ rs, replicas }));
}

function byAge(sets: readonly ReplicaSet[]): ReplicaSet[] {
  return [...sets].sort((a, b) =>
    (a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? -1 : 1,
  );
}

/** All old pods go before a new one comes. */
export function recreateSteps(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): ScaleStep[] {
  const live = old.filter((rs) => replicasOf(rs) > 0);
  if (live.length > 0) return live.map((rs) => ({ rs, replicas: 0 }));
  const gone = old.every((rs) => (rs.status?.replicas ?? 0) === 0 && (rs.status?.terminatingReplicas ?? 0) === 0);
  const wanted = deployment.spec?.replicas ?? 1;
  return gone && replicasOf(fresh) !== wanted ? [{ rs: fresh, replicas: wanted }] : [];
}

/**
 * A deployment that was scaled in the middle of a rollout, or while paused: the change is shared out in proportion to the
 * sets' sizes. Empty when no live set was sized for another number of replicas.
 */
export function proportionalSteps(deployment: Deployment, sets: readonly ReplicaSet[]): ScaleStep[] {
  const wanted = deployment.spec?.replicas ?? 1;
  const live = sets.filter((rs) => replicasOf(rs) > 0);
  const scaledNow = live.some((rs) => {
    const desired = rs.metadata.annotations?.[DESIRED_ANNOTATION];
    return desired !== undefined && Number(desired) !== wanted;
  });
  if (!scaledNow) return [];
  if (live.length === 1) return [{ rs: live[0]!, replicas: wanted }];
  const { maxSurge } = rolloutLimits(deployment);
  const allowed = wanted === 0 ? 0 : wanted + maxSurge;
  const before = total(live);
  let left = allowed - before;
  if (left === 0) return [];
  const bySize = [...live].sort((a, b) => replicasOf(b) - replicasOf(a));
  const steps = bySize.map((rs) => {
    const maximum = Number(rs.metadata.annotations?.[MAX_ANNOTATION] ?? before) || before;
    const share = Math.round((replicasOf(rs) * allowed) / maximum) - replicasOf(rs);
    const change = left > 0 ? Math.min(Math.max(share, 0), left) : Math.max(Math.min(share, 0), left);
    left -= change;
    return { rs, replicas: replicasOf(rs) + change };
  });
  const first = steps[0]!;
  steps[0] = { rs: first.rs, replicas: Math.max(0, first.replicas + left) };
  return steps.filter((s) => s.replicas !== replicasOf(s.rs));
}

/** What a set notes of the deployment's size, so that a later scaling is recognised. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const wanted = deployment.spec?.replicas ?? 1;
  return {
    [DESIRED_ANNOTATION]: String(wanted),
    [MAX_ANNOTATION]: String(wanted + rolloutLimits(deployment).maxSurge),
  };
}
