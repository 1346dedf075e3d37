import type { Pod, PodTemplateSpec } from '../api/generated/types.ts';
import type { OwnerReference } from '../api/object.ts';
import type { InvolvedObject } from '../client/event-recorder.ts';
import { PODS } from '../client/resources.ts';
import { isCode } from '../lib/errors.ts';
import type { ControllerDependencies } from './controller.ts';

/** Creations and deletions that the informer does not show yet are waited for so long at most. */
const EXPECTATION_MS = 5 * 60_000;

/**
 * What a controller has done and its informer does not show yet. While something is expected the controller does not count
 * its pods, or it would create or delete too many.
 */
export class Expectations {
  readonly #byKey = new Map<string, { creations: Set<string>; deletions: Set<string>; at: number }>();

  expectCreation(key: string, podName: string): void {
    this.#entry(key).creations.add(podName);
  }

  expectDeletion(key: string, podUid: string): void {
    this.#entry(key).deletions.add(podUid);
  }

  created(key: string, podName: string): void {
    this.#byKey.get(key)?.creations.delete(podName);
  }

  deleted(key: string, podUid: string): void {
    this.#byKey.get(key)?.deletions.delete(podUid);
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }

  satisfied(key: string): boolean {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return true;
    return (entry.creations.size === 0 && entry.deletions.size === 0) || Date.now() - entry.at > EXPECTATION_MS;
  }

  #entry(key: string): { creations: Set<string>; deletions: Set<string>; at: number } {
    let entry = this.#byKey.get(key);
    if (entry === undefined) {
      entry = { creations: new Set(), deletions: new Set(), at: 0 };
      this.#byKey.set(key, entry);
    }
    entry.at = Date.now();
    return entry;
  }
}

export function controllerOf(object: { metadata: { ownerReferences?: OwnerReference[] } }): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((r) => r.controller === true);
}

/** A pod from a template, owned by `owner`. */
export function podFromTemplate(
  template: PodTemplateSpec,
  namespace: string,
  namePrefix: string,
  owner: OwnerReference,
): Pod {
  const meta = template.metadata ?? {};
  return {
    metadata: {
      generateName: namePrefix,
      namespace,
      labels: { ...meta.labels },
      ...(meta.annotations === undefined ? {} : { annotations: { ...meta.annotations } }),
      ...(meta.finalizers === undefined ? {} : { finalizers: [...meta.finalizers] }),
      ownerReferences: [owner],
    },
    spec: template.spec,
  };
}

/** Creates a pod and tells of it in an event. Throws what the apiserver answers. */
export async function createPod(
  d: ControllerDependencies,
  owner: InvolvedObject,
  pod: Pod,
  signal: AbortSignal,
): Promise<Pod> {
  try {
    const created = await d.client.create(PODS, pod, signal);
    d.events.record(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
    return created;
  } catch (error) {
    if (!signal.aborted) d.events.record(owner, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
    throw error;
  }
}

export async function deletePod(
  d: ControllerDependencies,
  owner: InvolvedObject,
  pod: Pod,
  signal: AbortSignal,
): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata;
  try {
    await d.client.delete(PODS, namespace, name, uid === undefined ? {} : { preconditions: { uid } }, signal);
    d.events.record(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
  } catch (error) {
    if (isCode(error, 'NotFound') || isCode(error, 'Conflict')) return;
    d.events.record(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
    throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isPodReady(pod: Pod): boolean {
  return pod.status?.conditions?.find((c) => c.type === 'Ready')?.status === 'True';
}

/** Ready for at least `minReadySeconds`; else how many milliseconds are left, or undefined when it is not ready. */
export function availableIn(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const ready = pod.status?.conditions?.find((c) => c.type === 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  return Math.max(0, Date.parse(ready.lastTransitionTime ?? '') + minReadySeconds * 1000 - now);
}

/** Runs or will run: has not ended and is not being deleted. */
export function isPodActive(pod: Pod): boolean {
  return (
    pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed' && pod.metadata.deletionTimestamp === undefined
  );
}
