import type { ErrorCause } from '../../lib/errors.ts';
import { forbidden } from '../field-error.ts';
import type { Pod, PodSpec } from '../generated/types.ts';
import { cloneJson } from '../json-object.ts';
import type { KindRules } from '../kind-rules.ts';
import type { KubeObject } from '../object.ts';
import { validateImageSpace } from './container-validation.ts';
import { defaultPod, mirrorServiceAccount } from './pod-defaults.ts';
import { podQosClass } from './pod-quality.ts';
import { validatePodSpec } from './pod-spec-validation.ts';
import { syncAddresses, validatePodStatus } from './pod-status.ts';
import { validateEphemeralUpdate, validatePodSpecUpdate, validateResize } from './pod-update.ts';

const asPod = (object: KubeObject): Pod => object as unknown as Pod;

export const podRules: KindRules = {
  generation: true,
  defaults: (object) => defaultPod(asPod(object)),
  initialStatus: 'keep',
  prepareForCreate(object) {
    const pod = asPod(object);
    pod.status = { phase: 'Pending', qosClass: podQosClass(pod) };
    // A pod with gates says so from its first moment, since the scheduler never looks at it.
    if ((pod.spec?.schedulingGates ?? []).length > 0) {
      const message = 'Scheduling is blocked due to non-empty scheduling gates';
      pod.status.conditions = [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message }];
    }
  },
  prepareForUpdate(object, old, subresource) {
    const pod = asPod(object);
    const before = asPod(old);
    if (subresource === 'status') {
      syncAddresses(pod);
      // The quality class is set once, by the server.
      if (pod.status !== undefined && pod.status.qosClass === undefined) pod.status.qosClass = before.status?.qosClass;
      const owners = before.metadata.ownerReferences;
      if (owners === undefined) delete pod.metadata.ownerReferences;
      else pod.metadata.ownerReferences = cloneJson(owners);
    } else if (subresource === '') {
      if (pod.spec !== undefined) mirrorServiceAccount(pod.spec);
    } else if (subresource === 'ephemeralcontainers') {
      const containers = pod.spec?.ephemeralContainers;
      pod.spec = cloneJson(before.spec);
      if (pod.spec === undefined) return;
      if (containers === undefined) delete pod.spec.ephemeralContainers;
      else pod.spec.ephemeralContainers = containers;
    }
  },
  validate(object) {
    const pod = asPod(object);
    const causes = validateWhole(pod);
    if ((pod.spec?.ephemeralContainers ?? []).length > 0) {
      causes.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'));
    }
    if ((pod.spec?.nodeName ?? '') !== '' && (pod.spec?.schedulingGates ?? []).length > 0) {
      causes.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'));
    }
    return causes;
  },
  validateUpdate(object, old, subresource) {
    const pod = asPod(object);
    const before = asPod(old);
    switch (subresource) {
      case 'status':
        return validatePodStatus(pod, before);
      case 'ephemeralcontainers':
        return [...validateWhole(pod), ...validateEphemeralUpdate(pod, before)];
      case 'resize':
        return [...validateWhole(pod), ...validateResize(pod, before)];
      case 'binding':
        return [];
      default:
        return [...validateWhole(pod), ...validatePodSpecUpdate(pod, before)];
    }
  },
  selectableFields(object) {
    const { spec, status } = asPod(object);
    return {
      'spec.nodeName': spec?.nodeName ?? '',
      'spec.restartPolicy': spec?.restartPolicy ?? '',
      'spec.schedulerName': spec?.schedulerName ?? '',
      'spec.serviceAccountName': spec?.serviceAccountName ?? '',
      'spec.hostNetwork': String(spec?.hostNetwork ?? false),
      'status.phase': status?.phase ?? '',
      'status.podIP': status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
      'status.podIPs': (status?.podIPs ?? []).map(({ ip }) => ip).join(','),
      'status.nominatedNodeName': status?.nominatedNodeName ?? '',
    };
  },
  gracefulDeletion(object, requested) {
    const { spec, status } = asPod(object);
    if ((spec?.nodeName ?? '') === '') return 0;
    if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return 0;
    const seconds = requested ?? spec?.terminationGracePeriodSeconds ?? 0;
    return seconds < 0 ? 1 : seconds;
  },
};

function validateWhole(pod: Pod): ErrorCause[] {
  const spec = pod.spec ?? ({} as PodSpec);
  const causes = validatePodSpec(spec, 'spec', true);
  if ((spec.serviceAccountName ?? '') === '') {
    for (const [v, volume] of (spec.volumes ?? []).entries()) {
      for (const [s, source] of (volume.projected?.sources ?? []).entries()) {
        if (source.serviceAccountToken === undefined) continue;
        const field = `spec.volumes[${v}].projected.sources[${s}].serviceAccountToken`;
        causes.push(forbidden(field, 'must not be specified when serviceAccountName is not set'));
      }
    }
  }
  for (const field of ['containers', 'initContainers'] as const) {
    for (const [i, container] of (spec[field] ?? []).entries()) {
      causes.push(...validateImageSpace(container.image, `spec.${field}[${i}]`));
    }
  }
  return causes;
}
