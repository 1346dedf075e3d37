import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import type { Node, Pod } from '../../src/api/generated/types.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';

let cluster: TestCluster | undefined;
after(() => cluster?.stop());

/** Says when it is asked to end, and takes its time. */
const slow = (name: string, priorityClassName?: string): Pod =>
  shellPod(name, WAIT, {
    container: { command: ['sh', '-c', `trap 'sleep 1; exit 0' TERM; ${WAIT}`] },
    spec: { terminationGracePeriodSeconds: 3600, ...(priorityClassName === undefined ? {} : { priorityClassName }) },
  });

it('ends pods for good, the critical ones last, and the node says so', { timeout: 120_000 }, async () => {
  const flags = ['--shutdown-grace-period', '20s', '--shutdown-grace-period-critical-pods', '10s'];
  cluster = await startCluster({ flags });
  await cluster.create(
    slow('plain'),
    slow('important', 'system-cluster-critical'),
    shellPod('done', 'exit 0', { spec: { restartPolicy: 'Never' } }),
  );
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/plain', 'pod/important', '--timeout=20s']);
  await cluster.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/done', '--timeout=20s']);
  const seen = cluster.background(['get', 'node', '-w', '-o', 'json']);
  await seen.until(/"KubeletReady"/);
  assert.equal(await cluster.terminate(), 0);
  assert.match(seen.stdout, /"message": "node is shutting down",\s+"reason": "KubeletNotReady",\s+"status": "False"/);
  await seen.ended;

  const { dataDirectory } = cluster;
  cluster = await startCluster({ dataDirectory });
  const pods = (await cluster.json<{ items: Pod[] }>(['get', 'pods'])).items;
  const of = (name: string) => pods.find(({ metadata }) => metadata.name === name)?.status;
  for (const name of ['plain', 'important']) {
    const { phase, reason, message, conditions } = of(name) ?? {};
    assert.deepEqual(
      [phase, reason, message],
      ['Failed', 'Terminated', 'Pod was terminated in response to imminent node shutdown.'],
      name,
    );
    assert.equal(conditions?.find(({ type }) => type === 'DisruptionTarget')?.status, 'True');
  }
  const finished = (name: string): number =>
    Date.parse(of(name)?.containerStatuses?.[0]?.state?.terminated?.finishedAt ?? '');
  assert.ok(finished('plain') < finished('important'), `${finished('plain')} ${finished('important')}`);
  assert.deepEqual([of('done')?.phase, of('done')?.reason], ['Succeeded', undefined]);
  const [node] = (await cluster.json<{ items: Node[] }>(['get', 'nodes'])).items;
  assert.equal(node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
});

it('is refused when its flags cannot be meant', async () => {
  const wrong = startCluster({ flags: ['--shutdown-grace-period-critical-pods', '10s'] });
  await assert.rejects(wrong, /causeway: --shutdown-grace-period-critical-pods: cannot be greater than/);
});
