import type { ConfigMap, Namespace, ServiceAccount } from '../api/generated/types.ts';
import { CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { isCode } from '../lib/errors.ts';
import type { Controller, ControllerDependencies } from './controller.ts';

const WORKERS = 4;
const ROOT_CA_NAME = 'kube-root-ca.crt';

/** Every namespace has the service account `default`. */
export class ServiceAccountController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('serviceaccount', dependencies.log);
    const add = (name: string | undefined): void => this.#queue.add(name ?? '');
    dependencies.informers.for<Namespace>(NAMESPACES).handle({
      added: (n) => add(n.metadata.name),
      updated: (n) => add(n.metadata.name),
    });
    dependencies.informers.for<ServiceAccount>(SERVICE_ACCOUNTS).handle({ deleted: (s) => add(s.metadata.namespace) });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (namespace) => this.#sync(namespace, signal), signal);
  }

  async #sync(namespace: string, signal: AbortSignal): Promise<void> {
    const { informers, client } = this.#d;
    const found = informers.for<Namespace>(NAMESPACES).get('', namespace);
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return;
    if (informers.for<ServiceAccount>(SERVICE_ACCOUNTS).get(namespace, 'default') !== undefined) return;
    await ignoring(
      ['AlreadyExists', 'Forbidden'],
      client.create(SERVICE_ACCOUNTS, { metadata: { namespace, name: 'default' } }, signal),
    );
  }
}

/** Every namespace has the ConfigMap `kube-root-ca.crt`, with the cluster's CA, which pods verify the apiserver by. */
export class RootCaPublisher implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('root-ca', dependencies.log);
    dependencies.informers.for<Namespace>(NAMESPACES).handle({
      added: (n) => this.#queue.add(n.metadata.name ?? ''),
      updated: (n) => this.#queue.add(n.metadata.name ?? ''),
    });
    const again = (map: ConfigMap): void => this.#queue.add(map.metadata.namespace ?? '');
    this.#configMaps().handle({ updated: again, deleted: again });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (namespace) => this.#sync(namespace, signal), signal);
  }

  #configMaps() {
    return this.#d.informers.for<ConfigMap>(CONFIG_MAPS, { fieldSelector: `metadata.name=${ROOT_CA_NAME}` });
  }

  async #sync(namespace: string, signal: AbortSignal): Promise<void> {
    const { informers, client, rootCa } = this.#d;
    const found = informers.for<Namespace>(NAMESPACES).get('', namespace);
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return;
    const data = { 'ca.crt': rootCa() };
    const known = this.#configMaps().get(namespace, ROOT_CA_NAME);
    if (known === undefined) {
      const annotations = {
        'kubernetes.io/description':
          'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.',
      };
      const fresh = { metadata: { namespace, name: ROOT_CA_NAME, annotations }, data };
      await ignoring(['AlreadyExists', 'Forbidden'], client.create(CONFIG_MAPS, fresh, signal));
    } else if (JSON.stringify(known.data) !== JSON.stringify(data)) {
      await client.update(CONFIG_MAPS, { ...known, data }, undefined, signal);
    }
  }
}

/** Waits for a request whose answer may be one of `codes`: somebody else was faster, or the namespace is ending. */
export async function ignoring(
  codes: readonly ('AlreadyExists' | 'Forbidden' | 'NotFound' | 'Conflict')[],
  request: Promise<unknown>,
): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!codes.some((code) => isCode(error, code))) throw error;
  }
}
