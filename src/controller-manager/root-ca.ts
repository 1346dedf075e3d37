import type { ConfigMap, Namespace } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import type { Informer } from '../client/informer.ts';
import { CONFIG_MAPS, NAMESPACES } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { EndingNamespaces, ignoring } from './expected-errors.ts';

const WORKERS = 4;
const NAME = 'kube-root-ca.crt';
/** Kubernetes' own words. */
const DESCRIPTION_ANNOTATION = 'kubernetes.io/description';
const DESCRIPTION = {
  [DESCRIPTION_ANNOTATION]:
    'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.',
};

/** Every namespace has the ConfigMap `kube-root-ca.crt`, with the cluster's CA, which pods verify the apiserver by. */
export class RootCaPublisher implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #namespaces: Informer<Namespace>;
  readonly #ending: EndingNamespaces;
  readonly #configMaps: Informer<ConfigMap>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('root-ca', dependencies.log);
    this.#namespaces = dependencies.informers.for<Namespace>(NAMESPACES);
    this.#ending = new EndingNamespaces(dependencies.informers);
    this.#configMaps = dependencies.informers.for<ConfigMap>(CONFIG_MAPS, { fieldSelector: `metadata.name=${NAME}` });
    const offer = (n: Namespace): void => this.#queue.add(n.metadata.name ?? '');
    this.#namespaces.handle({ added: offer, updated: offer });
    const again = (map: ConfigMap): void => this.#queue.add(map.metadata.namespace ?? '');
    this.#configMaps.handle({ updated: again, deleted: again });
  }

  run(signal: AbortSignal): Promise<void> {
    const stop = this.#d.rootCa.onChange(() => {
      for (const { metadata } of this.#namespaces.list()) this.#queue.add(metadata.name ?? '');
    });
    signal.addEventListener('abort', stop, { once: true });
    return this.#queue.run(WORKERS, (namespace) => this.#sync(namespace, signal), signal);
  }

  async #sync(namespace: string, signal: AbortSignal): Promise<void> {
    const { client, rootCa } = this.#d;
    const found = this.#namespaces.get('', namespace);
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return;
    const data = { 'ca.crt': rootCa.current().join('') };
    const known = this.#configMaps.get(namespace, NAME);
    if (known === undefined) {
      const fresh = { metadata: { namespace, name: NAME, annotations: DESCRIPTION }, data };
      await ignoring(['AlreadyExists'], client.create(CONFIG_MAPS, fresh, signal)).catch((error: unknown) => {
        if (!this.#ending.refused(error, namespace)) throw error;
      });
    } else if (!semanticEqual(known.data, data) || known.binaryData !== undefined || !isDescribed(known)) {
      const { binaryData: _, ...map } = known;
      const annotations = { ...known.metadata.annotations, ...DESCRIPTION };
      await client.update(CONFIG_MAPS, { ...map, metadata: { ...map.metadata, annotations }, data }, undefined, signal);
    }
  }
}

function isDescribed(map: ConfigMap): boolean {
  return (map.metadata.annotations?.[DESCRIPTION_ANNOTATION] ?? '') !== '';
}
