import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import type { Pod } from '../../src/api/generated/types.ts';
import { ApiClient } from '../hostile/support/api-client.ts';
import { startTarget, type Target } from '../hostile/support/target.ts';
import { shellPod } from '../support/pods.ts';
import { Watcher } from './support/watcher.ts';

/** kill -9 at any moment, while everybody writes: nothing that was acknowledged is lost, nobody's pod notices, a watcher sees each change once. */

const ROUNDS = process.env['CAUSEWAY_SOAK'] === undefined ? 5 : 60;
const WRITERS = 8;
const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';

let directory: string;
let target: Target;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-kill-'));
  target = await startTarget({ dataDirectory: directory });
});
after(async () => {
  await target?.close();
  await rm(directory, { recursive: true, force: true });
});

async function killed(of: Target): Promise<void> {
  of.cluster.process.kill('SIGKILL');
  await of.cluster.terminate();
}

function adminTls(of: Target): ConnectionOptions {
  return of.tls(of.pki.issueClient({ user: 'writer', groups: ['system:masters'] }));
}

/** Creates, changes and deletes without pause until the server is gone; notes what was acknowledged last of each object. */
async function write(
  client: ApiClient,
  prefix: string,
  acknowledged: Map<string, string | undefined>,
  over: () => boolean,
): Promise<void> {
  for (let i = 0; !over(); i++) {
    const name = `${prefix}-${i}`;
    try {
      const created = await client.send(CONFIGMAPS, { body: { metadata: { name }, data: { step: 'created' } } });
      if (created.status !== 201) throw new Error(created.text);
      acknowledged.set(name, 'created');
      if (i % 3 === 0) {
        const changed = await client.send(`${CONFIGMAPS}/${name}`, {
          method: 'PUT',
          body: { metadata: { name }, data: { step: 'changed' } },
        });
        if (changed.status === 200) acknowledged.set(name, 'changed');
      }
      if (i % 7 === 0) {
        // What was asked and not answered may have happened or not.
        acknowledged.delete(name);
        const deleted = await client.send(`${CONFIGMAPS}/${name}`, { method: 'DELETE' });
        if (deleted.status === 200) acknowledged.set(name, undefined);
      }
    } catch {
      if (!over()) throw new Error(`a write failed while the server lived: ${name}`);
    }
  }
}

describe('kill -9', () => {
  it(`in ${ROUNDS} rounds, at any moment`, { timeout: ROUNDS * 20_000 + 60_000 }, async () => {
    const counting = shellPod('counter', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done');
    await target.cluster.create(counting);
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/counter', '--timeout=20s']);
    const before = await target.cluster.json<Pod>(['get', 'pod', 'counter']);
    const containerId = before.status?.containerStatuses?.[0]?.containerID;
    assert.ok(containerId);

    const listed = (await target.admin.send(CONFIGMAPS)).json as { metadata: { resourceVersion: string } };
    const watcher = new Watcher(CONFIGMAPS, listed.metadata.resourceVersion);
    const acknowledged = new Map<string, string | undefined>();
    let total = 0;

    for (let round = 0; round < ROUNDS; round++) {
      const watching = watcher.connect(target.port, adminTls(target));
      const clients = Array.from({ length: WRITERS }, () => new ApiClient(target.port, adminTls(target)));
      let over = false;
      const writing = clients.map((client, i) => write(client, `r${round}w${i}`, acknowledged, () => over));
      const byKubectl = target.cluster.kubectl([
        'create',
        'configmap',
        `kubectl-${round}`,
        `--from-literal=step=created`,
      ]);
      if ((await byKubectl).code === 0) acknowledged.set(`kubectl-${round}`, 'created');
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 500));
      over = true;
      await killed(target);
      await Promise.all(writing);
      await watching;
      for (const client of clients) client.close();

      if (round % 2 === 1) await killedWhileStarting(directory);
      target = await startTarget({ dataDirectory: directory });

      const items = (await target.admin.send(CONFIGMAPS)).json.items as {
        metadata: { name: string };
        data?: { step?: string };
      }[];
      const stored = new Map(items.map((item) => [item.metadata.name, item.data?.step]));
      for (const [name, step] of acknowledged) {
        assert.ok(
          step === undefined ? !stored.has(name) : stored.has(name),
          `${name}, acknowledged as ${step ?? 'deleted'}, is ${stored.get(name) ?? 'not there'}`,
        );
        // An update that was not answered may have been made all the same.
        if (step === 'changed') assert.equal(stored.get(name), 'changed', name);
      }
      total = acknowledged.size;

      const pod = await target.cluster.json<Pod>(['get', 'pod', 'counter']);
      const [status] = pod.status?.containerStatuses ?? [];
      assert.deepEqual(
        [status?.containerID, status?.restartCount, pod.status?.phase],
        [containerId, 0, 'Running'],
        `round ${round}`,
      );
    }
    assert.ok(total > ROUNDS * 20, `only ${total} objects were written`);

    // The pod ran on, and what it said while nobody listened is there.
    const log = (await target.cluster.ok(['logs', 'counter'])).trim().split('\n').map(Number);
    assert.ok(log.length > ROUNDS * 10);
    assert.deepEqual(
      log,
      log.map((_, i) => i + 1),
      'lines of the log are missing, double or mixed up',
    );

    // The watcher comes to the present state, and was told each change once, in order.
    const watching = watcher.connect(target.port, adminTls(target));
    await target.admin.send(CONFIGMAPS, { body: { metadata: { name: 'last' } } });
    await target.cluster.until('the last event', async () =>
      watcher.events.some((e) => e.object.metadata.name === 'last'),
    );
    watcher.stop();
    await watching;
    assert.deepEqual(
      watcher.events.filter((e) => e.type === 'ERROR'),
      [],
    );
    const versions = watcher.events.map((e) => Number(e.object.metadata.resourceVersion));
    assert.deepEqual(
      versions,
      [...versions].sort((a, b) => a - b),
      'out of order',
    );
    assert.equal(new Set(versions).size, versions.length, 'told twice');
    const state = new Map<string, string>();
    for (const { type, object } of watcher.events) {
      const { name } = object.metadata;
      assert.equal(
        state.has(name),
        type !== 'ADDED',
        `${type} of ${name}, which ${state.has(name) ? 'is' : 'is not'} there`,
      );
      if (type === 'DELETED') state.delete(name);
      else state.set(name, object.metadata.resourceVersion);
    }
    const items = (await target.admin.send(CONFIGMAPS)).json.items as {
      metadata: { name: string; resourceVersion: string };
    }[];
    const present = items.filter((item) => item.metadata.name !== 'kube-root-ca.crt');
    assert.deepEqual(
      [...state].sort(),
      present.map((item) => [item.metadata.name, item.metadata.resourceVersion]).sort(),
    );
  });

  it('after a pod was acknowledged still has it run', { timeout: 60_000 }, async () => {
    const names = Array.from({ length: 5 }, (_, i) => `late-${i}`);
    await target.cluster.create(
      ...names.map((name) => shellPod(name, 'echo ran', { spec: { restartPolicy: 'Never' } })),
    );
    await killed(target);
    target = await startTarget({ dataDirectory: directory });
    for (const name of names) {
      await target.cluster.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', `pod/${name}`, '--timeout=20s']);
      assert.equal(await target.cluster.ok(['logs', name]), 'ran\n');
    }
  });

  it('while a pod is being deleted leaves nothing of it', { timeout: 60_000 }, async () => {
    const mark = `sleep 987${process.pid % 1000}`;
    await target.cluster.create(
      shellPod('going', `trap '' TERM; ${mark} & while :; do wait; done`, {
        spec: { terminationGracePeriodSeconds: 3 },
      }),
    );
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/going', '--timeout=20s']);
    await target.cluster.ok(['delete', 'pod', 'going', '--wait=false']);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await killed(target);
    target = await startTarget({ dataDirectory: directory });
    await target.cluster.ok(['wait', '--for=delete', 'pod/going', '--timeout=20s']);
    const pods = (await target.cluster.ok(['get', 'pods', '-o', 'name'])).split('\n');
    assert.ok(!pods.includes('pod/going'));
  });
});

/** Starts it and kills it before it is ready. */
async function killedWhileStarting(dataDirectory: string): Promise<void> {
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const child = spawn(process.execPath, [main, 'up', '--data-dir', dataDirectory, '--secure-port', '0'], {
    stdio: 'ignore',
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 400));
  child.kill('SIGKILL');
  await exited;
}
