import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, statfsSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Pod } from '../../src/api/generated/types.ts';
import { COMMIT_MARGIN_BYTES } from '../../src/storage/limits.ts';
import { type ApiAnswer, refusal } from '../hostile/support/api-client.ts';
import { startTarget, type Target } from '../hostile/support/target.ts';
import { leftovers } from '../support/leftovers.ts';
import { shellPod, WAIT } from '../support/pods.ts';

/** The file system of the data directory is full: clear errors, nothing acknowledged is lost, and all is well when there is room again. */

const root = process.getuid?.() === 0;
const SIZE_MIB = 192;
const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';

const skip = !root && 'a small file system can be mounted by root only';

describe('a full disk', () => {
  let mountPoint: string;
  let ballast: string;
  let directory: string;
  let target: Target;
  // No pod is ended for the disk here: what is tested is what happens when that does not help.
  const start = (): Promise<Target> => startTarget({ dataDirectory: directory, flags: ['--eviction-hard', ''] });

  before(async () => {
    if (!root) return;
    // Not in the temporary folder: every process with mounts of its own that begins now has a copy of this one, whosever it is, and the
    // runner of the tests takes whoever has the folder mounted for ours.
    mountPoint = await mkdtemp('/run/causeway-full-');
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MIB}m,mode=700`, 'causeway-full', mountPoint]);
    ballast = join(mountPoint, 'ballast');
    directory = join(mountPoint, 'data');
    target = await start();
    await target.cluster.create(
      shellPod('steady', `while :; do echo line; sleep 0.2; done`),
      // Soon needs more than the rest of the last block of its log.
      shellPod('chatty', `x=$(printf %01000d 0); i=0; while :; do i=$((i+1)); echo "$i $x"; sleep 0.05; done`),
      shellPod('ending', WAIT, { spec: { restartPolicy: 'Never' } }),
    );
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=20s']);
  });
  after(async () => {
    if (mountPoint === undefined) return;
    try {
      // With room again it can end in its own way, also when a test failed in the middle.
      await rm(ballast, { force: true });
      await target?.close();
      execFileSync('umount', [mountPoint]);
    } catch (error) {
      spawnSync('umount', ['--lazy', mountPoint]);
      throw error;
    } finally {
      await rm(mountPoint, { recursive: true, force: true });
    }
  });

  /** Takes all room but `free` bytes. */
  function fill(free: number): void {
    const file = openSync(ballast, 'a');
    try {
      for (const size of [1 << 20, 4096, 1]) {
        const chunk = Buffer.alloc(size);
        const room = (): boolean => {
          const { bavail, bsize } = statfsSync(mountPoint);
          return bavail * bsize >= free + size;
        };
        while (free === 0 || room()) {
          try {
            writeSync(file, chunk);
          } catch {
            break;
          }
        }
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  const create = (name: string, size: number): Promise<ApiAnswer> =>
    target.admin.send(CONFIGMAPS, { body: { metadata: { name }, data: { a: 'x'.repeat(size) } } });

  /**
   * Fills the disk to the last byte. First so far that storage refuses to begin another commit: the last block that is taken in the middle of
   * one is a case of its own, in which only a restart helps.
   */
  async function fillUp(): Promise<void> {
    fill(COMMIT_MARGIN_BYTES - (1 << 20));
    assert.equal((await create('filling', 100)).status, 503);
    fill(0);
  }

  it('is said clearly, loses nothing that was acknowledged, and is over when there is room', {
    timeout: 120_000,
    skip,
  }, async () => {
    const acknowledged: string[] = [];
    const put = async (name: string) => {
      const answer = await create(name, 20_000);
      if (answer.status === 201) acknowledged.push(name);
      return answer;
    };
    for (let i = 0; i < 20; i++) assert.equal((await put(`before-${i}`)).status, 201);

    await fillUp();
    for (let i = 0; i < 10; i++) {
      const answer = await put(`during-${i}`);
      const { code, reason, message } = refusal(answer);
      assert.deepEqual(
        [code, reason, message],
        [503, 'ServiceUnavailable', 'storage: the disk is full, nothing was written'],
      );
      assert.equal(answer.headers['retry-after'], '5');
    }
    // It goes on serving what it has.
    assert.equal((await target.admin.send(`${CONFIGMAPS}/before-3`)).status, 200);
    const listed = async () =>
      ((await target.admin.send(CONFIGMAPS)).json.items as { metadata: { name: string } }[])
        .map((item) => item.metadata.name)
        .filter((name) => name !== 'kube-root-ca.crt');
    assert.deepEqual((await listed()).sort(), [...acknowledged].sort());
    assert.match(await target.cluster.ok(['get', 'pods']), /steady +1\/1 +Running +0 /);
    // Ends with the container, if not before.
    await target.cluster.kubectl(['exec', 'ending', '--', 'sh', '-c', 'kill -TERM 1']);
    await target.cluster.until('the first line that does not fit', async () =>
      target.cluster.output().includes('the log of a container cannot be written'),
    );
    await target.alive();

    await rm(ballast);
    await target.cluster.until('a write', async () => (await put(`after-${Date.now()}`)).status === 201, 20_000);
    await target.cluster.ok(['wait', '--for=jsonpath={.status.phase}=Failed', 'pod/ending', '--timeout=30s']);
    await target.cluster.create(shellPod('fresh', `echo fresh; ${WAIT}`));
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/fresh', '--timeout=30s']);
    assert.equal(await target.cluster.ok(['logs', 'fresh']), 'fresh\n');
    const lines = async () => (await target.cluster.ok(['logs', 'steady'])).split('\n').length;
    const now = await lines();
    await target.cluster.until('more lines of the pod that ran all the while', async () => (await lines()) > now);
    assert.match(await target.cluster.ok(['get', 'pods']), /steady +1\/1 +Running +0 /);
    // Of the one whose log did not fit, lines are missing, and those that are there are whole.
    const said = (await target.cluster.ok(['logs', 'chatty'])).trimEnd().split('\n');
    for (const line of said) assert.match(line, /^\d+ 0{1000}$/);
    const numbers = said.map((line) => Number.parseInt(line, 10));
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((x, y) => x - y),
    );
    assert.ok((numbers.at(-1) ?? 0) > numbers.length, 'none is missing');

    assert.equal(await target.cluster.terminate(), 0);
    target = await start();
    assert.deepEqual((await listed()).sort(), [...acknowledged].sort());
    // How it ended is still known.
    const ending = await target.cluster.json<Pod>(['get', 'pod', 'ending']);
    assert.equal(ending.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 143);
  });

  it('can be stopped with its pods while it is full', { timeout: 120_000, skip }, async () => {
    await target.cluster.ok([
      'wait',
      '--for=condition=Ready',
      'pod/steady',
      'pod/chatty',
      'pod/fresh',
      '--timeout=30s',
    ]);
    await fillUp();
    assert.equal(await target.cluster.terminate(), 0);
    assert.deepEqual(await leftovers(directory), []);
    assert.doesNotMatch(target.cluster.output(), /a pod was not stopped/);
    await rm(ballast);
    target = await start();
  });

  it('survives being killed while it is full', { timeout: 120_000, skip }, async () => {
    const names = async () =>
      ((await target.admin.send(CONFIGMAPS)).json.items as { metadata: { name: string } }[]).map(
        (item) => item.metadata.name,
      );
    const container = async () => {
      await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/steady', '--timeout=30s']);
      return (await target.cluster.json<Pod>(['get', 'pod', 'steady'])).status?.containerStatuses?.[0]?.containerID;
    };
    const before = { names: await names(), container: await container() };
    await fillUp();
    assert.equal((await create('lost', 500_000)).status, 503);
    await target.alive();
    target.cluster.process.kill('SIGKILL');
    assert.equal(await target.cluster.terminate(), null);
    // It cannot start without any room, says why in a line, and changes nothing.
    const failed = await start().then(
      () => 'it started',
      (error: unknown) => String(error),
    );
    assert.match(failed, /^Error: causeway up ended with 1:\n/);
    assert.match(failed, /^causeway: .*(the disk is full|ENOSPC)/m);
    await rm(ballast);
    target = await start();
    assert.deepEqual((await names()).sort(), before.names.sort());
    assert.equal(await container(), before.container);
  });
});
