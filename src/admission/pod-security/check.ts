import type { Container, EphemeralContainer, PodSpec } from '../../api/generated/types.ts';

/** What a check looks at: a pod, or the template of one. */
export interface PodLike {
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
}

export interface Violation {
  /** `hostPath volumes`: short, the same for all pods. */
  readonly reason: string;
  /** `volume "a"`: what in this pod. */
  readonly detail: string;
}

/** One rule of the standards as of a version; undefined when the pod keeps it. */
export type CheckPod = (pod: PodLike) => Violation | undefined;

export interface Check {
  readonly id: string;
  readonly level: 'baseline' | 'restricted';
  /** From which minor version on, ascending. */
  readonly versions: readonly { readonly from: number; readonly check: CheckPod }[];
  /** Baseline checks that this one replaces where it applies. */
  readonly overrides?: readonly string[];
}

export const NONE: readonly never[] = [];

/** Init containers (sidecars are among them), containers, debug containers: no kind of container is exempt. */
export function containersOf(spec: PodSpec): readonly (Container | EphemeralContainer)[] {
  const first = spec.initContainers ?? NONE;
  const main = spec.containers ?? NONE;
  const debug = spec.ephemeralContainers ?? NONE;
  // Most pods have only those in the middle, and each check asks.
  return first.length === 0 && debug.length === 0 ? main : [...first, ...main, ...debug];
}

/** The names of the containers for which `bad` holds. */
export function badContainers(spec: PodSpec, bad: (container: Container | EphemeralContainer) => boolean): string[] {
  const names: string[] = [];
  for (const container of containersOf(spec)) if (bad(container)) names.push(container.name);
  return names;
}

/** `container "a"`, `containers "a", "b"`. */
export function containers(names: readonly string[]): string {
  return `${plural(names, 'container', 'containers')} ${quoted(names)}`;
}

/** `pod`, `pod and container "a"`, `container "a"`: who set something that may not be set. */
export function setters(pod: boolean, names: readonly string[]): string {
  return [...(pod ? ['pod'] : []), ...(names.length === 0 ? [] : [containers(names)])].join(' and ');
}

export function plural(items: { readonly length: number }, one: string, many: string): string {
  return items.length === 1 ? one : many;
}

/** `"a", "b"`. */
export function quoted(items: readonly string[]): string {
  return items.length === 0 ? '' : `"${items.join('", "')}"`;
}

export function sortedUnique(items: Iterable<string>): string[] {
  const all = [...items];
  return all.length < 2 ? all : [...new Set(all)].sort();
}

/** JSON's null is a field left out. */
export function isSet<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

export function isWindows(spec: PodSpec): boolean {
  return spec.os?.name === 'windows';
}

/** A pod in a user namespace of its own: its root is nobody on the host. */
export function hasUserNamespace(spec: PodSpec): boolean {
  return spec.hostUsers === false;
}
