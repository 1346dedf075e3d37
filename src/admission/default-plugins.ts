import type { Scheme } from '../api/scheme.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { EscalationDeps } from '../authz/rbac/escalate.ts';
import { bootstrapTokenRestriction } from './bootstrap-token-restriction.ts';
import {
  CertificateApproval,
  type CertificateRequestOrganizations,
  CertificateSigning,
  CertificateSubjectRestriction,
  ClusterTrustBundleAttest,
  podCertificateRequester,
} from './certificates.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { denyServiceExternalIPs } from './deny-service-external-ips.ts';
import { NamespaceLifecycle } from './namespace-lifecycle.ts';
import { NodeRestriction } from './node-restriction/node-restriction.ts';
import { notEnforced } from './not-enforced.ts';
import { OwnerReferencesPermissionEnforcement } from './owner-references.ts';
import type { AdmissionPlugin, ObjectReader } from './plugin.ts';
import { PodSecurity, type PodSecurityOptions } from './pod-security/pod-security.ts';
import { Priority } from './priority.ts';
import { RbacEscalation } from './rbac-escalation.ts';
import { RuntimeClass } from './runtime-class.ts';
import { ServiceAccount } from './service-account.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';
import { UnsupportedFields, type UnsupportedPodFields } from './unsupported-pod-fields.ts';

export interface AdmissionDeps {
  /** The watch cache. */
  readonly reader: ObjectReader;
  /** Storage itself, for the few questions that a cache a moment behind would answer wrongly. */
  readonly liveReader: ObjectReader;
  /** The whole union. */
  readonly authorizer: Authorizer;
  readonly escalation: EscalationDeps;
  readonly scheme: Scheme;
  readonly podSecurity: PodSecurityOptions;
  readonly unsupportedPodFields: UnsupportedPodFields;
  readonly certificateRequestOrganizations: CertificateRequestOrganizations;
  /** Random lower-case letters and digits, as in `kube-api-access-xxxxx`. */
  readonly randomSuffix: (length: number) => string;
}

/**
 * Every plug-in of the default chain, in Kubernetes' order but for NodeRestriction, which comes before ServiceAccount so that what others
 * add to a pod is not taken for the node's own wish.
 */
export function defaultPlugins(deps: AdmissionDeps): readonly AdmissionPlugin[] {
  const { reader, liveReader, authorizer, randomSuffix } = deps;
  return [
    new NamespaceLifecycle({ reader, liveReader }),
    bootstrapTokenRestriction,
    new NodeRestriction(reader, authorizer),
    new ServiceAccount({ reader, randomSuffix }),
    taintNodesByCondition,
    new PodSecurity(reader, deps.podSecurity),
    new Priority(reader),
    defaultTolerationSeconds,
    new OwnerReferencesPermissionEnforcement(authorizer, deps.scheme),
    new RuntimeClass(reader),
    new CertificateApproval(authorizer),
    new CertificateSigning(authorizer),
    new ClusterTrustBundleAttest(authorizer),
    podCertificateRequester,
    new CertificateSubjectRestriction(deps.certificateRequestOrganizations),
    denyServiceExternalIPs,
    new RbacEscalation(deps.escalation),
    notEnforced,
    new UnsupportedFields(deps.unsupportedPodFields),
  ];
}
