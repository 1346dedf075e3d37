import type { ConfigMap } from '../../api/generated/types.ts';
import type { InformerFactory } from '../../client/informer.ts';
import { CONFIG_MAPS } from '../../client/resources.ts';
import type { RestClient } from '../../client/rest-client.ts';
import { backoff, sleep } from '../../lib/deadline.ts';
import { isCode } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { NodeStore } from './node-store.ts';

/** Where the control plane says whom its nodes shall trust. */
const NAMESPACE = 'kube-public';
const NAME = 'causeway-trust';
const RETRY_BASE_MS = 50;
const RETRY_MAX_MS = 2_000;

/** Takes the cluster's trust once, now. A control plane that has just been made has yet to write it down. */
export async function takeTrust(client: RestClient, store: NodeStore, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await save(store, await client.get(CONFIG_MAPS, NAMESPACE, NAME, signal));
      return;
    } catch (error) {
      if (!isCode(error, 'NotFound')) throw error;
    }
    if (!(await sleep(backoff(attempt, RETRY_BASE_MS, RETRY_MAX_MS), signal))) signal.throwIfAborted();
  }
}

/** Follows it from now on. A bundle that cannot be used is logged, and the one before it stays. */
export function followTrust(informers: InformerFactory, store: NodeStore, log: Log): void {
  // One after the other: the last one counts.
  let saving = Promise.resolve();
  const take = (map: ConfigMap): void => {
    saving = saving
      .then(() => save(store, map))
      .catch((error: unknown) => log.error("the cluster's trust could not be taken over", { error: String(error) }));
  };
  const query = { namespace: NAMESPACE, fieldSelector: `metadata.name=${NAME}` };
  informers.for<ConfigMap>(CONFIG_MAPS, query).handle({ added: take, updated: take });
}

function save(store: NodeStore, { data }: ConfigMap): Promise<void> {
  return store.saveTrust({ serverCa: data?.['ca.crt'] ?? '', kubeletClientCa: data?.['kubelet-client-ca.crt'] ?? '' });
}
