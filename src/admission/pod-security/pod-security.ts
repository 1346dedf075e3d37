import type { KubeObject } from '../../api/object.ts';
import { CausewayError, invalid } from '../../lib/errors.ts';
import type { AdmissionAttributes, AdmissionPlugin, ObjectReader } from '../plugin.ts';
import { groupResource, refusal } from '../refuse.ts';
import type { PodLike, Violation } from './check.ts';
import { describeReasons, describeViolations, violations } from './evaluate.ts';
import { describe, isStricter, type Level, type LevelVersion, type Policy, policyOf } from './level.ts';
import { MAX_PODS_CHECKED } from './limits.ts';
import { hasTemplate, podLike, templateOf } from './pod-like.ts';
import { isSignificantUpdate } from './significant-update.ts';

export interface PodSecurityOptions {
  /** What holds for a namespace without labels, at the latest version. */
  readonly defaults: { readonly enforce: Level; readonly audit: Level; readonly warn: Level };
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

/** Subresources whose object is not a pod, or that cannot change its spec. Any other is checked like the pod itself. */
const ignoredSubresources = new Set(['attach', 'binding', 'eviction', 'exec', 'log', 'portforward', 'proxy', 'status']);

const annotation = (key: string): string => `pod-security.kubernetes.io/${key}`;

/** Enforces the Pod Security Standards that a namespace's labels ask for: refuses pods, warns about workloads, checks the labels. */
export class PodSecurity implements AdmissionPlugin {
  readonly name = 'PodSecurity';
  readonly #reader: ObjectReader;
  readonly #options: PodSecurityOptions;
  readonly #defaults: Policy;

  constructor(reader: ObjectReader, options: PodSecurityOptions) {
    this.#reader = reader;
    this.#options = options;
    const latest = (level: Level): LevelVersion => ({ level, minor: undefined });
    const { enforce, audit, warn } = options.defaults;
    this.#defaults = { enforce: latest(enforce), audit: latest(audit), warn: latest(warn) };
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, object, subresource } = attributes;
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || object === undefined) return;
    const resource = groupResource(attributes);
    if (resource === 'namespaces') {
      if (subresource === '') await this.#validateNamespace(attributes, object);
    } else if (resource === 'pods') {
      if (!ignoredSubresources.has(subresource)) await this.#validatePod(attributes, object);
    } else if (hasTemplate(resource) && subresource === '') {
      await this.#warnAboutWorkload(attributes, resource, object);
    }
  }

  async #validatePod(attributes: AdmissionAttributes, pod: KubeObject): Promise<void> {
    if (this.#exempt(attributes)) return;
    const policy = await this.#policy(attributes);
    if (!someLevel(policy)) return;
    const { operation, oldObject } = attributes;
    if (operation === 'UPDATE' && oldObject !== undefined && !isSignificantUpdate(pod, oldObject)) return;
    const subject = podLike(pod);
    if (this.#exemptRuntimeClass(attributes, subject)) return;

    attributes.annotate(annotation('enforce-policy'), describe(policy.enforce));
    const judge = judgeOf(subject);
    const broken = judge(policy.enforce);
    this.#audit(attributes, policy.audit, judge);
    if (broken.length > 0) {
      const what = `violates PodSecurity "${describe(policy.enforce)}": ${describeViolations(broken)}`;
      throw refusal(attributes, what);
    }
    this.#warn(attributes, policy.warn, judge);
  }

  async #warnAboutWorkload(attributes: AdmissionAttributes, resource: string, object: KubeObject): Promise<void> {
    if (this.#exempt(attributes)) return;
    const policy = await this.#policy(attributes);
    if (policy.warn.level === 'privileged' && policy.audit.level === 'privileged') return;
    const template = templateOf(resource, object);
    if (template === undefined || this.#exemptRuntimeClass(attributes, template)) return;
    const judge = judgeOf(template);
    this.#audit(attributes, policy.audit, judge);
    this.#warn(attributes, policy.warn, judge);
  }

  /** Labels must be readable; a stricter level is allowed at once, with a warning that lists the pods that break it. */
  async #validateNamespace(attributes: AdmissionAttributes, namespace: KubeObject): Promise<void> {
    const now = policyOf(namespace.metadata.labels, this.#defaults);
    const before =
      attributes.operation === 'UPDATE' ? policyOf(attributes.oldObject?.metadata.labels, this.#defaults) : undefined;
    const same = JSON.stringify(now.problems) === JSON.stringify(before?.problems);
    if (now.problems.length > 0 && !same) {
      const causes = now.problems.map(({ label, value, why }) => ({
        reason: 'FieldValueInvalid',
        message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
        field: `metadata.labels[${label}]`,
      }));
      throw invalid('', 'Namespace', namespace.metadata.name ?? '', causes);
    }
    if (before === undefined) return;
    const enforce = now.policy.enforce;
    const was = before.policy.enforce;
    if (enforce.level === 'privileged') return;
    if (enforce.minor === was.minor && !isStricter(enforce.level, was.level)) return;
    const name = namespace.metadata.name ?? '';
    if (this.#options.exemptions.namespaces.includes(name)) return;
    for (const warning of await this.#existingPods(name, enforce)) attributes.warn(warning);
  }

  async #existingPods(namespace: string, enforce: LevelVersion): Promise<readonly string[]> {
    const pods = await this.#reader.list('', 'pods', namespace);
    const byReason = new Map<string, string[]>();
    for (const pod of pods.slice(0, MAX_PODS_CHECKED)) {
      const subject = podLike(pod);
      if (this.#options.exemptions.runtimeClasses.includes(subject.spec.runtimeClassName ?? '')) continue;
      const reasons = describeReasons(violations(enforce, subject));
      if (reasons !== '') byReason.set(reasons, [...(byReason.get(reasons) ?? []), pod.metadata.name ?? '']);
    }
    const warnings: string[] = [];
    if (pods.length > MAX_PODS_CHECKED) {
      warnings.push(
        `new PodSecurity enforce level only checked against the first ${MAX_PODS_CHECKED} of ${pods.length} existing pods`,
      );
    }
    if (byReason.size > 0) {
      warnings.push(
        `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(describe(enforce))}`,
      );
    }
    const lines = [...byReason].map(([reasons, names]) => {
      const others = names.length - 1;
      const more = others === 0 ? '' : ` (and ${others} other ${others === 1 ? 'pod' : 'pods'})`;
      return `${names.sort()[0]}${more}: ${reasons}`;
    });
    return [...warnings, ...lines.sort()];
  }

  async #policy(attributes: AdmissionAttributes): Promise<Policy> {
    const namespace = await this.#reader.get('', 'namespaces', '', attributes.namespace);
    if (namespace === undefined) {
      throw new CausewayError('InternalError', `failed to lookup namespace ${attributes.namespace}`);
    }
    const { policy, problems } = policyOf(namespace.metadata.labels, this.#defaults);
    if (problems.length > 0) {
      const texts = problems.map(({ label, why }) => `metadata.labels[${label}]: ${why}`);
      attributes.annotate(annotation('error'), `Failed to parse policy: ${texts.join(', ')}`);
    }
    return policy;
  }

  #audit(attributes: AdmissionAttributes, level: LevelVersion, judge: Judge): void {
    const broken = judge(level);
    if (broken.length === 0) return;
    attributes.annotate(
      annotation('audit-violations'),
      `would violate PodSecurity "${describe(level)}": ${describeViolations(broken)}`,
    );
  }

  #warn(attributes: AdmissionAttributes, level: LevelVersion, judge: Judge): void {
    const broken = judge(level);
    if (broken.length === 0) return;
    attributes.warn(`would violate PodSecurity "${describe(level)}": ${describeViolations(broken)}`);
  }

  #exempt(attributes: AdmissionAttributes): boolean {
    const { namespaces, usernames } = this.#options.exemptions;
    const exempt = namespaces.includes(attributes.namespace)
      ? 'namespace'
      : usernames.includes(attributes.user.username)
        ? 'user'
        : undefined;
    if (exempt !== undefined) attributes.annotate(annotation('exempt'), exempt);
    return exempt !== undefined;
  }

  #exemptRuntimeClass(attributes: AdmissionAttributes, { spec }: PodLike): boolean {
    const exempt = this.#options.exemptions.runtimeClasses.includes(spec.runtimeClassName ?? '');
    if (exempt) attributes.annotate(annotation('exempt'), 'runtimeClass');
    return exempt;
  }
}

type Judge = (standard: LevelVersion) => readonly Violation[];

/** What a pod breaks of a standard. The three modes mostly name the same one: it is looked at once. */
function judgeOf(pod: PodLike): Judge {
  let last: LevelVersion | undefined;
  let found: readonly Violation[] = [];
  return (standard) => {
    if (last === undefined || standard.level !== last.level || standard.minor !== last.minor) {
      found = violations(standard, pod);
      last = standard;
    }
    return found;
  };
}

function someLevel({ enforce, audit, warn }: Policy): boolean {
  return [enforce, audit, warn].some(({ level }) => level !== 'privileged');
}
