import type { TestContext } from 'node:test';
import type { Pod } from '../../api/generated/types.ts';
import { Informer } from '../../client/informer.ts';
import { PODS } from '../../client/resources.ts';
import { silentLog } from '../../lib/log.ts';
import { isPodReady } from '../pod-state.ts';
import { imageOf } from './deployments.ts';
import type { TestCluster } from './test-cluster.ts';

/** What a rollout does to the pods while it goes on: of every state that there was, in the order of the changes. */
export async function observeRollout(t: TestContext, cluster: TestCluster, namespace: string) {
  const seen = { most: 0, fewestAvailable: Number.POSITIVE_INFINITY, both: false };
  const informer = new Informer<Pod>(cluster.admin, PODS, { namespace }, silentLog);
  const look = (): void => {
    const running = informer.list().filter((p) => p.metadata.deletionTimestamp === undefined);
    seen.most = Math.max(seen.most, running.length);
    seen.fewestAvailable = Math.min(seen.fewestAvailable, running.filter(isPodReady).length);
    seen.both ||= new Set(informer.list().map(imageOf)).size > 1;
  };
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await informer.synced();
  look();
  informer.handle({ added: look, updated: look, deleted: look });
  t.after(async () => {
    stop.abort();
    await running;
  });
  return seen;
}
