import type { Authorizer } from '../authz/authorizer.ts';
import type { EscalationDeps } from '../authz/rbac/escalate.ts';
import { CausewayError } from '../lib/errors.ts';
import type { AdmissionPlugin, ObjectReader } from './plugin.ts';

export type PodSecurityLevel = 'privileged' | 'baseline' | 'restricted';

export interface PodSecurityOptions {
  /** What holds for a namespace without labels. */
  readonly defaults: {
    readonly enforce: PodSecurityLevel;
    readonly audit: PodSecurityLevel;
    readonly warn: PodSecurityLevel;
  };
  readonly exemptions: {
    readonly usernames: readonly string[];
    readonly namespaces: readonly string[];
    readonly runtimeClasses: readonly string[];
  };
}

/** Baseline for every namespace, nothing for kube-system: that is where the cluster's own privileged pods live. */
export const defaultPodSecurity: PodSecurityOptions = {
  defaults: { enforce: 'baseline', audit: 'baseline', warn: 'baseline' },
  exemptions: { usernames: [], namespaces: ['kube-system'], runtimeClasses: [] },
};

export interface AdmissionDeps {
  readonly reader: ObjectReader;
  readonly authorizer: Authorizer;
  readonly escalation: EscalationDeps;
  readonly podSecurity: PodSecurityOptions;
  /** Names the fields of a pod that the configured runtimes cannot honour: `spec.containers[0].resources.limits["hugepages-2Mi"]`. */
  readonly unsupportedPodFields: (pod: unknown) => readonly string[];
  /** Random lower-case letters and digits, as in `kube-api-access-xxxxx`. */
  readonly randomSuffix: (length: number) => string;
}

/** Every plug-in of the default chain, in Kubernetes' order. */
export function defaultPlugins(_deps: AdmissionDeps): readonly AdmissionPlugin[] {
  throw new CausewayError('InternalError', 'not implemented');
}
