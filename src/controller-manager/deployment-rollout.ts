import { createHash } from 'node:crypto';
import type { Deployment, PodTemplateSpec, ReplicaSet } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import { desiredReplicasOf, maxReplicasOf } from './deployment-annotations.ts';
import { scaled } from './scaled.ts';

/** The label by which the pods of one template are told from those of another. */
export const TEMPLATE_HASH_LABEL = 'pod-template-hash';
/** Letters and digits without vowels and look-alikes, as Kubernetes' generated names have them. */
const SAFE = 'bcdfghjklmnpqrstvwxz2456789';
const HASH_LENGTH = 10;
/** RFC 1123 §2.1: a DNS subdomain, which the name of a set has to be. */
const MAX_NAME_LENGTH = 253;

/** A short name of a template; `collisions` makes another one when the name is taken by a different template. */
export function templateHash(template: PodTemplateSpec, collisions: number): string {
  const digest = createHash('sha256')
    .update(canonical(withoutHash(template)))
    .update(String(collisions))
    .digest();
  let text = '';
  for (const byte of digest.subarray(0, HASH_LENGTH)) text += SAFE[byte % SAFE.length];
  return text;
}

/** The name of the set of a template: that of the deployment, cut where it is too long, and the hash. */
export function setName(deploymentName: string, hash: string): string {
  return `${deploymentName.slice(0, MAX_NAME_LENGTH - 1 - hash.length)}-${hash}`;
}

/** JSON with sorted keys, so that equal templates have equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => {
    if (typeof v !== 'object' || v === null || Array.isArray(v)) return v;
    return Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec {
  const { creationTimestamp: _time, labels, ...metadata } = template?.metadata ?? {};
  const { [TEMPLATE_HASH_LABEL]: _hash, ...others } = labels ?? {};
  return { ...template, metadata: { ...metadata, labels: others } };
}

/** Whether two templates make the same pods: the hash label does not count. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return semanticEqual(withoutHash(a), withoutHash(b));
}

export interface RolloutLimits {
  /** How many pods there may be beyond the wanted number. */
  readonly maxSurge: number;
  /** How many may be missing. */
  readonly maxUnavailable: number;
}

/** Percentages are of the wanted replicas, the first rounded up, the second down. `Recreate` has neither. */
export function rolloutLimits(deployment: Deployment): RolloutLimits {
  const replicas = wantedReplicas(deployment);
  if (isRecreate(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const maxSurge = scaled(rolling?.maxSurge ?? '25%', replicas, Math.ceil);
  let maxUnavailable = scaled(rolling?.maxUnavailable ?? '25%', replicas, Math.floor);
  // Both can be rounded to zero, and then nothing could ever move.
  if (maxSurge === 0 && maxUnavailable === 0) maxUnavailable = 1;
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, replicas) };
}

export function wantedReplicas(deployment: Deployment): number {
  return deployment.spec?.replicas ?? 1;
}

export function isRecreate(deployment: Deployment): boolean {
  return deployment.spec?.strategy?.type === 'Recreate';
}

export function replicasOf(rs: ReplicaSet): number {
  return rs.spec?.replicas ?? 0;
}

/**
 * How many of its pods stay available. A set that was just made smaller still reports those that are about to go; unavailable
 * ones go first.
 */
function availableOf(rs: ReplicaSet): number {
  return Math.min(rs.status?.availableReplicas ?? 0, replicasOf(rs));
}

/** How many pods it may have at this moment: those that are about to go, and those that are about to come, are there too. */
function podsOf(rs: ReplicaSet): number {
  return Math.max(rs.status?.replicas ?? 0, replicasOf(rs));
}

/** Whether what a set reports is of the size that it has now. */
function isObserved(rs: ReplicaSet): boolean {
  return (rs.status?.observedGeneration ?? 0) >= (rs.metadata.generation ?? 0);
}

function total(sets: readonly ReplicaSet[], of: (rs: ReplicaSet) => number): number {
  return sets.reduce((sum, rs) => sum + of(rs), 0);
}

export interface ScaleStep {
  readonly rs: ReplicaSet;
  readonly replicas: number;
}

/** How many replicas the new set may have now: as many as `maxSurge` leaves room for. */
export function newSetReplicas(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): number {
  const wanted = wantedReplicas(deployment);
  if (isRecreate(deployment)) return wanted;
  const room = wanted + rolloutLimits(deployment).maxSurge - total([fresh, ...old], podsOf);
  return room <= 0 ? replicasOf(fresh) : Math.min(wanted, replicasOf(fresh) + room);
}

/**
 * The next changes of a rolling update: the new set grows while the whole stays within `maxSurge`, the old ones shrink while
 * enough pods are available. An empty answer means wait.
 */
export function rollingSteps(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): ScaleStep[] {
  const wanted = wantedReplicas(deployment);
  if (replicasOf(fresh) > wanted) return [{ rs: fresh, replicas: wanted }];
  const replicas = newSetReplicas(deployment, fresh, old);
  if (replicas > replicasOf(fresh)) return [{ rs: fresh, replicas }];
  return shrinkOld(wanted, rolloutLimits(deployment).maxUnavailable, fresh, old);
}

function shrinkOld(wanted: number, maxUnavailable: number, fresh: ReplicaSet, old: readonly ReplicaSet[]): ScaleStep[] {
  const live = byAge(old.filter((rs) => replicasOf(rs) > 0));
  if (live.length === 0) return [];
  // What was small, and large again before anybody saw it, may have lost the pods that it reports.
  if (![fresh, ...live].every(isObserved)) return [];
  const minimum = wanted - maxUnavailable;
  const freshUnavailable = replicasOf(fresh) - availableOf(fresh);
  let budget = total([fresh, ...old], replicasOf) - minimum - freshUnavailable;
  if (budget <= 0) return [];
  const left = new Map(live.map((rs) => [rs, replicasOf(rs)]));
  const cut = (rs: ReplicaSet, most: number): number => {
    const now = left.get(rs) ?? 0;
    const count = Math.min(most, now);
    left.set(rs, now - count);
    return count;
  };
  // Pods that are not available are no loss: they go first.
  for (const rs of live) budget -= cut(rs, Math.max(0, Math.min(budget, replicasOf(rs) - availableOf(rs))));
  let spare = total([fresh, ...old], availableOf) - minimum;
  for (const rs of live) if (spare > 0) spare -= cut(rs, spare);
  return live
    .map((rs) => ({ rs, replicas: left.get(rs) ?? 0 }))
    .filter(({ rs, replicas }) => replicas !== replicasOf(rs));
}

/** `Recreate`: all old pods go before a new one comes. The caller has made sure that none runs when `old` is empty of replicas. */
export function recreateSteps(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ScaleStep[] {
  const live = old.filter((rs) => replicasOf(rs) > 0);
  if (live.length > 0) return live.map((rs) => ({ rs, replicas: 0 }));
  const wanted = wantedReplicas(deployment);
  return fresh === undefined || replicasOf(fresh) === wanted ? [] : [{ rs: fresh, replicas: wanted }];
}

/** Whether a set that has pods was sized for another number of replicas: the deployment was scaled. */
export function isScaled(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  const wanted = wantedReplicas(deployment);
  return sets.some((rs) => replicasOf(rs) > 0 && (desiredReplicasOf(rs) ?? wanted) !== wanted);
}

/**
 * The sizes after a deployment was scaled, or while it is paused: no rollout goes on, and in the middle of one the change is
 * shared out in proportion to the sets' sizes. Every set that is sized is named, so that it notes what it was sized for.
 */
export function scalingSteps(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ScaleStep[] {
  const wanted = wantedReplicas(deployment);
  const all = fresh === undefined ? [...old] : [...old, fresh];
  const live = all.filter((rs) => replicasOf(rs) > 0);
  const only = live.length === 0 ? (fresh ?? byAge(all).at(-1)) : live.length === 1 ? live[0] : undefined;
  if (only !== undefined) return [{ rs: only, replicas: wanted }];
  if (live.length === 0) return [];
  if (fresh !== undefined && isSaturated(deployment, fresh)) {
    return live.map((rs) => ({ rs, replicas: rs === fresh ? wanted : 0 }));
  }
  if (isRecreate(deployment)) return [];
  return proportionalSteps(deployment, live);
}

function isSaturated(deployment: Deployment, fresh: ReplicaSet): boolean {
  const wanted = wantedReplicas(deployment);
  const available = fresh.status?.availableReplicas ?? 0;
  return replicasOf(fresh) === wanted && desiredReplicasOf(fresh) === wanted && available === wanted;
}

function proportionalSteps(deployment: Deployment, live: readonly ReplicaSet[]): ScaleStep[] {
  const wanted = wantedReplicas(deployment);
  const allowed = wanted === 0 ? 0 : wanted + rolloutLimits(deployment).maxSurge;
  const toAdd = allowed - total(live, replicasOf);
  // The largest come first; of equal ones the newer when it grows, the older when it shrinks.
  const newerFirst = toAdd > 0;
  const bySize = (newerFirst ? byAge(live).reverse() : byAge(live)).sort((a, b) => replicasOf(b) - replicasOf(a));
  let added = 0;
  const sizes = bySize.map((rs) => {
    const share = toAdd === 0 ? 0 : shareOf(deployment, rs);
    const change = toAdd > 0 ? Math.min(share, toAdd - added) : Math.max(share, toAdd - added);
    added += change;
    return { rs, replicas: replicasOf(rs) + change };
  });
  return sizes.map((step, i) => (i === 0 ? { ...step, replicas: Math.max(0, step.replicas + toAdd - added) } : step));
}

/** By how much a set should change to keep its part of the whole. */
function shareOf(deployment: Deployment, rs: ReplicaSet): number {
  const wanted = wantedReplicas(deployment);
  if (wanted === 0) return -replicasOf(rs);
  const before = maxReplicasOf(rs) || deployment.status?.replicas || 0;
  if (before === 0) return 0;
  const after = wanted + rolloutLimits(deployment).maxSurge;
  return Math.round((replicasOf(rs) * after) / before) - replicasOf(rs);
}

export function byAge(sets: readonly ReplicaSet[]): ReplicaSet[] {
  const age = (rs: ReplicaSet): string => `${rs.metadata.creationTimestamp ?? ''} ${rs.metadata.name ?? ''}`;
  return [...sets].sort((a, b) => (age(a) < age(b) ? -1 : 1));
}
