import { createHash } from 'node:crypto';
import type { Node } from '../api/generated/types.ts';
import type { Informer } from '../client/informer.ts';
import { NODES } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';

/** Kubernetes' `--cluster-cidr` and `--node-cidr-mask-size`: 256 nodes of 254 pods. */
const PARTS = 256;
const partOf = (part: number): string => `10.244.${part}.0/24`;

/** Gives each Node that has none a part of the pods' network, no part twice. */
export class NodeIpamController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #nodes: Informer<Node>;
  /** By UID: given, and maybe not seen in the Node yet. */
  readonly #given = new Map<string, string>();

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('node-ipam', dependencies.log);
    this.#nodes = dependencies.informers.for<Node>(NODES);
    const offer = ({ metadata, spec }: Node): void => {
      if (spec?.podCIDR === undefined) this.#queue.add(metadata.name ?? '');
    };
    this.#nodes.handle({
      added: offer,
      updated: offer,
      deleted: ({ metadata }) => void this.#given.delete(metadata.uid ?? ''),
    });
  }

  /** One at a time: two would take the same part. */
  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(1, (name) => this.#sync(name, signal), signal);
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const node = this.#nodes.get('', name);
    const { uid = '' } = node?.metadata ?? {};
    if (node === undefined || node.spec?.podCIDR !== undefined) return;
    const podCIDR = this.#given.get(uid) ?? this.#free(uid);
    if (podCIDR === undefined) {
      const about = { ...node, apiVersion: 'v1', kind: 'Node' };
      this.#d.events.record(about, 'Warning', 'CIDRNotAvailable', 'every part of the pod network is taken');
      return;
    }
    this.#given.set(uid, podCIDR);
    const patch = { metadata: { uid }, spec: { podCIDR, podCIDRs: [podCIDR] } };
    await ignoring(['NotFound'], this.#d.client.patch(NODES, { namespace: '', name }, 'merge', patch, signal));
  }

  /** Nodes of several clusters may run on one machine, and there their networks must differ too: each begins to look somewhere else. */
  #free(uid: string): string | undefined {
    const [first = 0] = createHash('sha256').update(uid).digest();
    const taken = new Set([...this.#given.values(), ...this.#nodes.list().map(({ spec }) => spec?.podCIDR)]);
    return Array.from({ length: PARTS }, (_, part) => partOf((first + part) % PARTS)).find((part) => !taken.has(part));
  }
}
