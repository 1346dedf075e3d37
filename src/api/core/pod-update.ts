import type { ErrorCause } from '../../lib/errors.ts';
import { forbidden, invalidValue, required } from '../field-error.ts';
import type { Container, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../generated/types.ts';
import { cloneJson, semanticEqual } from '../json-object.ts';
import { rangeError } from '../names.ts';
import { validateImageSpace } from './container-validation.ts';
import { differences } from './difference.ts';
import { validateTolerations } from './scheduling-validation.ts';

const int32Max = 2_147_483_647;
const updatable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');

/** Almost all of a pod's spec is fixed once it is created: containers keep running what they were started with. */
export function validatePodSpecUpdate(pod: Pod, old: Pod): ErrorCause[] {
  const spec = pod.spec as PodSpec;
  const before = old.spec as PodSpec;
  for (const field of ['containers', 'initContainers'] as const) {
    if ((spec[field] ?? []).length !== (before[field] ?? []).length) {
      return [forbidden(`spec.${field}`, 'pod updates may not add or remove containers')];
    }
  }
  const causes = [
    ...validateImages(spec.containers, 'spec.containers'),
    ...validateImages(spec.initContainers, 'spec.initContainers'),
  ];
  const deadline = validateDeadline(spec.activeDeadlineSeconds, before.activeDeadlineSeconds);
  causes.push(...deadline.causes);
  if (deadline.stop) return causes;
  causes.push(...validateAddedTolerations(spec.tolerations, before.tolerations));
  causes.push(...validateRemovedGates(spec, before));
  if (semanticEqual(spec, before)) return causes;

  const munged = withUpdatableOf(spec, before);
  if ((before.schedulingGates ?? []).length > 0) causes.push(...allowGatedChanges(munged, before));
  if (!semanticEqual(munged, before)) {
    const diff = differences(before, munged, 'spec').join('\n');
    causes.push(forbidden('spec', `pod updates may not change fields other than ${updatable}\n${diff}`));
  }
  return causes;
}

function validateImages(containers: readonly Container[] | undefined, path: string): ErrorCause[] {
  return (containers ?? []).flatMap((container, i) => [
    ...((container.image ?? '') === '' ? [required(`${path}[${i}].image`)] : []),
    ...validateImageSpace(container.image, `${path}[${i}]`),
  ]);
}

function validateDeadline(
  value: number | undefined,
  before: number | undefined,
): { causes: ErrorCause[]; stop: boolean } {
  const field = 'spec.activeDeadlineSeconds';
  if (value === undefined) {
    if (before === undefined) return { causes: [], stop: false };
    const text = 'must not update from a positive integer to nil value';
    return { causes: [invalidValue(field, null, text)], stop: false };
  }
  if (value < 0 || value > int32Max)
    return { causes: [invalidValue(field, value, rangeError(0, int32Max))], stop: true };
  if (before !== undefined && before < value) {
    return { causes: [invalidValue(field, value, 'must be less than or equal to previous value')], stop: true };
  }
  return { causes: [], stop: false };
}

function validateAddedTolerations(
  tolerations: Toleration[] | undefined,
  before: Toleration[] | undefined,
): ErrorCause[] {
  const path = 'spec.tolerations';
  const list = tolerations ?? [];
  for (const old of before ?? []) {
    const kept = list.some((toleration) =>
      semanticEqual({ ...old, tolerationSeconds: undefined }, { ...toleration, tolerationSeconds: undefined }),
    );
    if (!kept) return [forbidden(path, 'existing toleration can not be modified except its tolerationSeconds')];
  }
  return validateTolerations(list, path);
}

function validateRemovedGates(spec: PodSpec, before: PodSpec): ErrorCause[] {
  const known = new Set((before.schedulingGates ?? []).map((gate) => gate.name));
  return (spec.schedulingGates ?? []).flatMap(({ name }, i) =>
    known.has(name)
      ? []
      : [
          forbidden(
            `spec.schedulingGates[${i}].name`,
            `only deletion is allowed, but found new scheduling gate '${name}'`,
          ),
        ],
  );
}

/** The new spec with everything that may change set back: what differs then may not. */
function withUpdatableOf(spec: PodSpec, before: PodSpec): PodSpec {
  const munged = cloneJson(spec);
  const images = (list: Container[] | undefined, old: readonly Container[] | undefined): void => {
    for (const [i, container] of (list ?? []).entries()) {
      const image = old?.[i]?.image;
      if (image === undefined) delete container.image;
      else container.image = image;
    }
  };
  images(munged.containers, before.containers);
  images(munged.initContainers, before.initContainers);
  munged.activeDeadlineSeconds = before.activeDeadlineSeconds;
  munged.schedulingGates = before.schedulingGates;
  munged.tolerations = before.tolerations;
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && munged.terminationGracePeriodSeconds === 1) {
    munged.terminationGracePeriodSeconds = before.terminationGracePeriodSeconds;
  }
  return munged;
}

/** A pod that the scheduler must not look at yet may still be narrowed to fewer nodes. */
function allowGatedChanges(munged: PodSpec, before: PodSpec): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (!semanticEqual(munged.nodeSelector, before.nodeSelector)) {
    const kept = Object.entries(before.nodeSelector ?? {}).every(
      ([key, value]) => munged.nodeSelector?.[key] === value,
    );
    if (!kept) {
      const text = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
      causes.push(invalidValue('spec.nodeSelector', munged.nodeSelector ?? {}, text));
    }
    munged.nodeSelector = before.nodeSelector;
  }
  const affinity = munged.affinity?.nodeAffinity;
  const old = before.affinity?.nodeAffinity;
  if (!semanticEqual(affinity, old)) {
    causes.push(
      ...validateTermAdditions(
        affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms,
        old?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms,
      ),
    );
    const others = { ...munged.affinity, nodeAffinity: old };
    munged.affinity = Object.values(others).every((part) => part === undefined) ? before.affinity : others;
  }
  return causes;
}

function validateTermAdditions(
  terms: readonly NodeSelectorTerm[] | undefined,
  before: readonly NodeSelectorTerm[] | undefined,
): ErrorCause[] {
  const path = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
  const old = before ?? [];
  if (old.length === 0) return [];
  if (old.length !== (terms ?? []).length) {
    const text = 'no additions/deletions to non-empty NodeSelectorTerms list are allowed';
    return [invalidValue(path, terms ?? [], text)];
  }
  return (terms ?? []).flatMap((term, i) => {
    const was = old[i] ?? {};
    const wasEmpty = (was.matchExpressions ?? []).length === 0 && (was.matchFields ?? []).length === 0;
    const isEmpty = (term.matchExpressions ?? []).length === 0 && (term.matchFields ?? []).length === 0;
    const grown = (['matchExpressions', 'matchFields'] as const).every((field) => {
      const length = (was[field] ?? []).length;
      return semanticEqual((term[field] ?? []).slice(0, length), was[field] ?? []);
    });
    const text = 'only additions are allowed (no mutations or deletions)';
    return grown && (!wasEmpty || isEmpty) ? [] : [invalidValue(`${path}[${i}]`, term, text)];
  });
}

/** The `ephemeralcontainers` subresource: containers can be added, and never changed or removed. */
export function validateEphemeralUpdate(pod: Pod, old: Pod): ErrorCause[] {
  if (old.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) {
    return [forbidden('[]', 'static pods do not support ephemeral containers')];
  }
  const path = 'spec.ephemeralContainers';
  const now = new Map((pod.spec?.ephemeralContainers ?? []).map((container) => [container.name, container]));
  return (old.spec?.ephemeralContainers ?? []).flatMap((before) => {
    const container = now.get(before.name);
    const which = `existing ephemeral containers ${JSON.stringify(before.name)}`;
    if (container === undefined) return [forbidden(path, `${which} may not be removed\n`)];
    if (semanticEqual(container, before)) return [];
    return [forbidden(path, `${which} may not be changed\n${differences(before, container, path).join('\n')}`)];
  });
}

/** The `resize` subresource: cpu and memory of containers, and their resize policy. */
export function validateResize(pod: Pod, old: Pod): ErrorCause[] {
  if (old.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) {
    return [forbidden('[]', 'static pods cannot be resized')];
  }
  const munged = cloneJson(pod.spec as PodSpec);
  for (const field of ['containers', 'initContainers'] as const) {
    const before = old.spec?.[field] ?? [];
    if ((munged[field] ?? []).length !== before.length) {
      return [forbidden(`spec.${field}`, `${field} may not be added or removed on resize`)];
    }
    for (const [i, container] of (munged[field] ?? []).entries()) {
      if (container.name !== before[i]?.name) {
        return [forbidden(`spec.${field}[${i}].name`, `${field} may not be renamed or reordered on resize`)];
      }
      if (field === 'initContainers' && container.restartPolicy !== 'Always') continue;
      restoreCpuAndMemory(container, before[i]);
    }
  }
  return semanticEqual(munged, old.spec) ? [] : [forbidden('spec', 'only cpu and memory resources are mutable')];
}

function restoreCpuAndMemory(container: Container, before: Container | undefined): void {
  const resources = { ...container.resources };
  for (const list of ['limits', 'requests'] as const) {
    const old = before?.resources?.[list];
    const now = { ...resources[list] };
    for (const name of ['cpu', 'memory']) {
      const quantity = old?.[name];
      if (quantity === undefined) delete now[name];
      else now[name] = quantity;
    }
    if (old === undefined && Object.keys(now).length === 0) delete resources[list];
    else resources[list] = now;
  }
  container.resources = resources;
  container.resizePolicy = before?.resizePolicy;
}
