import type { ErrorCause } from '../../lib/errors.ts';
import { forbidden, invalidEach, invalidValue } from '../field-error.ts';
import type { ContainerStatus, Pod } from '../generated/types.ts';
import { parseIp, validateIp } from '../ip-address.ts';
import { immutable } from '../metadata.ts';
import { dns1123Subdomain, qualifiedName } from '../names.ts';

const systemConditions = new Set(['PodScheduled', 'Ready', 'Initialized']);

/** The `status` subresource of pods. */
export function validatePodStatus(pod: Pod, old: Pod): ErrorCause[] {
  const status = pod.status ?? {};
  const before = old.status ?? {};
  const causes: ErrorCause[] = [];
  for (const [i, condition] of (status.conditions ?? []).entries()) {
    if (systemConditions.has(condition.type)) continue;
    causes.push(...invalidEach(`status.conditions[${i}].Type`, condition.type, qualifiedName(condition.type ?? '')));
  }
  const nominated = status.nominatedNodeName ?? '';
  if (nominated !== '' && nominated !== (before.nominatedNodeName ?? '')) {
    causes.push(...invalidEach('status.nominatedNodeName', nominated, dns1123Subdomain(nominated)));
  }
  causes.push(...immutable('status.qosClass', status.qosClass ?? '', before.qosClass ?? ''));
  const sidecars = new Set(
    (old.spec?.initContainers ?? []).filter((c) => c.restartPolicy === 'Always').map((c) => c.name),
  );
  const policy = old.spec?.restartPolicy ?? 'Always';
  causes.push(
    ...validateTransitions(status.containerStatuses, before.containerStatuses, policy, 'containerStatuses'),
    ...validateTransitions(
      status.initContainerStatuses,
      (before.initContainerStatuses ?? []).filter((c) => !sidecars.has(c.name)),
      policy,
      'initContainerStatuses',
    ),
    ...validateTransitions(
      status.ephemeralContainerStatuses,
      before.ephemeralContainerStatuses,
      'Never',
      'ephemeralContainerStatuses',
    ),
    ...validateAddresses(status.podIPs, 'status.podIPs'),
    ...validateAddresses(status.hostIPs, 'status.hostIPs'),
  );
  return causes;
}

/** A container that ended for good cannot be said to run again. */
function validateTransitions(
  statuses: readonly ContainerStatus[] | undefined,
  before: readonly ContainerStatus[] | undefined,
  policy: string,
  field: string,
): ErrorCause[] {
  if (policy === 'Always') return [];
  return (before ?? []).flatMap((old, i) => {
    const ended = old.state?.terminated;
    if (ended === undefined || (ended.exitCode !== 0 && policy === 'OnFailure')) return [];
    return (statuses ?? [])
      .filter((status) => status.name === old.name && status.state?.terminated === undefined)
      .map(() => forbidden(`status.${field}[${i}].state`, 'may not be transitioned to non-terminated state'));
  });
}

function validateAddresses(list: readonly { ip?: string | undefined }[] | undefined, path: string): ErrorCause[] {
  const addresses = (list ?? []).map(({ ip }) => ip ?? '');
  const causes = addresses.flatMap((ip, i) => validateIp(`${path}[${i}]`, ip));
  const families = new Set(addresses.map((ip) => parseIp(ip)?.family));
  if (addresses.length > 1 && families.size !== addresses.length) {
    causes.push(invalidValue(path, list, 'may specify no more than one IP for each IP family'));
  }
  return causes;
}

/** `podIP` and `podIPs` say the same: the single one is the first of the list. */
export function syncAddresses(pod: Pod): void {
  const status = pod.status;
  if (status === undefined) return;
  if ((status.podIPs ?? []).length > 0) {
    if (status.podIP === undefined || status.podIP === '') status.podIP = status.podIPs?.[0]?.ip;
    else if (status.podIP !== status.podIPs?.[0]?.ip) status.podIPs = [{ ip: status.podIP }];
  } else if (status.podIP !== undefined && status.podIP !== '') {
    status.podIPs = [{ ip: status.podIP }];
  }
  if (status.hostIP !== undefined && status.hostIP !== '' && (status.hostIPs ?? []).length === 0) {
    status.hostIPs = [{ ip: status.hostIP }];
  }
}
