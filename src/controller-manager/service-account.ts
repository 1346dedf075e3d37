import type { Namespace, ServiceAccount } from '../api/generated/types.ts';
import type { Informer } from '../client/informer.ts';
import { NAMESPACES, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { EndingNamespaces, ignoring } from './expected-errors.ts';

const WORKERS = 4;
const NAME = 'default';

/** Every namespace has the service account `default`. */
export class ServiceAccountController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #namespaces: Informer<Namespace>;
  readonly #ending: EndingNamespaces;
  readonly #accounts: Informer<ServiceAccount>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('serviceaccount', dependencies.log);
    this.#namespaces = dependencies.informers.for<Namespace>(NAMESPACES);
    this.#ending = new EndingNamespaces(dependencies.informers);
    this.#accounts = dependencies.informers.for<ServiceAccount>(SERVICE_ACCOUNTS);
    const offer = (n: Namespace): void => this.#queue.add(n.metadata.name ?? '');
    this.#namespaces.handle({ added: offer, updated: offer });
    this.#accounts.handle({ deleted: (account) => this.#queue.add(account.metadata.namespace ?? '') });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (namespace) => this.#sync(namespace, signal), signal);
  }

  async #sync(namespace: string, signal: AbortSignal): Promise<void> {
    const found = this.#namespaces.get('', namespace);
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return;
    if (this.#accounts.get(namespace, NAME) !== undefined) return;
    const creating = this.#d.client.create(SERVICE_ACCOUNTS, { metadata: { namespace, name: NAME } }, signal);
    await ignoring(['AlreadyExists'], creating).catch((error: unknown) => {
      if (!this.#ending.refused(error, namespace)) throw error;
    });
  }
}
