import type { Pod } from '../../api/generated/types.ts';
import { gracePeriodSeconds } from '../pod-config.ts';
import { hashOf } from './annotations.ts';

export interface StaticPodsDependencies {
  /** Runs a static pod; call `ended` when nothing of it is left. */
  readonly start: (pod: Pod) => void;
  /** Ends one that runs, as the deletion of a pod does. */
  readonly end: (pod: Pod) => void;
  readonly now: () => number;
}

/**
 * Which static pods run: those of the files as they are now. The pod of a changed file starts when the one before it has ended, for both
 * have one name and may want the same port or disk.
 */
export class StaticPods {
  readonly #d: StaticPodsDependencies;
  /** By `namespace/name`. */
  readonly #running = new Map<string, { pod: Pod; ending: boolean }>();
  #wanted = new Map<string, Pod>();

  constructor(dependencies: StaticPodsDependencies) {
    this.#d = dependencies;
  }

  /** The static pods that there shall be. */
  set(pods: readonly Pod[]): void {
    this.#wanted = new Map(pods.map((pod) => [nameOf(pod), pod]));
    for (const [name, running] of this.#running) {
      const wanted = this.#wanted.get(name);
      if (running.ending || (wanted !== undefined && hashOf(wanted) === hashOf(running.pod))) continue;
      running.ending = true;
      const deletionTimestamp = new Date(this.#d.now()).toISOString();
      const deletionGracePeriodSeconds = gracePeriodSeconds(running.pod);
      const metadata = { ...running.pod.metadata, deletionTimestamp, deletionGracePeriodSeconds };
      this.#d.end({ ...running.pod, metadata });
    }
    for (const name of this.#wanted.keys()) this.#start(name);
  }

  /** Whether this is one of them. */
  has(pod: Pod): boolean {
    return this.#running.get(nameOf(pod))?.pod.metadata.uid === pod.metadata.uid;
  }

  /** Nothing is left of it. */
  ended(pod: Pod): void {
    const name = nameOf(pod);
    if (this.#running.get(name)?.pod.metadata.uid !== pod.metadata.uid) return;
    this.#running.delete(name);
    this.#start(name);
  }

  #start(name: string): void {
    const pod = this.#wanted.get(name);
    if (pod === undefined || this.#running.has(name)) return;
    this.#running.set(name, { pod, ending: false });
    this.#d.start(pod);
  }
}

function nameOf({ metadata: { namespace, name } }: Pod): string {
  return `${namespace}/${name}`;
}
