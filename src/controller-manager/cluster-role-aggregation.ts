import type { ClusterRole } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import type { Informer } from '../client/informer.ts';
import { CLUSTER_ROLES } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { allOrFirstError } from './all-or-first-error.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';

/** Who aggregates whom is not known beforehand, and roles are few: all are looked at together. */
const ALL = 'all';
/** How soon to look again when the apiserver knew of roles that the informer does not show yet. */
const RECHECK_MS = 250;

/**
 * Writes into each ClusterRole that has an `aggregationRule` the rules that it has by it, for people to see. Authorisation does
 * not read them, and the apiserver takes no others from here: this controller can grant nothing, so it need not be allowed to
 * escalate, as Kubernetes' own has to be.
 */
export class ClusterRoleAggregationController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #roles: Informer<ClusterRole>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('clusterrole-aggregation', dependencies.log);
    this.#roles = dependencies.informers.for<ClusterRole>(CLUSTER_ROLES);
    const again = (): void => this.#queue.add(ALL);
    this.#roles.handle({ added: again, updated: again, deleted: again });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(1, () => this.#sync(signal), signal);
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const roles = this.#roles.list();
    const aggregated = this.#d.aggregateRules(roles);
    await allOrFirstError(
      roles.flatMap((role) => {
        const rules = aggregated.get(role.metadata.name ?? '');
        return rules === undefined || semanticEqual(role.rules, rules) ? [] : [this.#write(role, rules, signal)];
      }),
    );
  }

  async #write({ metadata }: ClusterRole, rules: readonly object[], signal: AbortSignal): Promise<void> {
    const { name = '', uid, resourceVersion } = metadata;
    const patch = { metadata: { uid, resourceVersion }, rules };
    const writing = this.#d.client.patch(CLUSTER_ROLES, { namespace: '', name }, 'merge', patch, signal).then(
      () => undefined,
      (error: unknown) => {
        // A role changed meanwhile: these are not its rules any more, and its event is on the way.
        this.#queue.addAfter(ALL, RECHECK_MS);
        throw error;
      },
    );
    await ignoring(['NotFound', 'Conflict', 'Forbidden'], writing);
  }
}
