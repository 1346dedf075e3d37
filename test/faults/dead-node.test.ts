import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Background } from '../support/background.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { joinFlags, startMember } from '../support/member.ts';
import { shellPod, WAIT } from '../support/pods.ts';

/** Kubernetes' grace period for a silent node, and what a busy machine adds. */
const UNKNOWN_MS = 90_000;

let cluster: TestCluster;
let directory: string;
let member: Background | undefined;

before(async () => {
  cluster = await startCluster();
  directory = await mkdtemp(join(tmpdir(), 'causeway-test-member-'));
});
after(async () => {
  await member?.stop();
  await cluster?.stop();
  await rm(directory, { recursive: true, force: true });
});

it('a node that does not answer any more loses its pods to the others after their time, and is one of them again when it is back', {
  skip: process.env['CAUSEWAY_SOAK'] === undefined && 'takes a minute: CAUSEWAY_SOAK=1',
}, async () => {
  member = startMember(directory, [...(await joinFlags(cluster)), '--node-name', 'second']);
  await member.until(/^node second: ready/m, 30_000);
  const matchLabels = { app: 'web' };
  const key = 'node.kubernetes.io/unreachable';
  const tolerations = [{ key, operator: 'Exists' as const, effect: 'NoExecute' as const, tolerationSeconds: 5 }];
  await cluster.ok(['cordon', '-l', 'kubernetes.io/hostname!=second']);
  await cluster.create({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'web' },
    spec: {
      replicas: 1,
      selector: { matchLabels },
      template: { metadata: { labels: matchLabels }, spec: shellPod('', WAIT, { spec: { tolerations } }).spec },
    },
  });
  await cluster.ok(['wait', '--for=jsonpath={.status.readyReplicas}=1', 'rs/web', '--timeout=20s']);
  const lost = await cluster.ok(['get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].metadata.name}']);
  await cluster.ok(['uncordon', '-l', 'kubernetes.io/hostname!=second']);
  member.child.kill('SIGKILL');
  await member.ended;

  const taints = ['get', 'node', 'second', '-o', 'jsonpath={range .spec.taints[*]}{.key}:{.effect} {end}'];
  await cluster.until(
    'the node to be known as silent',
    async () => (await cluster.ok(taints)).includes('node.kubernetes.io/unreachable:NoExecute'),
    UNKNOWN_MS,
  );
  await cluster.until('a pod elsewhere', async () => {
    const pods = await cluster.ok(['get', 'pods', '-l', 'app=web', '--no-headers']);
    return / 1\/1 +Running /.test(pods.split('\n').find((line) => !line.startsWith(lost)) ?? '');
  });
  assert.match(await cluster.ok(['get', 'pod', lost, '--no-headers']), / Terminating /);

  member = startMember(directory);
  await cluster.ok(['wait', '--for=delete', `pod/${lost}`, '--timeout=30s'], { timeoutMs: 40_000 });
  await cluster.until('no taint to be left', async () => ((await cluster.ok(taints)) === '' ? 'none' : undefined));
});
