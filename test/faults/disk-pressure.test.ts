import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Node, Pod } from '../../src/api/generated/types.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { type ShellPodOptions, shellPod, WAIT } from '../support/pods.ts';

/** Pods that take more of the disk than there is, or than they may: the node says so, ends them, and is well again. */

const skip = process.getuid?.() !== 0 && 'a small file system can be mounted by root only';
const VOLUME = { volumes: [{ name: 'v', emptyDir: {} }] };
const mounted = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };

function filler(name: string, mib: number, options: ShellPodOptions = { spec: VOLUME }): Pod {
  const script = `head -c ${mib}M /dev/zero > /v/ballast; ${WAIT}`;
  return shellPod(name, script, { ...options, container: { ...mounted, ...options.container } });
}

describe('a disk that pods fill', { skip }, () => {
  let mountPoint: string;
  let cluster: TestCluster;

  before(async () => {
    // Not in the temporary folder: the runner of the tests takes whoever has that one mounted for ours.
    mountPoint = await mkdtemp('/run/causeway-pressure-');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256m,mode=700', 'causeway-pressure', mountPoint]);
    const thresholds = ['--eviction-hard', 'nodefs.available<30%', '--eviction-pressure-transition-period', '1s'];
    cluster = await startCluster({ dataDirectory: join(mountPoint, 'data'), flags: thresholds });
    await cluster.create(filler('steady', 1));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/steady', '--timeout=20s']);
  });
  after(async () => {
    if (mountPoint === undefined) return;
    try {
      await cluster?.stop();
      execFileSync('umount', [mountPoint]);
    } catch (error) {
      spawnSync('umount', ['--lazy', mountPoint]);
      throw error;
    } finally {
      await rm(mountPoint, { recursive: true, force: true });
    }
  });

  const status = async (name: string): Promise<NonNullable<Pod['status']>> =>
    (await cluster.json<Pod>(['get', 'pod', name])).status ?? {};
  const evicted = (name: string): Promise<NonNullable<Pod['status']>> =>
    cluster.until(
      `the eviction of ${name}`,
      async () => {
        const found = await status(name);
        return found.phase === 'Failed' && found;
      },
      40_000,
    );
  const node = async (): Promise<Node> => (await cluster.json<{ items: Node[] }>(['get', 'nodes'])).items[0]!;
  const pressure = async (): Promise<string | undefined> =>
    (await node()).status?.conditions?.find(({ type }) => type === 'DiskPressure')?.status;

  it('evicts who takes most, says so, takes nobody meanwhile, and is well again', { timeout: 120_000 }, async () => {
    assert.equal(await pressure(), 'False');
    const told = cluster.background(['get', 'node', '-w', '-o', 'jsonpath={.status.conditions}{"\\n"}']);
    await cluster.create(filler('greedy', 190));
    const found = await evicted('greedy');
    assert.equal(found.reason, 'Evicted');
    assert.match(
      found.message ?? '',
      /^The node was low on resource: ephemeral-storage\. Threshold quantity: \d+, available: \d+Ki\. /,
    );
    const disruption = found.conditions?.find(({ type }) => type === 'DisruptionTarget');
    assert.deepEqual([disruption?.status, disruption?.reason], ['True', 'TerminationByKubelet']);
    assert.match(await cluster.ok(['describe', 'pod', 'greedy']), /\nReason: +Evicted\n/);

    await cluster.until('the end of the pressure', async () => (await pressure()) === 'False', 40_000);
    assert.match(told.stdout, /KubeletHasDiskPressure/);
    assert.match(
      await cluster.ok(['get', 'events']),
      /EvictionThresholdMet +node\/\S+ +Attempting to reclaim ephemeral-storage/,
    );
    assert.deepEqual([(await status('steady')).phase, (await status('steady')).reason], ['Running', undefined]);
    await cluster.until('the end of the taint', async () => ((await node()).spec?.taints ?? []).length === 0, 40_000);
    await cluster.create(shellPod('later', WAIT));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/later', '--timeout=20s']);
    told.child.kill();
    await told.ended;
  });

  it('evicts pods that take more than their own limits, and no others', { timeout: 120_000 }, async () => {
    const limited = { volumes: [{ name: 'v', emptyDir: { sizeLimit: '8Mi' } }] };
    const resources = { limits: { 'ephemeral-storage': '8Mi' } };
    const chatty = shellPod('chatty', `head -c 9M /dev/zero | tr '\\0' 'x' | fold -w 1000; ${WAIT}`, {
      container: { resources },
    });
    await cluster.create(
      filler('within', 6, { spec: limited, container: { resources } }),
      filler('over', 10, { spec: limited }),
      chatty,
    );
    const over = await evicted('over');
    assert.deepEqual(
      [over.reason, over.message],
      ['Evicted', 'Usage of EmptyDir volume "v" exceeds the limit "8Mi". '],
    );
    assert.equal(
      (await evicted('chatty')).message,
      'Pod ephemeral local storage usage exceeds the total limit of containers 8Mi. ',
    );
    assert.equal((await status('within')).phase, 'Running');
  });
});
