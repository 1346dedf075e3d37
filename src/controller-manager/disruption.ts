import type {
  Deployment,
  Pod,
  PodDisruptionBudget,
  PodDisruptionBudgetStatus,
  ReplicaSet,
} from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import { matchesLabelSelector } from '../api/selector/label-selector.ts';
import { type Informer, keyOfObject, splitKey } from '../client/informer.ts';
import { DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { budgetStatus, failedStatus, needsScale, nextTimeout } from './disruption-status.ts';
import { ignoring, messageOf } from './expected-errors.ts';
import { PodScale } from './pod-scale.ts';

const WORKERS = 4;

/** Counts how many pods of each PodDisruptionBudget may be evicted now. The eviction subresource takes from that number. */
export class DisruptionController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #pods: Informer<Pod>;
  readonly #scale: PodScale;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    const { informers, client, log } = dependencies;
    this.#queue = new WorkQueue('disruption', log);
    this.#budgets = informers.for<PodDisruptionBudget>(POD_DISRUPTION_BUDGETS);
    this.#pods = informers.for<Pod>(PODS);
    const sets = informers.for<ReplicaSet>(REPLICA_SETS);
    const deployments = informers.for<Deployment>(DEPLOYMENTS);
    this.#scale = new PodScale(client, sets, deployments);
    const offer = (budget: PodDisruptionBudget): void => this.#queue.add(keyOfObject(budget));
    this.#budgets.handle({ added: offer, updated: offer });
    this.#pods.handle({
      added: (pod) => this.#podChanged(pod),
      updated: (pod, previous) => {
        this.#podChanged(previous);
        this.#podChanged(pod);
      },
      deleted: (pod) => this.#podChanged(pod),
    });
    const resized = (now: ReplicaSet | Deployment, previous: ReplicaSet | Deployment): void => {
      if (now.spec?.replicas === previous.spec?.replicas) return;
      for (const budget of this.#budgets.list(now.metadata.namespace)) if (needsScale(budget)) offer(budget);
    };
    sets.handle({ updated: resized });
    deployments.handle({ updated: resized });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (key) => this.#sync(key, signal), signal);
  }

  #podChanged({ metadata }: Pod): void {
    for (const budget of this.#budgets.list(metadata.namespace)) {
      if (matchesLabelSelector(budget.spec?.selector, metadata.labels)) this.#queue.add(keyOfObject(budget));
    }
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const budget = this.#budgets.get(namespace, name);
    if (budget === undefined) return;
    const pods = this.#pods
      .list(namespace)
      .filter((pod) => matchesLabelSelector(budget.spec?.selector, pod.metadata.labels));
    const now = this.#d.clock.now();
    let failure: unknown;
    const status = await this.#count(budget, pods, now, signal).catch((error: unknown) => {
      failure = error;
      // Nobody knows how many may go: none may.
      return failedStatus(budget, messageOf(error), now);
    });
    if (signal.aborted) return;
    await this.#write(budget, status, signal);
    if (failure !== undefined) throw failure;
    const wait = nextTimeout(status, now);
    if (wait !== undefined) this.#queue.addAfter(key, wait);
  }

  async #count(
    budget: PodDisruptionBudget,
    pods: readonly Pod[],
    now: number,
    signal: AbortSignal,
  ): Promise<PodDisruptionBudgetStatus> {
    return budgetStatus(budget, pods, needsScale(budget) ? await this.#scale.of(pods, signal) : pods.length, now);
  }

  /** Against the very version that was counted by: an eviction that was allowed meanwhile is not forgotten. */
  async #write(budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus, signal: AbortSignal): Promise<void> {
    if (semanticEqual(status, budget.status)) return;
    const writing = this.#d.client.update(POD_DISRUPTION_BUDGETS, { ...budget, status }, 'status', signal);
    // The event of the change that was in between brings it back here.
    await ignoring(['NotFound', 'Conflict'], writing);
  }
}
