import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { required } from '../field-error.ts';
import type { ReplicationController } from '../generated/types.ts';
import { cloneJson } from '../json-object.ts';
import type { KindRules } from '../kind-rules.ts';
import { nonNegative } from '../metadata.ts';
import { validateWorkloadTemplate } from './workload-validation.ts';

/** The old ReplicaSet of the core group: its selector is a plain map, and may be left to the template's labels. */
export const replicationControllerRules: KindRules = {
  generation: true,
  initialStatus: () => ({ replicas: 0 }),
  defaults(object) {
    const controller = object as unknown as ReplicationController;
    controller.spec ??= {};
    const { spec } = controller;
    const labels = spec.template?.metadata?.labels;
    if (labels !== undefined) {
      if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = cloneJson(labels);
      if (Object.keys(controller.metadata.labels ?? {}).length === 0) controller.metadata.labels = cloneJson(labels);
    }
    spec.replicas ??= 1;
    defaultPodTemplate(spec);
  },
  validate(object) {
    const { spec } = object as unknown as ReplicationController;
    const causes = nonNegative('spec.minReadySeconds', spec?.minReadySeconds);
    if (Object.keys(spec?.selector ?? {}).length === 0) causes.push(required('spec.selector'));
    causes.push(...nonNegative('spec.replicas', spec?.replicas));
    causes.push(...validateWorkloadTemplate(spec?.template, { matchLabels: spec?.selector }, 'ReplicationController'));
    return causes;
  },
};
