import type { ConfigMap } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import type { Informer } from '../client/informer.ts';
import { CONFIG_MAPS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';

const NAMESPACE = 'kube-public';
const NAME = 'causeway-trust';

/**
 * Keeps the ConfigMap `kube-public/causeway-trust`: whom the nodes of this cluster trust, the apiserver's CA and the CA of those who
 * may call kubelets. Whatever somebody else makes of it is put right.
 */
export class ClusterTrustPublisher implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #maps: Informer<ConfigMap>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('cluster-trust', dependencies.log);
    const query = { namespace: NAMESPACE, fieldSelector: `metadata.name=${NAME}` };
    this.#maps = dependencies.informers.for<ConfigMap>(CONFIG_MAPS, query);
    const again = (): void => this.#queue.add(NAME);
    this.#maps.handle({ added: again, updated: again, deleted: again });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { rootCa, kubeletClientCa } = this.#d;
    const again = (): void => this.#queue.add(NAME);
    again();
    const ends = [rootCa.onChange(again), kubeletClientCa.onChange(again)];
    try {
      await this.#queue.run(1, () => this.#sync(signal), signal);
    } finally {
      for (const end of ends) end();
    }
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { client, rootCa, kubeletClientCa } = this.#d;
    const data = { 'ca.crt': rootCa.current().join(''), 'kubelet-client-ca.crt': kubeletClientCa.current().join('') };
    const known = this.#maps.get(NAMESPACE, NAME);
    if (known === undefined) {
      const fresh = { metadata: { namespace: NAMESPACE, name: NAME }, data };
      await ignoring(['AlreadyExists'], client.create(CONFIG_MAPS, fresh, signal));
    } else if (!semanticEqual(known.data, data) || known.binaryData !== undefined) {
      const { binaryData: _, ...map } = known;
      await client.update(CONFIG_MAPS, { ...map, data }, undefined, signal);
    }
  }
}
