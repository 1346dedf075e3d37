import type { Pod, PodStatus } from '../api/generated/types.ts';
import { PODS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { isCode } from '../lib/errors.ts';

/** How the API shows one pod of this node: by its own object, or, of a static pod, by a mirror. */
export interface PodRecord {
  /** Answers `gone` when nobody is there to be told any more. Rejects with what may be tried again. */
  write(status: PodStatus, signal: AbortSignal): Promise<'stored' | 'gone'>;
  /** The pod has ended on its node: what shows it goes. It may have gone already, or be another one by now. */
  remove(signal: AbortSignal): Promise<void>;
}

/** A pod that the API has made. */
export function apiPodRecord(client: RestClient, pod: Pod): PodRecord {
  const { namespace = '', name = '', uid } = pod.metadata;
  /** Whether a conflict was about the pod itself: it is gone, and another one may have its name. */
  const isGone = async (signal: AbortSignal): Promise<boolean> => {
    try {
      return (await client.get(PODS, namespace, name, signal)).metadata.uid !== uid;
    } catch (error) {
      return isCode(error, 'NotFound');
    }
  };
  return {
    async write(status, signal) {
      try {
        await client.patch(PODS, { namespace, name, subresource: 'status' }, 'strategic', patchOf(status, uid), signal);
        return 'stored';
      } catch (error) {
        if (isCode(error, 'NotFound') || (isCode(error, 'Conflict') && (await isGone(signal)))) return 'gone';
        throw error;
      }
    },
    async remove(signal) {
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      try {
        await client.delete(PODS, namespace, name, { gracePeriodSeconds: 0, ...preconditions }, signal);
      } catch (error) {
        if (!isCode(error, 'NotFound') && !isCode(error, 'Conflict')) throw error;
      }
    },
  };
}

function patchOf(status: PodStatus, uid: string | undefined): object {
  const { conditions = [], ...rest } = status;
  // A condition that changed must not keep the reason of what it was before.
  const whole = conditions.map((c) => ({ ...c, reason: c.reason ?? null, message: c.message ?? null }));
  return {
    // The uid keeps a pod of the same name that came later from getting this one's status (409).
    metadata: { uid },
    status: { ...rest, conditions: whole, podIPs: replaced(status.podIPs), hostIPs: replaced(status.hostIPs) },
  };
}

/** A list that a strategic merge would join with what is there, as one that takes its place. */
function replaced(list: readonly object[] | undefined): readonly object[] | null {
  return list === undefined ? null : [{ $patch: 'replace' }, ...list];
}
