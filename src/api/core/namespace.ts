import { invalidEach } from '../field-error.ts';
import type { Namespace } from '../generated/types.ts';
import { cloneJson } from '../json-object.ts';
import type { KindRules } from '../kind-rules.ts';
import { nameRule } from '../metadata.ts';
import { dns1123Label, qualifiedName } from '../names.ts';
import type { KubeObject } from '../object.ts';

const nameLabel = 'kubernetes.io/metadata.name';
const asNamespace = (object: KubeObject): Namespace => object as unknown as Namespace;

/** The label that lets selectors name a namespace; nobody can take it away or forge it. */
function labelWithName({ metadata }: Namespace): void {
  if (metadata.name !== undefined && metadata.name !== '') {
    metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name };
  }
}

export const namespaceRules: KindRules = {
  nameRule: nameRule(dns1123Label),
  initialStatus: () => ({ phase: 'Active' }),
  defaults: (object) => labelWithName(asNamespace(object)),
  prepareForCreate(object) {
    const namespace = asNamespace(object);
    labelWithName(namespace);
    const finalizers = namespace.spec?.finalizers ?? [];
    // It goes when the namespace controller has emptied the namespace.
    if (!finalizers.includes('kubernetes'))
      namespace.spec = { ...namespace.spec, finalizers: [...finalizers, 'kubernetes'] };
  },
  prepareForUpdate(object, old, subresource) {
    const namespace = asNamespace(object);
    const before = asNamespace(old);
    // Only the `finalize` subresource changes `spec.finalizers`.
    if (subresource === '' && before.spec !== undefined) {
      namespace.spec = { ...namespace.spec, finalizers: cloneJson(before.spec.finalizers) };
    }
    labelWithName(namespace);
  },
  validate: (object) =>
    (asNamespace(object).spec?.finalizers ?? []).flatMap((finalizer) =>
      invalidEach('spec.finalizers', finalizer, qualifiedName(finalizer)),
    ),
  selectableFields: (object) => ({ 'status.phase': asNamespace(object).status?.phase ?? '' }),
};
