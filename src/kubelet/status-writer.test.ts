import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Pod, PodStatus } from '../api/generated/types.ts';
import type { RestClient } from '../client/rest-client.ts';
import { CausewayError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { apiPodRecord } from './pod-record.ts';
import { StatusWriter } from './status-writer.ts';

const pod: Pod = { metadata: { name: 'p', namespace: 'default', uid: 'u1' } };

function writer(
  patch: (status: PodStatus) => Promise<void>,
  stored: () => Promise<Pod>,
  signal = new AbortController().signal,
): StatusWriter {
  const client = {
    patch: (_type: unknown, _where: unknown, _kind: unknown, body: { status: PodStatus }) => patch(body.status),
    get: stored,
  } as unknown as RestClient;
  return new StatusWriter(apiPodRecord(client, pod), 'p', silentLog, signal);
}

it('writes the newest status only, and once', async () => {
  const phases: (string | undefined)[] = [];
  const first = Promise.withResolvers<void>();
  const statuses = writer(
    async ({ phase }) => {
      phases.push(phase);
      await first.promise;
    },
    () => Promise.resolve(pod),
  );
  for (const phase of ['Pending', 'Running', 'Succeeded'] as const) statuses.report({ phase });
  first.resolve();
  await statuses.flush();
  statuses.report({ phase: 'Succeeded' });
  await statuses.flush();
  assert.deepEqual(phases, ['Pending', 'Succeeded']);
});

it('tries again after a conflict, unless another pod has the name now', async () => {
  for (const [uid, expected] of [
    ['u1', 2],
    ['u2', 1],
  ] as const) {
    let times = 0;
    const statuses = writer(
      async () => {
        if (++times === 1) throw new CausewayError('Conflict', 'somebody else was first');
      },
      () => Promise.resolve({ metadata: { ...pod.metadata, uid } }),
    );
    statuses.report({ phase: 'Running' });
    await statuses.flush();
    assert.equal(times, expected, uid);
  }
});

it('gives up when the pod is gone, and when it is told to', async () => {
  let times = 0;
  const gone = writer(
    async () => {
      times++;
      throw new CausewayError('NotFound', 'gone');
    },
    () => Promise.resolve(pod),
  );
  gone.report({ phase: 'Running' });
  await gone.flush();
  assert.equal(times, 1);
  const abort = new AbortController();
  const away = writer(
    () => Promise.reject(new CausewayError('ServiceUnavailable', 'away')),
    () => Promise.resolve(pod),
    abort.signal,
  );
  away.report({ phase: 'Running' });
  setTimeout(() => abort.abort(), 20);
  await away.flush();
});
