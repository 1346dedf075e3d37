import type { Pod, PriorityClass } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import type { AdmissionAttributes, AdmissionPlugin, ObjectReader } from './plugin.ts';
import { groupResource, refusal } from './refuse.ts';

const group = 'scheduling.k8s.io';

/** The two classes that every cluster has: the apiserver makes sure of them at its start. */
export const systemPriorityClasses: readonly KubeObject[] = [
  {
    apiVersion: `${group}/v1`,
    kind: 'PriorityClass',
    metadata: { name: 'system-cluster-critical' },
    value: 2_000_000_000,
    preemptionPolicy: 'PreemptLowerPriority',
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
  {
    apiVersion: `${group}/v1`,
    kind: 'PriorityClass',
    metadata: { name: 'system-node-critical' },
    value: 2_000_001_000,
    preemptionPolicy: 'PreemptLowerPriority',
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
];

const system = new Map(systemPriorityClasses.map((one) => [one.metadata.name, one as unknown as PriorityClass]));

/** Turns a pod's class into its number, which nobody may choose himself, and keeps one class the default. */
export class Priority implements AdmissionPlugin {
  readonly name = 'Priority';
  readonly resources = ['pods', `priorityclasses.${group}`];
  readonly #reader: ObjectReader;

  constructor(reader: ObjectReader) {
    this.#reader = reader;
  }

  async admit(attributes: AdmissionAttributes): Promise<void> {
    const { operation, subresource, object } = attributes;
    if (operation !== 'CREATE' || subresource !== '' || groupResource(attributes) !== 'pods') return;
    const spec = (object as unknown as Pod | undefined)?.spec;
    if (spec === undefined) return;
    const chosen = spec.priorityClassName
      ? await this.#class(attributes, spec.priorityClassName)
      : await this.#defaultClass();
    const value = chosen?.value ?? 0;
    const policy = chosen?.preemptionPolicy ?? 'PreemptLowerPriority';
    const computed = 'from the given PriorityClass name';
    if (spec.priority !== undefined && spec.priority !== null && spec.priority !== value) {
      throw refusal(
        attributes,
        `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} ${computed}`,
      );
    }
    if (spec.preemptionPolicy && spec.preemptionPolicy !== policy) {
      throw refusal(
        attributes,
        `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} ${computed}`,
      );
    }
    if (chosen?.metadata?.name !== undefined) spec.priorityClassName = chosen.metadata.name;
    spec.priority = value;
    spec.preemptionPolicy = policy;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, subresource, object } = attributes;
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || subresource !== '') return;
    if (groupResource(attributes) !== `priorityclasses.${group}`) return;
    if ((object as unknown as PriorityClass | undefined)?.globalDefault !== true) return;
    const current = await this.#defaultClass();
    if (current !== undefined && current.metadata?.name !== object?.metadata.name) {
      throw refusal(
        attributes,
        `PriorityClass ${current.metadata?.name} is already marked as default. Only one default can exist`,
      );
    }
  }

  async #class(attributes: AdmissionAttributes, name: string): Promise<PriorityClass> {
    const stored = (await this.#reader.get(group, 'priorityclasses', '', name)) as unknown as PriorityClass | undefined;
    const found = system.get(name) ?? stored;
    if (found === undefined) throw refusal(attributes, `no PriorityClass with name ${name} was found`);
    return found;
  }

  /** Two could be stored by a race: the lower one counts then. */
  async #defaultClass(): Promise<PriorityClass | undefined> {
    const classes = (await this.#reader.list(group, 'priorityclasses', '')) as unknown as readonly PriorityClass[];
    return classes
      .filter((one) => one.globalDefault === true)
      .reduce<PriorityClass | undefined>(
        (low, one) => (low === undefined || (one.value ?? 0) < (low.value ?? 0) ? one : low),
        undefined,
      );
  }
}
