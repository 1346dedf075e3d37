import { BOOTSTRAP_TOKEN_NAMESPACE, BOOTSTRAP_TOKEN_TYPE, expirationOf } from '../api/core/bootstrap-token.ts';
import type { Secret } from '../api/generated/types.ts';
import type { Informer } from '../client/informer.ts';
import { SECRETS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';

/** A timer takes no more than 24.8 days; it is only looked at again then. */
const MAX_WAIT_MS = 24 * 3_600_000;

/** Deletes bootstrap tokens when their time has come; one whose time cannot be read is of no use, and goes at once, as in Kubernetes. */
export class BootstrapTokenCleaner implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #tokens: Informer<Secret>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('bootstrap-token-cleaner', dependencies.log);
    this.#tokens = dependencies.informers.for<Secret>(SECRETS, {
      namespace: BOOTSTRAP_TOKEN_NAMESPACE,
      fieldSelector: `type=${BOOTSTRAP_TOKEN_TYPE}`,
    });
    const offer = (token: Secret): void => this.#queue.add(token.metadata.name ?? '');
    this.#tokens.handle({ added: offer, updated: offer });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(1, (name) => this.#sync(name, signal), signal);
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const token = this.#tokens.get(BOOTSTRAP_TOKEN_NAMESPACE, name);
    const expiresAt = token === undefined ? undefined : expirationOf(token);
    if (token === undefined || expiresAt === undefined) return;
    const wait = expiresAt - this.#d.clock.now();
    if (wait > 0) {
      this.#queue.addAfter(name, Math.min(wait, MAX_WAIT_MS));
      return;
    }
    // Somebody may have given it more time since.
    const { uid = '', resourceVersion = '' } = token.metadata;
    const deleting = this.#d.client.delete(
      SECRETS,
      BOOTSTRAP_TOKEN_NAMESPACE,
      name,
      { preconditions: { uid, resourceVersion } },
      signal,
    );
    await ignoring(['NotFound', 'Conflict'], deleting);
  }
}
