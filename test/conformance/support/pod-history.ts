import type { ContainerStatus, Pod } from '../../../src/api/generated/types.ts';

interface Run {
  readonly index: number;
  startedAt: string | undefined;
  finishedAt: string | undefined;
  exitCode: number | undefined;
}

interface Seen {
  pod: Pod;
  /** By container, by the container's id. */
  readonly runs: Map<string, Map<string, Run>>;
  readonly restarts: Map<string, number>;
}

/** Kubernetes' back-off after so many restarts: the first is at once. */
function backOffMs(restarts: number): number {
  return restarts === 0 ? 0 : Math.min(300_000, 10_000 * 2 ** (restarts - 1));
}

/** What was told of pods, and what in it cannot be right. */
export class PodHistory {
  readonly problems: string[] = [];
  readonly #pods = new Map<string, Seen>();

  /** Every status that a pod ever had, by its UID. */
  note(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const seen = this.#pods.get(uid) ?? { pod, runs: new Map(), restarts: new Map() };
    this.#pods.set(uid, seen);
    const [before, now] = [seen.pod.status?.phase, pod.status?.phase];
    if ((before === 'Succeeded' || before === 'Failed') && now !== before)
      this.#complain(pod, `${before}, then ${now}`);
    for (const status of [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]) {
      this.#noteContainer(seen, pod, status);
    }
    seen.pod = pod;
  }

  #noteContainer(seen: Seen, pod: Pod, status: ContainerStatus): void {
    const { name, restartCount, containerID, state, lastState } = status;
    const before = seen.restarts.get(name) ?? 0;
    if (restartCount < before) this.#complain(pod, `${name} was restarted ${before} times, then ${restartCount}`);
    seen.restarts.set(name, restartCount);
    const runs = seen.runs.get(name) ?? new Map<string, Run>();
    seen.runs.set(name, runs);
    for (const { containerID: id, ...what } of [state?.running, state?.terminated, lastState?.terminated].flatMap(
      (each) => (each === undefined ? [] : [{ containerID, ...each }]),
    )) {
      if (id === undefined) continue;
      // The newest has the index that is the number of restarts, whether it runs or has ended.
      const run = runs.get(id) ?? {
        index: id === containerID ? restartCount : restartCount - 1,
        startedAt: undefined,
        finishedAt: undefined,
        exitCode: undefined,
      };
      runs.set(id, run);
      const { finishedAt, exitCode } = { finishedAt: undefined, exitCode: undefined, ...what };
      for (const [field, value] of [
        ['startedAt', what.startedAt],
        ['finishedAt', finishedAt],
        ['exitCode', exitCode],
      ] as const) {
        if (value === undefined) continue;
        if (run[field] !== undefined && run[field] !== value)
          this.#complain(pod, `${field} of run ${run.index} of ${name} was ${run[field]}, then ${value}`);
        Object.assign(run, { [field]: value });
      }
    }
  }

  #complain(pod: Pod, what: string): void {
    this.problems.push(`${pod.metadata.name} (${pod.metadata.labels?.['kind']}): ${what}`);
  }

  /** The newest that was told of each pod. */
  pods(): Pod[] {
    return [...this.#pods.values()].map(({ pod }) => pod);
  }

  /**
   * Restarts that came too early. Times are told in seconds. `isExempt`: what happened in between made it right; `kills` are the moments when
   * the kubelet died: the next one begins to count anew. Answers how many times something had to be waited for.
   */
  checkBackOffs(isExempt: (uid: string, fromMs: number, toMs: number) => boolean, kills: readonly number[]): number {
    let checked = 0;
    for (const [uid, { pod, runs }] of this.#pods) {
      for (const [name, byId] of runs) {
        const inOrder = [...byId.values()].sort((a, b) => a.index - b.index);
        for (const [i, run] of inOrder.entries()) {
          const next = inOrder[i + 1];
          if (next?.index !== run.index + 1 || run.finishedAt === undefined || next.startedAt === undefined) continue;
          const [from, to] = [Date.parse(run.finishedAt), Date.parse(next.startedAt)];
          if (isExempt(uid, from, to + 1000)) continue;
          const epoch = Math.max(0, ...kills.filter((at) => at < from));
          const restarts = inOrder.slice(0, i + 1).filter((r) => r.index > 0 && Date.parse(r.startedAt ?? '') >= epoch);
          const wanted = backOffMs(restarts.length);
          checked += wanted > 0 ? 1 : 0;
          if (to - from < wanted - 1000)
            this.#complain(pod, `${name} was restarted for the ${next.index}. time after ${(to - from) / 1000} s`);
        }
      }
    }
    return checked;
  }
}
