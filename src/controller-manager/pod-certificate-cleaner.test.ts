import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PodCertificateRequest } from '../api/generated/types.ts';
import { silentLog } from '../lib/log.ts';
import type { ControllerDependencies } from './controller.ts';
import { PodCertificateCleaner } from './pod-certificate-cleaner.ts';

const MADE = '2026-01-01T00:00:00Z';
const KEPT_MS = 15 * 60_000;

/** What is deleted of a request that was made `age` ago. */
async function deleted(age: number): Promise<unknown[]> {
  const request = {
    metadata: { name: 'r', namespace: 'ns', uid: 'u', creationTimestamp: MADE },
  } as PodCertificateRequest;
  const calls: unknown[] = [];
  const abort = new AbortController();
  const { promise: looked, resolve } = Promise.withResolvers<void>();
  let added: (request: PodCertificateRequest) => void = () => undefined;
  const cleaner = new PodCertificateCleaner({
    log: silentLog,
    clock: {
      now: () => {
        resolve();
        return Date.parse(MADE) + age;
      },
    },
    informers: {
      for: () => ({
        handle: (handlers: { added: typeof added }) => {
          added = handlers.added;
        },
        get: () => request,
      }),
    },
    client: {
      delete: async (_type: unknown, ...call: unknown[]) => {
        calls.push(call.slice(0, 3));
      },
    },
  } as unknown as ControllerDependencies);
  const running = cleaner.run(abort.signal);
  added(request);
  await looked;
  abort.abort();
  await running;
  return calls;
}

it('a request is deleted after 15 minutes, the one that was seen and no other of its name', async () => {
  assert.deepEqual(await deleted(KEPT_MS), [['ns', 'r', { preconditions: { uid: 'u' } }]]);
  assert.deepEqual(await deleted(KEPT_MS - 1), []);
});
