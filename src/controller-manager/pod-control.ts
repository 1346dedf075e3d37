import type { Pod, PodTemplateSpec } from '../api/generated/types.ts';
import type { OwnerReference } from '../api/object.ts';
import type { EventRecorder, InvolvedObject } from '../client/event-recorder.ts';
import { PODS } from '../client/resources.ts';
import { isCode } from '../lib/errors.ts';
import type { ControllerDependencies } from './controller.ts';
import { EndingNamespaces, messageOf } from './expected-errors.ts';

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

/** Creates and deletes the pods of one owner, and tells of it in events. */
export class PodControl {
  readonly #d: ControllerDependencies;
  readonly #events: EventRecorder;
  readonly #ending: EndingNamespaces;

  constructor(dependencies: ControllerDependencies, events: EventRecorder) {
    this.#d = dependencies;
    this.#events = events;
    this.#ending = new EndingNamespaces(dependencies.informers);
  }

  /** Throws what the apiserver answers. */
  async create(owner: InvolvedObject, pod: Pod, signal: AbortSignal): Promise<Pod> {
    try {
      const created = await this.#d.client.create(PODS, pod, signal);
      this.#events.record(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
      return created;
    } catch (error) {
      if (!signal.aborted && !this.#ending.refused(error, pod.metadata.namespace ?? '')) {
        this.#events.record(owner, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
      }
      throw error;
    }
  }

  /** This very pod: one that took its name meanwhile stays. */
  async delete(owner: InvolvedObject, pod: Pod, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid = '' } = pod.metadata;
    try {
      await this.#d.client.delete(PODS, namespace, name, { preconditions: { uid } }, signal);
      this.#events.record(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
    } catch (error) {
      if (isCode(error, 'NotFound') || isCode(error, 'Conflict')) return;
      if (!signal.aborted) {
        this.#events.record(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
      }
      throw error;
    }
  }
}
