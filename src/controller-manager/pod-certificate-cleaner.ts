import type { PodCertificateRequest } from '../api/generated/types.ts';
import { type Informer, keyOfObject, splitKey } from '../client/informer.ts';
import { POD_CERTIFICATE_REQUESTS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';

/** Kubernetes' time: a kubelet has fetched its certificate long before, and asks anew when nobody has answered. */
const KEPT_MS = 15 * 60_000;

/** Deletes old requests for certificates of pods, whatever became of them. */
export class PodCertificateCleaner implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #requests: Informer<PodCertificateRequest>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('pod-certificate-cleaner', dependencies.log);
    this.#requests = dependencies.informers.for<PodCertificateRequest>(POD_CERTIFICATE_REQUESTS);
    this.#requests.handle({ added: (request) => this.#queue.add(keyOfObject(request)) });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(1, (key) => this.#sync(key, signal), signal);
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const request = this.#requests.get(namespace, name);
    if (request === undefined) return;
    const { creationTimestamp = '', uid = '' } = request.metadata;
    const left = (Date.parse(creationTimestamp) || 0) + KEPT_MS - this.#d.clock.now();
    if (left > 0) return this.#queue.addAfter(key, left);
    const deleting = this.#d.client.delete(
      POD_CERTIFICATE_REQUESTS,
      namespace,
      name,
      { preconditions: { uid } },
      signal,
    );
    await ignoring(['NotFound', 'Conflict'], deleting);
  }
}
