import assert from 'node:assert/strict';
import { afterEach, beforeEach, it } from 'node:test';
import type { Pod, PodStatus } from '../../api/generated/types.ts';
import type { RestClient } from '../../client/rest-client.ts';
import { CausewayError } from '../../lib/errors.ts';
import { silentLog } from '../../lib/log.ts';
import { pod, until } from '../testing/worker-fixture.ts';
import { MirrorPods } from './mirror-pods.ts';

const HASH = 'kubernetes.io/config.hash';
const MIRROR = 'kubernetes.io/config.mirror';

/** An apiserver with one pod at most, which the informer shows at once. */
let stored: Pod | undefined;
let phases: string[];
let calls: string[];
let away: boolean;
let abort: AbortController;
let mirrors: MirrorPods;
let synced: boolean;
let uids: number;

const notFound = (): never => {
  throw new CausewayError('NotFound', 'gone');
};

beforeEach(() => {
  stored = undefined;
  phases = [];
  calls = [];
  away = false;
  synced = true;
  uids = 0;
  abort = new AbortController();
  const client = {
    create: async (_type: unknown, object: Pod) => {
      calls.push('create');
      if (away) throw new CausewayError('ServiceUnavailable', 'away');
      if (stored !== undefined) throw new CausewayError('AlreadyExists', 'there');
      stored = { ...object, metadata: { ...object.metadata, uid: `m${++uids}`, resourceVersion: String(uids) } };
      return stored;
    },
    patch: async (_type: unknown, _where: unknown, _kind: unknown, body: { status: PodStatus; metadata: object }) => {
      if ((body.metadata as { uid: string }).uid !== stored?.metadata.uid) notFound();
      phases.push(`${stored?.metadata.uid} ${body.status.phase}`);
    },
    delete: async () => {
      calls.push('delete');
      stored = undefined;
    },
  } as unknown as RestClient;
  mirrors = new MirrorPods({
    client,
    nodeName: 'n1',
    nodeUid: () => 'node-uid',
    informer: () => ({
      get: () => stored,
      list: () => (stored === undefined ? [] : [stored]),
      get isSynced() {
        return synced;
      },
      hasSeen: () => true,
    }),
    log: silentLog,
    signal: abort.signal,
  });
});
afterEach(() => abort.abort());

const signal = new AbortController().signal;
const web = (hash: string): Pod =>
  pod({ nodeName: 'n1' }, { name: 'web-n1', uid: hash, annotations: { [HASH]: hash } });
const hashOfStored = (): string | undefined => stored?.metadata.annotations?.[MIRROR];

it('is made with the hash and the Node as its owner, and gets the status', async () => {
  const record = mirrors.recordOf(web('h1'));
  await record.write({ phase: 'Running' }, signal);
  await until('the status', () => phases.length === 1);
  assert.deepEqual(stored?.metadata.ownerReferences, [
    { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'node-uid', controller: true },
  ]);
  assert.deepEqual([hashOfStored(), phases], ['h1', ['m1 Running']]);
});

it('is made again, with its status, when somebody deletes it', async () => {
  const record = mirrors.recordOf(web('h1'));
  await record.write({ phase: 'Running' }, signal);
  await until('the status', () => phases.length === 1);
  const before = stored!;
  // As kubectl does it: with time to end.
  stored = { ...before, metadata: { ...before.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  mirrors.noticed(stored);
  await until('its end', () => stored === undefined);
  mirrors.noticed(before);
  await until('the status of the new one', () => phases.length === 2);
  assert.deepEqual(phases, ['m1 Running', 'm2 Running']);
});

it('takes the place of one of another content, another Node, or nobody', async () => {
  for (const change of [
    { annotations: { [MIRROR]: 'other' } },
    { annotations: { [MIRROR]: 'h1' }, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'old' }] },
  ]) {
    const old = pod({}, { name: 'web-n1', uid: 'old', ...change });
    stored = old;
    mirrors.recordOf(web('h1'));
    await until('the end of the old one', () => stored === undefined);
    mirrors.noticed(old);
    await until('the new one', () => hashOfStored() === 'h1' && stored?.metadata.uid !== 'old');
  }
  const orphan = pod({}, { name: 'gone-n1', uid: 'old', annotations: { [MIRROR]: 'x' } });
  stored = orphan;
  mirrors.look();
  await until('the end of the orphan', () => stored?.metadata.uid !== 'old');
});

it('leaves a pod that is no mirror alone', async () => {
  const other = pod({}, { name: 'web-n1', uid: 'somebody' });
  stored = other;
  mirrors.recordOf(web('h1'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual([stored, calls], [other, []]);
});

it('goes with the static pod, but not with one that a new one of its name has followed', async () => {
  const first = mirrors.recordOf(web('h1'));
  await until('the mirror', () => hashOfStored() === 'h1');
  mirrors.recordOf(web('h2'));
  await until('the end of the first', () => stored === undefined);
  mirrors.noticed(web('h1'));
  await until('the second', () => hashOfStored() === 'h2');
  await first.remove(signal);
  await mirrors.flush();
  assert.equal(hashOfStored(), 'h2');
});

it('waits for the API, and holds nothing up meanwhile', async () => {
  away = true;
  synced = false;
  const record = mirrors.recordOf(web('h1'));
  assert.equal(await record.write({ phase: 'Running' }, signal), 'stored');
  assert.deepEqual(calls, [], 'what is there cannot be known yet');
  synced = true;
  mirrors.look();
  await until('an attempt', () => calls.length > 0);
  away = false;
  await until('the status', () => phases.length === 1);
});
