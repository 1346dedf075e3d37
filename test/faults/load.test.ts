import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ApiClient } from '../hostile/support/api-client.ts';
import { RawConnection } from '../hostile/support/raw-connection.ts';
import { startTarget, type Target } from '../hostile/support/target.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { Watcher } from './support/watcher.ts';

const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';

function residentMiB(of: Target): number {
  const status = readFileSync(`/proc/${of.cluster.process.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

describe('200 watches while everything changes', () => {
  let target: Target;
  before(async () => {
    target = await startTarget();
  });
  after(() => target?.close());

  /** Watches and streams that are under way. */
  async function longRunning(): Promise<number> {
    const { text } = await target.admin.send('/metrics');
    const open = /^apiserver_longrunning_requests(?:\{[^}]*\})? (\d+)$/m.exec(text)?.[1];
    assert.ok(open !== undefined, 'the metric is there');
    return Number(open);
  }

  it('are all told every change once, and go without a trace', { timeout: 90_000 }, async () => {
    const tls = target.tls(target.pki.issueClient({ user: 'watcher', groups: ['system:masters'] }));
    const listed = (await target.admin.send(CONFIGMAPS)).json as { metadata: { resourceVersion: string } };
    const watchers = Array.from({ length: 200 }, () => new Watcher(CONFIGMAPS, listed.metadata.resourceVersion));
    const others = await longRunning();
    const before = residentMiB(target);
    const ends = watchers.map((watcher) => watcher.connect(target.port, tls));
    const writers = Array.from({ length: 4 }, () => new ApiClient(target.port, tls));
    const changes = 50;
    await Promise.all(
      writers.map(async (client, w) => {
        for (let i = 0; i < changes; i++) {
          const name = `w${w}-${i}`;
          assert.equal(
            (await client.send(CONFIGMAPS, { body: { metadata: { name }, data: { a: 'x'.repeat(1_000) } } })).status,
            201,
          );
          const put = { method: 'PUT', body: { metadata: { name }, data: { a: 'y' } } };
          assert.equal((await client.send(`${CONFIGMAPS}/${name}`, put)).status, 200);
          assert.equal((await client.send(`${CONFIGMAPS}/${name}`, { method: 'DELETE' })).status, 200);
        }
      }),
    );
    const expected = writers.length * changes * 3;
    await target.cluster.until(
      'every watcher to have seen it all',
      async () => watchers.every((w) => w.events.length >= expected),
      60_000,
    );
    for (const { events } of watchers) {
      assert.equal(events.length, expected);
      const versions = events.map((e) => Number(e.object.metadata.resourceVersion));
      assert.ok(versions.every((v, i) => i === 0 || v > (versions[i - 1] ?? 0)));
    }
    assert.ok(residentMiB(target) - before < 200, `${(residentMiB(target) - before).toFixed(0)} MiB more`);
    assert.ok((await longRunning()) >= others + watchers.length);
    for (const watcher of watchers) watcher.stop();
    await Promise.all(ends);
    for (const client of writers) client.close();
    await target.cluster.until('the end of all watches', async () => (await longRunning()) <= others);
  });

  it('that do not read are ended, and hold up nobody', { timeout: 60_000 }, async () => {
    const tls = target.tls(target.pki.issueClient({ user: 'stuck', groups: ['system:masters'] }));
    const before = residentMiB(target);
    const stuck = await Promise.all(Array.from({ length: 20 }, () => RawConnection.tls(target.port, tls)));
    for (const one of stuck) {
      one.socket.pause();
      one.write(`GET ${CONFIGMAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n`);
    }
    let slowest = 0;
    for (let i = 0; i < 60; i++) {
      const began = Date.now();
      const answer = await target.admin.send(CONFIGMAPS, {
        body: { metadata: { name: `big-${i}` }, data: { a: 'x'.repeat(900_000) } },
      });
      assert.equal(answer.status, 201);
      slowest = Math.max(slowest, Date.now() - began);
    }
    assert.ok(slowest < 3_000, `a write took ${slowest} ms`);
    const grown = residentMiB(target) - before;
    assert.ok(grown < 700, `${grown.toFixed(0)} MiB more`);
    for (const one of stuck) one.destroy();
    await target.alive();
  });
});

describe('a process that has no file descriptors left', () => {
  const LIMIT = 400;
  let target: Target;
  before(async () => {
    const main = join(import.meta.dirname, '../../src/cli/main.ts');
    target = await startTarget({ command: ['sh', '-c', `ulimit -n ${LIMIT}; exec "$0" "$@"`, process.execPath, main] });
    await target.cluster.create(shellPod('steady', WAIT));
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/steady', '--timeout=20s']);
  });
  after(() => target?.close());

  it('refuses what is new, loses nothing, and goes on when there are some again', { timeout: 90_000 }, async () => {
    const tls = target.tls();
    const flood = async () => {
      const opened = await Promise.allSettled(
        Array.from({ length: LIMIT * 2 }, () =>
          Promise.race([
            RawConnection.tcp(target.port),
            new Promise<never>((_, reject) => setTimeout(() => reject(new Error('late')), 3_000).unref()),
          ]),
        ),
      );
      return opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    };
    const held = await flood();
    await new Promise((resolve) => setTimeout(resolve, 500));
    // Who is connected is served, what needs a descriptor says that there is none, and nothing ends by it.
    const asked = await target.admin.send('/api/v1/namespaces/default/pods', { body: shellPod('squeezed', WAIT) });
    assert.equal(asked.status, 201, asked.text);
    await target.cluster.until('the reason', async () => {
      const { items } = (await target.admin.send('/api/v1/namespaces/default/events')).json as {
        items: { message: string }[];
      };
      return items.some(({ message }) => /EMFILE|too many open files/.test(message));
    });
    assert.equal(target.cluster.process.exitCode, null);
    for (const one of held) one.destroy();

    await target.cluster.until('an answer', async () => {
      const client = new ApiClient(target.port, {
        ...tls,
        ...target.tls(target.pki.issueClient({ user: 'late', groups: ['system:masters'] })),
      });
      const answer = await client.send('/readyz').catch(() => undefined);
      client.close();
      return answer?.status === 200;
    });
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/squeezed', '--timeout=40s']);
    await target.cluster.create(shellPod('afterwards', `echo well; ${WAIT}`));
    await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/afterwards', '--timeout=30s']);
    assert.equal(await target.cluster.ok(['logs', 'afterwards']), 'well\n');
    assert.equal(await target.cluster.ok(['exec', 'steady', '--', 'echo', 'still']), 'still\n');
    assert.match(await target.cluster.ok(['get', 'pod', 'steady']), / Running +0 /);
    assert.match(await target.cluster.ok(['get', 'nodes']), / Ready /);
  });
});
