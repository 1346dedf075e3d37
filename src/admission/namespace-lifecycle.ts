import type { KubeObject } from '../api/object.ts';
import { sleep } from '../lib/deadline.ts';
import { CausewayError, notFound } from '../lib/errors.ts';
import type { AdmissionAttributes, AdmissionPlugin, ObjectReader } from './plugin.ts';
import { groupResource, refusal } from './refuse.ts';

const immortal = new Set(['default', 'kube-system', 'kube-public']);

/** How long a create waits for its namespace to reach the watch cache before storage is asked. */
const CACHE_WAIT_MS = 50;

/** Names remembered as just deleted. Stops: deletions of made-up names that fill the memory; the oldest is forgotten first. */
const MAX_DELETED = 1_000;

export interface NamespaceLifecycleDeps {
  /** The watch cache. */
  readonly reader: ObjectReader;
  /**
   * Storage itself: asked when the cache knows no such namespace, and for each create after this process accepted the deletion of its
   * namespace, which the cache may not show yet.
   */
  readonly liveReader: ObjectReader;
  readonly wait?: (ms: number) => Promise<unknown>;
}

/** Nothing is made in a namespace that does not exist or is going away, and the namespaces that the cluster needs stay. */
export class NamespaceLifecycle implements AdmissionPlugin {
  readonly name = 'NamespaceLifecycle';
  readonly #deps: NamespaceLifecycleDeps;
  /** Deleted through this process, until the cache shows them as terminating or gone. */
  readonly #deleted = new Set<string>();

  constructor(deps: NamespaceLifecycleDeps) {
    this.#deps = deps;
  }

  async admit(attributes: AdmissionAttributes): Promise<void> {
    const { operation, namespace, name, dryRun } = attributes;
    const resource = groupResource(attributes);
    if (resource === 'namespaces') {
      if (operation !== 'DELETE') return;
      if (immortal.has(name)) throw refusal(attributes, 'this namespace may not be deleted');
      if (!dryRun && name !== '') this.#remember(name);
      return;
    }
    if (namespace === '' || (operation !== 'CREATE' && operation !== 'UPDATE')) return;
    // A review must not tell whether a namespace exists to somebody who may not know.
    if (resource === 'localsubjectaccessreviews.authorization.k8s.io') return;

    const found = await this.#find(namespace, operation === 'CREATE');
    if (found === undefined) throw notFound('', 'namespaces', namespace);
    if (operation === 'CREATE' && isTerminating(found)) {
      throw terminating(attributes, namespace);
    }
  }

  #remember(name: string): void {
    this.#deleted.add(name);
    const oldest = this.#deleted.values().next().value;
    if (this.#deleted.size > MAX_DELETED && oldest !== undefined) this.#deleted.delete(oldest);
  }

  async #find(namespace: string, creating: boolean): Promise<KubeObject | undefined> {
    const { reader, liveReader, wait = sleep } = this.#deps;
    let found = await reader.get('', 'namespaces', '', namespace);
    if (found === undefined && creating) {
      await wait(CACHE_WAIT_MS);
      found = await reader.get('', 'namespaces', '', namespace);
    }
    const stale = found !== undefined && this.#deleted.has(namespace) && !isTerminating(found);
    if (found !== undefined && !stale) {
      this.#deleted.delete(namespace);
      return found;
    }
    const live = await liveReader.get('', 'namespaces', '', namespace);
    if (live === undefined) this.#deleted.delete(namespace);
    return live;
  }
}

/** Its cause lets controllers tell this refusal from others: they stop trying. */
function terminating(attributes: AdmissionAttributes, namespace: string): CausewayError {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const { code, message, details } = refusal(attributes, why);
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  return new CausewayError(code, message, { details: { ...details, causes: [cause] } });
}

function isTerminating(namespace: KubeObject): boolean {
  const status = namespace['status'] as { phase?: string } | undefined;
  return status?.phase === 'Terminating' || namespace.metadata.deletionTimestamp !== undefined;
}
