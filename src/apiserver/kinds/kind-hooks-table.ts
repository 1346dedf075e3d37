import type { ResourceDefinition } from '../../api/scheme.ts';
import type { Clock } from '../../lib/clock.ts';
import type { KindHooks } from '../handlers/kind-hooks.ts';
import { certificateRequestHooks } from './certificate-request-hooks.ts';
import { clusterTrustBundleHooks } from './cluster-trust-bundle-hooks.ts';
import { namespaceHooks } from './namespace-hooks.ts';
import { podCertificateRequestHooks } from './pod-certificate-request-hooks.ts';

const none: KindHooks = {};
const returnsObject: KindHooks = { returnDeletedObject: true };
/** Kinds older than garbage collection: their dependents stay unless the caller says otherwise. */
const orphans: KindHooks = { defaultPropagation: 'Orphan' };

/** One row for each kind for which the apiserver does more than store it. */
export function kindHooks(services: KindHooks, clock: Clock): (resource: ResourceDefinition) => KindHooks {
  const table = new Map<string, KindHooks>([
    ['/pods', returnsObject],
    ['/namespaces', namespaceHooks],
    ['/services', services],
    ['/serviceaccounts', returnsObject],
    ['/persistentvolumes', returnsObject],
    ['/persistentvolumeclaims', returnsObject],
    ['/podtemplates', returnsObject],
    ['/resourcequotas', returnsObject],
    ['/replicationcontrollers', orphans],
    ['batch/jobs', orphans],
    ['certificates.k8s.io/certificatesigningrequests', certificateRequestHooks(clock)],
    ['certificates.k8s.io/clustertrustbundles', clusterTrustBundleHooks],
    ['certificates.k8s.io/podcertificaterequests', podCertificateRequestHooks(clock)],
  ]);
  return (resource) => table.get(`${resource.group}/${resource.plural}`) ?? none;
}
