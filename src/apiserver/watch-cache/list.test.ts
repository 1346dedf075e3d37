import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CausewayError, isCode } from '../../lib/errors.ts';
import { ContinueExpiredError } from './expired.ts';
import { FRESH_MS } from './limits.ts';
import { Progress } from './progress.ts';
import { type Harness, items, startHarness } from './testing/harness.ts';
import type { CachedList, CachedObject, ListRequest, WatchCache } from './watch-cache.ts';

describe('watch cache reads', () => {
  let h: Harness;
  before(async () => {
    h = await startHarness();
  });
  after(() => h.close());

  it('see each write that was acknowledged before them', async () => {
    for (let i = 0; i < 100; i++) {
      const revision = await h.put('fresh/counter', { i: String(i) });
      const found = await h.pods.get('fresh', 'counter');
      assert.equal(found?.resourceVersion, revision);
      assert.equal(found.object().metadata.labels?.['i'], String(i));
      assert.deepEqual(items(await h.pods.list({ namespace: 'fresh' })), [`fresh/counter@${revision}`]);
    }
    await h.remove('fresh/counter');
    assert.equal(await h.pods.get('fresh', 'counter'), undefined);
    assert.deepEqual(items(await h.pods.list({ namespace: 'fresh' })), []);
  });

  it('give the bytes that were stored, and objects that are parsed once', async () => {
    await h.put('bytes/a', { x: 'y' });
    const found = (await h.pods.get('bytes', 'a')) as CachedObject;
    const stored = await h.store.get('/registry/pods/bytes/a');
    assert.deepEqual(found.bytes, Buffer.from(stored?.value ?? []));
    assert.equal(found.object(), found.object());
    assert.notEqual(found.copy(), found.object());
    assert.deepEqual(found.copy(), found.object());
    assert.deepEqual([found.key, found.namespace, found.name], ['/registry/pods/bytes/a', 'bytes', 'a']);
  });

  it('never reach into another namespace', async () => {
    await h.put('kube-system/secret');
    assert.equal(await h.pods.get('', 'kube-system/secret'), undefined);
    assert.equal(await h.pods.get('kube-system/secret', ''), undefined);
    assert.equal(await h.pods.get('kube', 'system/secret'), undefined);
    assert.deepEqual(items(await h.pods.list({ namespace: 'kube' })), []);
    assert.deepEqual(items(await h.pods.list({ namespace: 'kube-system', name: 'nothing' })), []);
    const { items: found } = await h.pods.list({ namespace: 'kube-system', name: 'secret' });
    assert.equal(found.length, 1);
  });

  it('keep resources apart whose names begin alike', async () => {
    const write = (key: string): Promise<unknown> =>
      h.store.txn([{ type: 'put', key, expected: undefined, encode: () => Buffer.from('{"metadata":{}}') }]);
    const apps = h.caches.of({ group: 'apps', plural: 'deployments', apiVersion: 'apps/v1', kind: 'Deployment' });
    const templates = h.caches.of({ group: '', plural: 'podtemplates', apiVersion: 'v1', kind: 'PodTemplate' });
    await apps.list({});
    await write('/registry/apps/deployments/x/web');
    await write('/registry/podtemplates/x/web');
    await write('/registry/nothing');
    assert.deepEqual(items(await apps.list({})).length, 1);
    assert.deepEqual(items(await templates.list({})).length, 1);
    assert.equal((await h.pods.get('x', 'web')) ?? undefined, undefined);
    assert.equal(
      h.caches.of({ group: 'apps', plural: 'deployments', apiVersion: 'apps/v1', kind: 'Deployment' }),
      apps,
    );
  });
});

describe('watch cache lists', () => {
  let h: Harness;
  before(async () => {
    h = await startHarness();
    for (const namespace of ['a', 'b', 'b-c']) {
      for (let i = 1; i <= 5; i++) await h.put(`${namespace}/p${i}`, { odd: String(i % 2) });
    }
  });
  after(() => h.close());

  const odd = (object: CachedObject): boolean => object.object().metadata.labels?.['odd'] === '1';

  /** All pages of a list: their sizes, items, the revisions they say, and what they say is left. */
  const pages = async (
    cache: WatchCache,
    request: ListRequest,
    between: () => Promise<unknown> = async () => undefined,
  ): Promise<{ items: string[]; sizes: number[]; revisions: Set<string>; remaining: (number | undefined)[] }> => {
    const all = {
      items: [] as string[],
      sizes: [] as number[],
      revisions: new Set<string>(),
      remaining: [] as (number | undefined)[],
    };
    let page: CachedList | undefined;
    do {
      const next: ListRequest =
        page === undefined
          ? request
          : { ...request, resourceVersion: undefined, resourceVersionMatch: undefined, continue: page.continue };
      page = await cache.list(next);
      all.items.push(...items(page));
      all.sizes.push(page.items.length);
      all.revisions.add(page.resourceVersion);
      all.remaining.push(page.remainingItemCount);
      await between();
    } while (page.continue !== undefined);
    return all;
  };

  it('select by namespace, name, labels, and all of them', async () => {
    const names = async (request: ListRequest): Promise<string> =>
      (await h.pods.list(request)).items.map((item) => `${item.namespace}/${item.name}`).join(' ');
    assert.equal(await names({ namespace: 'b' }), 'b/p1 b/p2 b/p3 b/p4 b/p5');
    assert.equal(await names({ namespace: 'b', matches: odd }), 'b/p1 b/p3 b/p5');
    assert.equal(
      await names({ name: 'p3' }),
      'a/p3 b/p3 b-c/p3'
        .split(' ')
        .sort((x, y) => (x < y ? -1 : 1))
        .join(' '),
    );
    assert.equal(await names({ name: 'p2', matches: odd }), '');
    assert.equal((await h.pods.list({})).items.length, 15);
    assert.equal((await h.pods.list({})).resourceVersion, String(h.store.revision()));
  });

  it('page over one state while everything changes', async () => {
    const request = { limit: 4 };
    const before = items(await h.pods.list({}));
    const revision = String(h.store.revision());
    let change = 0;
    const seen = await pages(h.pods, request, async () => {
      change += 1;
      await h.put(`a/new${change}`);
      await h.put('b/p3', { change: String(change) });
      await h.remove(`b-c/p${change}`);
    });
    assert.deepEqual(seen.items, before);
    assert.deepEqual(seen.sizes, [4, 4, 4, 3]);
    assert.deepEqual([...seen.revisions], [revision]);
    assert.deepEqual(seen.remaining, [11, 7, 3, undefined]);
  });

  it('page by namespace and selector, without counting the rest', async () => {
    const seen = await pages(h.pods, { namespace: 'a', matches: odd, limit: 2 });
    assert.deepEqual(seen.sizes, [2, 1]);
    assert.deepEqual(seen.remaining, [undefined, undefined]);
    const exact = await pages(h.pods, { namespace: 'a', matches: odd, limit: 3 });
    assert.deepEqual(exact.sizes, [3], 'no empty page when nothing follows');
    const whole = await h.pods.list({ namespace: 'a', limit: (await h.pods.list({ namespace: 'a' })).items.length });
    assert.equal(whole.continue, undefined);
  });

  it('go on after a restart, from the store', async () => {
    const before = items(await h.pods.list({}));
    const first = await h.pods.list({ limit: 6 });
    await h.put('a/p1', { later: '1' });
    await h.remove('b/p5');
    await h.restart();
    const second = await h.pods.list({ limit: 4, continue: first.continue });
    const third = await h.pods.list({ continue: second.continue });
    assert.deepEqual([...items(first), ...items(second), ...items(third)], before);
    assert.equal(second.remainingItemCount, before.length - 10);
    assert.equal(third.resourceVersion, first.resourceVersion);
  });

  it('show a revision exactly, or not older than it', async () => {
    const revision = String(h.store.revision());
    const before = items(await h.pods.list({}));
    await h.put('a/p2', { later: '2' });
    const exact = await h.pods.list({ resourceVersion: revision, resourceVersionMatch: 'Exact' });
    assert.deepEqual(items(exact), before);
    assert.equal(exact.resourceVersion, revision);
    const legacy = await h.pods.list({ resourceVersion: revision, limit: 3 });
    assert.deepEqual(items(legacy), before.slice(0, 3));
    const newer = await h.pods.list({ resourceVersion: revision, resourceVersionMatch: 'NotOlderThan' });
    assert.notDeepEqual(items(newer), before);
    assert.equal(newer.resourceVersion, String(h.store.revision()));
    const any = await h.pods.list({ resourceVersion: '0' });
    assert.equal(any.items.length, newer.items.length);
  });

  it('say Expired when the state is compacted, and how to go on', async () => {
    const old = String(h.store.revision() - 3);
    const first = await h.pods.list({ limit: 5 });
    await h.put('a/p3', { later: '3' });
    await h.put('a/zzz');
    await h.store.compact(h.store.revision());
    await h.restart();
    await assert.rejects(h.pods.list({ resourceVersion: old, resourceVersionMatch: 'Exact' }), (error) => {
      assert.ok(error instanceof CausewayError);
      assert.equal(error.message, 'The resourceVersion for the provided list is too old.');
      return error.code === 'Expired';
    });
    let token = '';
    await assert.rejects(h.pods.list({ limit: 5, continue: first.continue }), (error) => {
      assert.ok(error instanceof ContinueExpiredError);
      assert.ok(
        error.message.startsWith('The provided continue parameter is too old to display a consistent list result.'),
      );
      token = error.continueToken;
      return error.code === 'Expired';
    });
    const rest = await pages(h.pods, { limit: 5, continue: token });
    const now = items(await h.pods.list({}));
    assert.deepEqual(rest.items, now.slice(5));
    assert.deepEqual([...rest.revisions], [String(h.store.revision())]);
  });

  it('keep a page that is in memory also beyond compaction', async () => {
    const before = items(await h.pods.list({}));
    const first = await h.pods.list({ limit: 5 });
    await h.put('a/p3', { later: '4' });
    await h.store.compact(h.store.revision());
    assert.deepEqual([...items(first), ...items(await h.pods.list({ continue: first.continue }))], before);
  });

  it('refuse a token that another namespace made to reach its objects', async () => {
    const { continue: token } = await h.pods.list({ namespace: 'a', limit: 1 });
    const stolen = await h.pods.list({ namespace: 'b', continue: token, limit: 100 });
    for (const item of stolen.items) assert.equal(item.namespace, 'b');
  });
});

describe('a revision of the future', () => {
  it('is waited for, then refused with 504', async (test) => {
    test.mock.timers.enable({ apis: ['setTimeout'] });
    const progress = new Progress(7);
    await progress.reach(7, undefined);
    const early = progress.reach(8, undefined);
    const late = progress.reach(9, undefined);
    progress.advance(8);
    await early;
    const refused = assert.rejects(late, (error) => {
      assert.ok(error instanceof CausewayError);
      assert.equal(error.message, 'Timeout: Too large resource version: 9, current: 8');
      assert.deepEqual(error.details, {
        causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
        retryAfterSeconds: 1,
      });
      return isCode(error, 'Timeout');
    });
    test.mock.timers.tick(FRESH_MS - 1);
    progress.advance(8);
    test.mock.timers.tick(1);
    await refused;
  });

  it('is not waited for by a client that went away', async () => {
    const progress = new Progress(7);
    const gone = new AbortController();
    const waiting = progress.reach(8, gone.signal);
    gone.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
    await assert.rejects(progress.reach(8, gone.signal), { name: 'AbortError' });
  });
});
