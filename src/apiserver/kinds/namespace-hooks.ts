import type { KindHooks } from '../handlers/kind-hooks.ts';

interface NamespaceParts {
  spec?: { finalizers?: string[] };
  status?: { phase?: string };
}

/** A namespace stays while `spec.finalizers` names somebody: the namespace controller empties it, then takes its own name off. */
export const namespaceHooks: KindHooks = {
  mayRemove: (object) => ((object as NamespaceParts).spec?.finalizers ?? []).length === 0,
  deletionStarts(object) {
    const namespace = object as NamespaceParts;
    namespace.status = { ...namespace.status, phase: 'Terminating' };
  },
};
