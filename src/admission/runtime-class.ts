import { isDeepStrictEqual } from 'node:util';
import type { RuntimeClass as Class, Pod } from '../api/generated/types.ts';
import type { AdmissionAttributes, AdmissionPlugin, ObjectReader } from './plugin.ts';
import { groupResource, refusal } from './refuse.ts';

/** A pod with a runtime class goes where that runtime is, and pays its overhead. */
export class RuntimeClass implements AdmissionPlugin {
  readonly name = 'RuntimeClass';
  readonly resources = ['pods'];
  readonly #reader: ObjectReader;

  constructor(reader: ObjectReader) {
    this.#reader = reader;
  }

  async admit(attributes: AdmissionAttributes): Promise<void> {
    const { operation, subresource, object } = attributes;
    if (operation !== 'CREATE' || subresource !== '' || groupResource(attributes) !== 'pods') return;
    const spec = (object as unknown as Pod | undefined)?.spec;
    if (spec === undefined) return;
    const overhead = spec.overhead ?? {};
    const name = spec.runtimeClassName;
    if (!name) {
      if (Object.keys(overhead).length > 0) {
        throw refusal(attributes, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
      }
      return;
    }
    const found = await this.#reader.get('node.k8s.io', 'runtimeclasses', '', name);
    if (found === undefined) throw refusal(attributes, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
    const chosen = found as unknown as Class;
    const fixed = chosen.overhead?.podFixed ?? {};
    if (Object.keys(overhead).length > 0 && !isDeepStrictEqual(overhead, fixed)) {
      throw refusal(
        attributes,
        'pod rejected: Pod spec contains conflicting RuntimeClass overhead. Ensure that the pod spec overhead matches the RuntimeClass overhead',
      );
    }
    if (Object.keys(fixed).length > 0) spec.overhead = structuredClone(fixed);
    for (const [key, value] of Object.entries(chosen.scheduling?.nodeSelector ?? {})) {
      const own = spec.nodeSelector?.[key];
      if (own !== undefined && own !== value) {
        throw refusal(
          attributes,
          `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
        );
      }
      spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
    }
    for (const toleration of chosen.scheduling?.tolerations ?? []) {
      const known = (spec.tolerations ?? []).some((one) => isDeepStrictEqual(one, toleration));
      if (!known) spec.tolerations = [...(spec.tolerations ?? []), structuredClone(toleration)];
    }
  }
}
