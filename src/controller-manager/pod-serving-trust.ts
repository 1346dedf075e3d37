import { trustBundlePrefix } from '../api/certificates/cluster-trust-bundle.ts';
import { POD_SERVING_SIGNER } from '../api/certificates/signers.ts';
import type { ClusterTrustBundle } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import type { Informer } from '../client/informer.ts';
import { CLUSTER_TRUST_BUNDLES } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';

const NAME = `${trustBundlePrefix(POD_SERVING_SIGNER)}cluster`;

/**
 * Keeps the ClusterTrustBundle of `causeway.dev/pod-serving`: by whom pods verify each other. It follows the rotation of the cluster's
 * CA, and whatever somebody else makes of it is put right.
 */
export class PodServingTrustPublisher implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #bundles: Informer<ClusterTrustBundle>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('pod-serving-trust', dependencies.log);
    const query = { fieldSelector: `metadata.name=${NAME}` };
    this.#bundles = dependencies.informers.for<ClusterTrustBundle>(CLUSTER_TRUST_BUNDLES, query);
    const again = (): void => this.#queue.add(NAME);
    this.#bundles.handle({ added: again, updated: again, deleted: again });
  }

  async run(signal: AbortSignal): Promise<void> {
    const again = (): void => this.#queue.add(NAME);
    again();
    const end = this.#d.rootCa.onChange(again);
    try {
      await this.#queue.run(1, () => this.#sync(signal), signal);
    } finally {
      end();
    }
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { client, rootCa } = this.#d;
    const spec = { signerName: POD_SERVING_SIGNER, trustBundle: rootCa.current().join('') };
    const known = this.#bundles.get('', NAME);
    if (known === undefined) {
      const fresh = { metadata: { name: NAME }, spec };
      await ignoring(['AlreadyExists'], client.create(CLUSTER_TRUST_BUNDLES, fresh, signal));
    } else if (!semanticEqual(known.spec, spec)) {
      await client.update(CLUSTER_TRUST_BUNDLES, { ...known, spec }, undefined, signal);
    }
  }
}
