import type { KubeObject } from '../api/object.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { hasTemplate, templateOf } from './pod-security/pod-like.ts';
import { groupResource, refusal } from './refuse.ts';

/** The fields of a pod that the configured runtimes cannot honour, as paths: `spec.containers[0].resources.limits["hugepages-2Mi"]`. */
export type UnsupportedPodFields = (pod: KubeObject) => readonly string[];

const specSubresources = new Set(['', 'ephemeralcontainers', 'resize']);

/** A pod that asks for what its runtime cannot do is refused rather than run without it; a workload that will ask for it is warned about. */
export class UnsupportedFields implements AdmissionPlugin {
  readonly name = 'UnsupportedPodFields';
  readonly #unsupported: UnsupportedPodFields;

  constructor(unsupported: UnsupportedPodFields) {
    this.#unsupported = unsupported;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, subresource, object, oldObject } = attributes;
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || object === undefined) return;
    const resource = groupResource(attributes);
    if (resource === 'pods' && specSubresources.has(subresource)) {
      // What is stored already (by an older configuration) may still be labelled and finalized.
      const before = new Set(oldObject === undefined ? [] : this.#unsupported(oldObject));
      const fields = this.#unsupported(object).filter((field) => !before.has(field));
      if (fields.length > 0) throw refusal(attributes, `the node runtime cannot honour ${fields.join(', ')}`);
    } else if (hasTemplate(resource) && subresource === '') {
      const template = templateOf(resource, object);
      if (template === undefined) return;
      const { annotations } = template;
      const fields = this.#unsupported({ metadata: { annotations: { ...annotations } }, spec: template.spec });
      if (fields.length > 0) {
        attributes.warn(`its pods would be refused: the node runtime cannot honour ${fields.join(', ')}`);
      }
    }
  }
}
