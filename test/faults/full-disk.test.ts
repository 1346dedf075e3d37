import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { refusal } from '../hostile/support/api-client.ts';
import { startTarget, type Target } from '../hostile/support/target.ts';
import { shellPod, WAIT } from '../support/pods.ts';

/** The file system of the data directory is full: clear errors, nothing acknowledged is lost, and all is well when there is room again. */

const root = process.getuid?.() === 0;
/** Below 100 MiB a node is under pressure from the start. */
const SIZE_MIB = 192;
const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';

const skip = !root && 'a small file system can be mounted by root only';

describe('a full disk', () => {
  let mountPoint: string;
  let directory: string;
  let target: Target;

  before(async () => {
    if (!root) return;
    // Not in the temporary folder: every process with mounts of its own that begins now has a copy of this one, whosever it is, and the
    // runner of the tests takes whoever has the folder mounted for ours.
    mountPoint = await mkdtemp('/run/causeway-full-');
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MIB}m,mode=700`, 'causeway-full', mountPoint]);
    directory = join(mountPoint, 'data');
    target = await startTarget({ dataDirectory: directory });
    await target.cluster.create(shellPod('steady', `while :; do echo line; sleep 0.2; done`));
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/steady', '--timeout=20s']);
  });
  after(async () => {
    await target?.close();
    if (mountPoint === undefined) return;
    execFileSync('umount', [mountPoint]);
    await rm(mountPoint, { recursive: true, force: true });
  });

  /** Takes all room that is left. */
  function fill(): string {
    const path = join(mountPoint, 'ballast');
    const file = openSync(path, 'w');
    try {
      for (const size of [1 << 20, 4096, 1]) {
        const chunk = Buffer.alloc(size);
        for (;;) {
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
    return path;
  }

  it('is said clearly, loses nothing that was acknowledged, and is over when there is room', {
    timeout: 120_000,
    skip,
  }, async () => {
    const acknowledged: string[] = [];
    const create = async (name: string, size = 20_000) => {
      const answer = await target.admin.send(CONFIGMAPS, {
        body: { metadata: { name }, data: { a: 'x'.repeat(size) } },
      });
      if (answer.status === 201) acknowledged.push(name);
      return answer;
    };
    for (let i = 0; i < 20; i++) assert.equal((await create(`before-${i}`)).status, 201);

    const ballast = fill();
    let refused = 0;
    for (let i = 0; i < 200 && refused < 10; i++) {
      const answer = await create(`during-${i}`, 100_000);
      if (answer.status === 201) continue;
      refused++;
      const { code, reason, message } = refusal(answer);
      assert.deepEqual(
        [code, reason, message],
        [503, 'ServiceUnavailable', 'storage: the disk is full, nothing was written'],
      );
      assert.equal(answer.headers['retry-after'], '5');
    }
    assert.ok(refused >= 10, 'the disk was not full');
    // It goes on serving what it has.
    assert.equal((await target.admin.send(`${CONFIGMAPS}/before-3`)).status, 200);
    const listed = async () =>
      ((await target.admin.send(CONFIGMAPS)).json.items as { metadata: { name: string } }[])
        .map((item) => item.metadata.name)
        .filter((name) => name !== 'kube-root-ca.crt');
    assert.deepEqual((await listed()).sort(), [...acknowledged].sort());
    assert.match(await target.cluster.ok(['get', 'pods']), /steady +1\/1 +Running +0 /);
    assert.match(target.cluster.output(), /no space|full|ENOSPC/i, 'and the operator is told too');

    await rm(ballast);
    await target.cluster.until('a write', async () => (await create(`after-${Date.now()}`)).status === 201, 20_000);
    await target.cluster.create(shellPod('fresh', `echo fresh; ${WAIT}`));
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/fresh', '--timeout=30s']);
    assert.equal(await target.cluster.ok(['logs', 'fresh']), 'fresh\n');
    const lines = async () => (await target.cluster.ok(['logs', 'steady'])).split('\n').length;
    const now = await lines();
    await target.cluster.until('more lines of the pod that ran all the while', async () => (await lines()) > now);
    assert.match(await target.cluster.ok(['get', 'pods']), /steady +1\/1 +Running +0 /);

    await target.cluster.terminate();
    target = await startTarget({ dataDirectory: directory });
    assert.deepEqual((await listed()).sort(), [...acknowledged].sort());
  });

  it('survives being killed while it is full', { timeout: 120_000, skip }, async () => {
    const names = async () =>
      ((await target.admin.send(CONFIGMAPS)).json.items as { metadata: { name: string } }[]).map(
        (item) => item.metadata.name,
      );
    const before = await names();
    const ballast = fill();
    await target.admin.send(CONFIGMAPS, { body: { metadata: { name: 'lost' }, data: { a: 'x'.repeat(500_000) } } });
    target.cluster.process.kill('SIGKILL');
    await target.cluster.terminate();
    // It cannot start without any room, says why in a line, and changes nothing.
    const failed = await startTarget({ dataDirectory: directory }).then(
      () => 'it started',
      (error: unknown) => String(error),
    );
    assert.match(failed, /^Error: causeway up ended with 1:\n/);
    assert.match(failed, /^causeway: .*(the disk is full|ENOSPC)/m);
    await rm(ballast);
    target = await startTarget({ dataDirectory: directory });
    assert.deepEqual((await names()).filter((name) => name !== 'lost').sort(), before.sort());
  });
});
