import { invalidValue } from '../../api/field-error.ts';
import type { ClusterTrustBundle } from '../../api/generated/types.ts';
import type { KubeObject } from '../../api/object.ts';
import { invalid } from '../../lib/errors.ts';
import { whyNoTrustBundle } from '../../pki/trust-bundle.ts';
import type { KindHooks } from '../handlers/kind-hooks.ts';

const bundleOf = (object: KubeObject | undefined): string | undefined =>
  (object as unknown as ClusterTrustBundle | undefined)?.spec?.trustBundle;

/** A ClusterTrustBundle holds certificates of authorities and nothing else: everybody reads it, and it is handed to pods as it is. */
export const clusterTrustBundleHooks: KindHooks = {
  created: (object) => check(object),
  updated: (object, old) => check(object, old),
};

function check(object: KubeObject, old?: KubeObject): void {
  const bundle = bundleOf(object) ?? '';
  if (bundle === bundleOf(old)) return;
  const why = whyNoTrustBundle(bundle);
  if (why === undefined) return;
  const cause = invalidValue('spec.trustBundle', '<value omitted>', why);
  throw invalid('certificates.k8s.io', 'ClusterTrustBundle', object.metadata.name ?? '', [cause]);
}
