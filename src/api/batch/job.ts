import type { ErrorCause } from '../../lib/errors.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { validatePodTemplate } from '../core/pod-spec-validation.ts';
import { notSupported, required } from '../field-error.ts';
import type { CronJob, Job, JobSpec } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { immutable, nonNegative } from '../metadata.ts';
import { dns1123Subdomain, maskTrailingDash } from '../names.ts';
import type { KubeObject } from '../object.ts';

const asJob = (object: KubeObject): Job => object as unknown as Job;
const asCronJob = (object: KubeObject): CronJob => object as unknown as CronJob;

function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) {
    spec.completions = 1;
    spec.parallelism = 1;
  }
  spec.parallelism ??= 1;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  if (spec.backoffLimitPerIndex === undefined) spec.backoffLimit ??= 6;
  else spec.backoffLimit ??= 2_147_483_647;
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  }
  defaultPodTemplate(spec);
}

/** A job's pods carry its uid, so that two jobs never take each other's; `manualSelector` leaves that to the client. */
function generateSelector(job: Job): void {
  const { spec, metadata } = job;
  if (spec?.template === undefined || spec.manualSelector === true || metadata.uid === undefined) return;
  const template = spec.template;
  template.metadata = { ...template.metadata };
  template.metadata.labels = {
    ...template.metadata.labels,
    'batch.kubernetes.io/controller-uid': metadata.uid,
    'batch.kubernetes.io/job-name': metadata.name ?? '',
    'controller-uid': metadata.uid,
    'job-name': metadata.name ?? '',
  };
  spec.selector = {
    matchLabels: { ...spec.selector?.matchLabels, 'batch.kubernetes.io/controller-uid': metadata.uid },
  };
}

export const jobRules: KindRules = {
  generation: true,
  defaults(object) {
    object.spec ??= {};
    defaultJobSpec(asJob(object).spec as JobSpec);
  },
  prepareForCreate: (object) => generateSelector(asJob(object)),
  validate: (object) => validateJobSpec(asJob(object).spec, 'spec'),
  validateUpdate(object, old, subresource) {
    if (subresource !== '') return [];
    const spec = asJob(object).spec;
    const before = asJob(old).spec;
    return [
      ...validateJobSpec(spec, 'spec'),
      ...(spec?.completionMode === 'Indexed'
        ? []
        : immutable('spec.completions', spec?.completions, before?.completions)),
      ...immutable('spec.selector', spec?.selector, before?.selector),
      ...(before?.suspend === true ? [] : immutable('spec.template', spec?.template, before?.template)),
      ...immutable('spec.completionMode', spec?.completionMode, before?.completionMode),
      ...immutable('spec.podFailurePolicy', spec?.podFailurePolicy, before?.podFailurePolicy),
      ...immutable('spec.backoffLimitPerIndex', spec?.backoffLimitPerIndex, before?.backoffLimitPerIndex),
    ];
  },
  selectableFields: (object) => ({ 'status.successful': String(asJob(object).status?.succeeded ?? 0) }),
};

function validateJobSpec(spec: JobSpec | undefined, path: string): ErrorCause[] {
  const causes = (
    ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished'] as const
  ).flatMap((field) => nonNegative(`${path}.${field}`, spec?.[field]));
  causes.push(...validatePodTemplate(spec?.template, `${path}.template`));
  const policy: string = spec?.template?.spec?.restartPolicy ?? '';
  if (policy !== 'OnFailure' && policy !== 'Never') {
    const cause =
      policy === '' || policy === 'Always'
        ? required(`${path}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"')
        : notSupported(`${path}.template.spec.restartPolicy`, policy, ['OnFailure', 'Never']);
    causes.push(cause);
  }
  return causes;
}

export const cronJobRules: KindRules = {
  nameRule: (name, prefix) => {
    const errors = dns1123Subdomain(prefix ? maskTrailingDash(name) : name);
    // The controller appends 11 characters to make a job's name, which may have 63.
    return !prefix && name.length > 52 ? [...errors, 'must be no more than 52 characters'] : errors;
  },
  generation: true,
  defaults(object) {
    const { spec } = asCronJob(object);
    if (spec === undefined) return;
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    const job = spec.jobTemplate?.spec;
    if (job === undefined) return;
    // A template's job gets its counts when it is made; the pod template is defaulted here.
    defaultPodTemplate(job);
  },
  validate(object) {
    const { spec } = asCronJob(object);
    const causes: ErrorCause[] = [];
    if ((spec?.schedule ?? '') === '') causes.push(required('spec.schedule'));
    causes.push(...nonNegative('spec.startingDeadlineSeconds', spec?.startingDeadlineSeconds));
    const policies = ['Allow', 'Forbid', 'Replace'];
    const policy: string = spec?.concurrencyPolicy ?? '';
    if (!policies.includes(policy)) causes.push(notSupported('spec.concurrencyPolicy', policy, policies));
    causes.push(...nonNegative('spec.successfulJobsHistoryLimit', spec?.successfulJobsHistoryLimit));
    causes.push(...nonNegative('spec.failedJobsHistoryLimit', spec?.failedJobsHistoryLimit));
    causes.push(...validateJobSpec(spec?.jobTemplate?.spec, 'spec.jobTemplate.spec'));
    return causes;
  },
};
