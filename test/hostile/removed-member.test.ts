import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Background } from '../support/background.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { joinFlags, startMember } from '../support/member.ts';
import { shellPod } from '../support/pods.ts';

/** Ms in which all that a removed node has ends. */
const SOON_MS = 5_000;

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

it('a node that joined and is removed loses its streams, notices, says how to join again, and cannot come back', async () => {
  const flags = [...(await joinFlags(cluster)), '--node-name', 'second'];
  member = startMember(directory, flags);
  await member.until(/^node second: ready/m, 30_000);
  await cluster.create(
    shellPod('there', 'while :; do echo tick; sleep 1; done', {
      spec: { nodeName: 'second', terminationGracePeriodSeconds: 1 },
    }),
  );
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/there', '--timeout=20s']);
  const streams = [
    cluster.background(['exec', 'there', '--', 'sh', '-c', 'echo begun; sleep 60']),
    cluster.background(['logs', '-f', 'there']),
  ];
  await streams[0]?.until(/begun/);
  await streams[1]?.until(/tick/);

  const begun = Date.now();
  await cluster.ok(['delete', 'node', 'second']);
  for (const stream of streams) await stream.ended;
  assert.ok(Date.now() - begun < SOON_MS, `the streams ended after ${Date.now() - begun} ms`);
  await cluster.until(
    'the node to notice',
    async () => /no longer part of the cluster/.test(member?.stderr ?? ''),
    SOON_MS,
  );
  assert.equal(await member.ended, 1);
  assert.match(
    member.stderr,
    /^causeway: node second was removed from the cluster, and its certificates with it\. To join again, run "causeway token create --print-join-command"/m,
  );
  assert.match(member.stdout, /^node second was removed from the cluster: its pods end$/m);
  assertSaidOnce(member);
  assert.equal((await cluster.ok(['get', 'nodes', '-o', 'name'])).split('\n').filter(Boolean).length, 1);

  // Not with what it kept, and not with the line that it joined by.
  const again = startMember(directory);
  assert.notEqual(await again.ended, 0);
  const sameLine = startMember(directory, flags);
  assert.notEqual(await sameLine.ended, 0, sameLine.stdout);
  assert.match(`${again.stderr}${sameLine.stderr}`, /join|token/);
  assert.equal((await cluster.ok(['get', 'nodes', '-o', 'name'])).split('\n').filter(Boolean).length, 1);
});

it('a node that is removed while it is off ends its pods at its next start, and itself', async () => {
  member = startMember(directory, [...(await joinFlags(cluster)), '--node-name', 'third']);
  await member.until(/^node third: ready/m, 30_000);
  await cluster.create(shellPod('left', 'echo begun; sleep 600', { spec: { nodeName: 'third' } }));
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/left', '--timeout=20s']);
  assert.equal(await member.stop(), 0);
  await cluster.ok(['delete', 'node', 'third']);
  member = startMember(directory);
  assert.equal(await member.ended, 1, member.stdout);
  assert.match(member.stderr, /^causeway: node third was removed from the cluster, .*To join again, run/m);
  assert.deepEqual(await readdir(join(directory, 'node', 'runtime', 'containers')), [], 'nothing of its pods is left');
});

/** A node that is refused is refused often; nobody wants to read it as often. */
function assertSaidOnce({ stdout, stderr }: Background): void {
  const warnings = `${stdout}${stderr}`.split('\n').filter((line) => line.startsWith('{"level":40'));
  const texts = warnings.map((line) => line.replace(/"time":"[^"]*",/, ''));
  assert.deepEqual(texts, [...new Set(texts)]);
}
