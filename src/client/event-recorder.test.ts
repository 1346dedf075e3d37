import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { Event } from '../api/generated/types.ts';
import { startTestApiserver, type TestApiserver } from '../apiserver/testing/test-apiserver.ts';
import { silentLog } from '../lib/log.ts';
import { EventRecorder } from './event-recorder.ts';
import { PODS } from './resources.ts';
import { type RestClient, resource } from './rest-client.ts';
import { restClient } from './testing/test-client.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
let api: TestApiserver;
let client: RestClient;
let now = 0;
const clock = { now: () => now };
const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'default', uid: 'u1' } };

before(async () => {
  api = await startTestApiserver();
  client = restClient(api);
});

beforeEach(async () => {
  now = Date.parse('2026-11-24T08:00:00Z');
  await client.deleteCollection(EVENTS, { namespace: 'default' });
});

after(async () => {
  client.close();
  await api.close();
});

function recorder(host = ''): EventRecorder {
  return new EventRecorder(client, 'tester', host, clock, silentLog);
}

async function events(namespace = 'default'): Promise<readonly Event[]> {
  const { items } = await client.list(EVENTS, { namespace });
  return items.toSorted((a, b) => ((a.message ?? '') < (b.message ?? '') ? -1 : 1));
}

test('an event has what kubectl shows of it', async () => {
  const events_ = recorder('n1');
  events_.record(pod, 'Warning', 'BackOff', 'restarting', 'spec.containers{main}');
  await events_.flush();
  const [event, ...others] = await events();
  assert.deepEqual(others, []);
  const { metadata, ...content } = event!;
  assert.match(metadata.name ?? '', /^web\.[0-9a-f]+$/);
  assert.deepEqual(content, {
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: {
      apiVersion: 'v1',
      kind: 'Pod',
      namespace: 'default',
      name: 'web',
      uid: 'u1',
      fieldPath: 'spec.containers{main}',
    },
    reason: 'BackOff',
    message: 'restarting',
    type: 'Warning',
    source: { component: 'tester', host: 'n1' },
    reportingComponent: 'tester',
    reportingInstance: 'n1',
    firstTimestamp: '2026-11-24T08:00:00Z',
    lastTimestamp: '2026-11-24T08:00:00Z',
    count: 1,
  });
});

test('the same event again is counted, one after ten minutes is a new one', async () => {
  const events_ = recorder();
  for (let i = 0; i < 3; i++) {
    events_.record(pod, 'Normal', 'Pulled', 'm');
    await events_.flush();
    now += 60_000;
  }
  let [event, ...others] = await events();
  assert.equal(others.length, 0);
  assert.equal(event?.count, 3);
  assert.equal(event?.firstTimestamp, '2026-11-24T08:00:00Z');
  assert.equal(event?.lastTimestamp, '2026-11-24T08:02:00Z');
  now += 10 * 60_000;
  events_.record(pod, 'Normal', 'Pulled', 'm');
  await events_.flush();
  [event, ...others] = await events();
  assert.deepEqual([event, ...others].map((e) => e?.count).toSorted(), [1, 3]);
});

test('a storm of one event is few writes with the whole count', async () => {
  const events_ = recorder();
  const before = api.auditLines.length;
  for (let i = 0; i < 20; i++) events_.record(pod, 'Normal', 'Pulled', 'm');
  await events_.flush();
  assert.equal((await events())[0]?.count, 20);
  const writes = api.auditLines.slice(before).filter((line) => /"verb":"(create|patch)"/.test(line));
  assert.ok(writes.length <= 4, `${writes.length} audit lines`);
});

test('an event that was deleted meanwhile is written anew', async () => {
  const events_ = recorder();
  events_.record(pod, 'Normal', 'Pulled', 'm');
  await events_.flush();
  await client.deleteCollection(EVENTS, { namespace: 'default' });
  events_.record(pod, 'Normal', 'Pulled', 'm');
  await events_.flush();
  assert.equal((await events())[0]?.count, 2);
});

test('events that differ only in their message are combined from the eleventh on', async () => {
  const events_ = recorder();
  for (let i = 10; i < 23; i++) {
    events_.record(pod, 'Warning', 'Failed', `attempt ${i}`);
    await events_.flush();
  }
  const all = await events();
  assert.equal(all.length, 11);
  assert.equal(all[0]?.message, '(combined from similar events): attempt 22');
  assert.equal(all[0]?.count, 3);
  assert.equal(all[1]?.message, 'attempt 10');
});

test('an object gets 25 events at once, then one in five minutes; other objects and sources are not hindered', async () => {
  const events_ = recorder();
  const count = async (): Promise<number> => {
    await events_.flush();
    return (await events()).reduce((sum, e) => sum + (e.count ?? 0), 0);
  };
  for (let i = 0; i < 40; i++) events_.record(pod, 'Normal', `R${i % 5}`, 'm');
  assert.equal(await count(), 25);
  events_.as('another').record(pod, 'Normal', 'R', 'm');
  events_.record({ ...pod, metadata: { ...pod.metadata, name: 'db', uid: 'u2' } }, 'Normal', 'R', 'm');
  assert.equal(await count(), 27);
  now += 299_999;
  events_.record(pod, 'Normal', 'R0', 'm');
  assert.equal(await count(), 27);
  now += 1;
  for (let i = 0; i < 3; i++) events_.record(pod, 'Normal', 'R0', 'm');
  assert.equal(await count(), 28);
});

test('another name of the same recorder, objects without a namespace, and names that no event may have', async () => {
  const events_ = recorder();
  events_.as('node-controller').record({ kind: 'Node', metadata: { name: 'n1', uid: 'n1' } }, 'Normal', 'A', 'a');
  const role = { kind: 'ClusterRole', metadata: { name: 'system:x', uid: 'r' } };
  events_.record(role, 'Normal', 'B', 'b'.repeat(2000));
  events_.record({ kind: 'ConfigMap', metadata: { name: 'c'.repeat(250), namespace: 'default' } }, 'Normal', 'C', 'c');
  await events_.flush();
  const [node, byName, byLength] = await events();
  assert.equal(node?.source?.component, 'node-controller');
  assert.match(node?.metadata.name ?? '', /^n1\./);
  assert.equal(byName?.message?.length, 1024);
  assert.match(byName?.metadata.name ?? '', /^event\./);
  assert.equal(byLength?.involvedObject.name?.length, 250);
});

test('an event that cannot be written is lost in silence; flush still ends', async () => {
  const lines: string[] = [];
  const nobody = restClient(api, 'nobody');
  const log = { ...silentLog, debug: (message: string) => void lines.push(message) };
  const events_ = new EventRecorder(nobody, 'tester', '', clock, log);
  events_.record(pod, 'Normal', 'Pulled', 'm');
  await events_.flush();
  assert.deepEqual(lines, ['an event was not written']);
  nobody.close();
});

test('more than can wait are dropped, and the first are not', async () => {
  const events_ = recorder();
  for (let i = 0; i < 1500; i++) {
    const metadata = { name: `p${i}`, namespace: 'default', uid: `p${i}` };
    events_.record({ apiVersion: 'v1', kind: 'Pod', metadata }, 'Normal', 'R', `m${i}`);
  }
  await events_.flush();
  const all = await events();
  assert.ok(all.length >= 1000 && all.length < 1100, `${all.length} events`);
  assert.ok(all.some((e) => e.message === 'm0'));
});

test('events in a namespace that the recorder cannot write to hinder no other', async () => {
  const events_ = recorder();
  events_.record({ kind: 'Pod', metadata: { name: 'x', namespace: 'missing', uid: 'x' } }, 'Normal', 'R', 'm');
  events_.record(pod, 'Normal', 'R', 'm');
  await events_.flush();
  assert.ok((await events()).some((e) => e.involvedObject.name === 'web'));
  assert.equal((await client.list(PODS, { namespace: 'default' })).items.length, 0);
});
