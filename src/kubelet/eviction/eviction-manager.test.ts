import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Pod } from '../../api/generated/types.ts';
import { silentLog } from '../../lib/log.ts';
import type { PodFailure } from '../pod-status.ts';
import { container, pod } from '../testing/worker-fixture.ts';
import { type EvictablePod, EvictionManager } from './eviction-manager.ts';
import type { PodUse } from './pod-usage.ts';
import type { Observation, Signal } from './signals.ts';
import { evictionSettings } from './thresholds.ts';

const MI = 2 ** 20;
const signal = new AbortController().signal;

interface Fake {
  readonly priority?: number;
  readonly request?: string;
  /** MiB of memory, and of disk. */
  readonly uses: number | undefined;
  readonly isStatic?: boolean;
}

let observations: Map<Signal, Observation>;
let pods: EvictablePod[];
let uses: Map<string, PodUse>;
let evicted: { name: string; failure: PodFailure; grace: number }[];
let told: string[];
let changes: number;
let reclaimed: () => void;
let now: number;

beforeEach(() => {
  observations = new Map();
  pods = [];
  uses = new Map();
  evicted = [];
  told = [];
  changes = 0;
  now = 0;
  reclaimed = () => undefined;
});

function manager(flags = {}): EvictionManager {
  return new EvictionManager({
    settings: evictionSettings({ evictionMinimumReclaim: '', ...flags }),
    observe: () => Promise.resolve(observations),
    pods: () => pods,
    measure: () => Promise.resolve(uses),
    reclaim: async () => reclaimed(),
    changed: () => {
      changes++;
    },
    tell: (reason, message) => void told.push(`${reason}: ${message}`),
    clock: { now: () => now },
    log: silentLog,
  });
}

function low(of: Signal, availableMib: number): void {
  observations.set(of, { available: availableMib * MI, capacity: 1000 * MI });
}

function add(
  name: string,
  { priority, request, uses: used, isStatic = false }: Fake,
  change: Partial<Pod['spec']> = {},
): void {
  const resources = request === undefined ? {} : { requests: { memory: request, 'ephemeral-storage': request } };
  const spec = {
    containers: [container({ resources })],
    ...(priority === undefined ? {} : { priority }),
    ...change,
  };
  if (used !== undefined) {
    const disk = { bytes: used * MI, inodes: used };
    const containers = new Map([['main', { memoryBytes: used * MI, disk }]]);
    uses.set(name, { memoryBytes: used * MI, containers, volumes: new Map() });
  }
  const made = pod(spec as Pod['spec'], { name, uid: name });
  pods.push({
    pod: made,
    isStatic,
    evict: async (failure, grace) => {
      evicted.push({ name, failure, grace });
      pods = pods.filter((each) => each.pod !== made);
    },
  });
}

describe('eviction', () => {
  it('leaves pods alone while there is enough', async () => {
    low('memory.available', 500);
    add('a', { uses: 100 });
    assert.equal(await manager().relieve(signal), false);
    assert.deepEqual([evicted, told, changes], [[], [], 0]);
  });

  it('ends one pod at a time: first of those above their request, then by priority, then by how much more they use', async () => {
    low('memory.available', 10);
    add('modest', { request: '200Mi', uses: 100 });
    add('important', { priority: 100, uses: 500 });
    add('small', { request: '50Mi', uses: 60 });
    add('large', { request: '50Mi', uses: 300 });
    add('unknown', { uses: undefined, priority: 1 });
    const eviction = manager();
    while (pods.length > 0) assert.equal(await eviction.relieve(signal), true);
    assert.deepEqual(
      evicted.map(({ name }) => name),
      ['large', 'small', 'unknown', 'important', 'modest'],
    );
    assert.equal(await eviction.relieve(signal), false, 'nobody is left');
    assert.equal(changes, 1);
    assert.equal(told[0], 'EvictionThresholdMet: Attempting to reclaim memory');
  });

  it("says why in Kubernetes' words", async () => {
    low('memory.available', 10);
    add('a', { request: '50Mi', uses: 60 });
    await manager().relieve(signal);
    assert.deepEqual(evicted[0], {
      name: 'a',
      failure: {
        reason: 'Evicted',
        message:
          'The node was low on resource: memory. Threshold quantity: 100Mi, available: 10Mi. Container main was using 60Mi, request is 50Mi, has larger consumption of memory. ',
        isDisruption: true,
      },
      grace: 1,
    });
  });

  it('never ends static pods or those of the system', async () => {
    low('memory.available', 10);
    add('static', { uses: 900, isStatic: true });
    add('system', { uses: 900, priority: 2_000_000_000 });
    add('plain', { uses: 1, priority: 1_999_999_999 });
    const eviction = manager();
    await eviction.relieve(signal);
    assert.equal(await eviction.relieve(signal), false);
    assert.deepEqual(
      evicted.map(({ name }) => name),
      ['plain'],
    );
  });

  it('ends no pod when the disk has room again once what nobody needs is gone', async () => {
    low('nodefs.available', 10);
    add('a', { uses: 100 });
    const eviction = manager();
    reclaimed = () => low('nodefs.available', 500);
    assert.equal(await eviction.relieve(signal), false);
    assert.deepEqual([...eviction.conditions], ['DiskPressure']);
    reclaimed = () => undefined;
    low('nodefs.available', 10);
    assert.equal(await eviction.relieve(signal), true);
    assert.match(
      evicted[0]?.failure.message ?? '',
      /^The node was low on resource: ephemeral-storage\. Threshold quantity: 100Mi, available: 10Mi\. /,
    );
  });

  it('gives pods time that a soft threshold ends', async () => {
    low('memory.available', 400);
    add('a', { uses: 100 });
    const flags = {
      evictionSoft: 'memory.available<500Mi',
      evictionSoftGracePeriod: 'memory.available=10s',
      evictionMaxPodGracePeriod: '60',
    };
    const eviction = manager(flags);
    assert.equal(await eviction.relieve(signal), false);
    now = 10_000;
    await eviction.relieve(signal);
    // The pod's own, which is less than it might have.
    assert.equal(evicted[0]?.grace, 30);
  });

  it('takes no new pods meanwhile, but for those that it must take', async () => {
    const eviction = manager();
    const best = pod();
    const burstable = pod({ containers: [container({ resources: { requests: { cpu: '1' } } })] });
    const tolerant = pod({ tolerations: [{ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists' }] });
    const critical = pod({ priority: 2_000_001_000 });
    assert.equal(eviction.refused(best, false), undefined);
    low('memory.available', 10);
    await eviction.relieve(signal);
    assert.deepEqual(eviction.refused(best, false), {
      reason: 'Evicted',
      message: 'The node had condition: [MemoryPressure]. ',
    });
    for (const each of [burstable, tolerant, critical]) assert.equal(eviction.refused(each, false), undefined);
    assert.equal(eviction.refused(best, true), undefined);
    low('nodefs.available', 10);
    await eviction.relieve(signal);
    for (const each of [best, burstable, tolerant]) assert.ok(eviction.refused(each, false));
    assert.equal(eviction.refused(critical, false), undefined);
  });
});

describe('limits of the disk', () => {
  const limited = (limit: string): Partial<Pod['spec']> => ({
    containers: [container({ resources: { limits: { 'ephemeral-storage': limit } } })],
  });

  it('end each pod that takes more, and no other', async () => {
    add('within', { uses: 10 }, limited('10Mi'));
    add('over', { uses: 11 }, limited('10Mi'));
    add('free', { uses: 900 });
    add('static', { uses: 11, isStatic: true }, limited('10Mi'));
    const eviction = manager();
    assert.equal(await eviction.enforceLimits(signal), true);
    assert.deepEqual(
      evicted.map(({ name, failure: { message } }) => [name, message]),
      [['over', 'Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ']],
    );
    assert.equal(await eviction.enforceLimits(signal), false);
  });

  it('are those of an emptyDir too, and of one container among others', async () => {
    add('volume', { uses: 1 }, { volumes: [{ name: 'v', emptyDir: { sizeLimit: '5Mi' } }] });
    const use = uses.get('volume')!;
    uses.set('volume', { ...use, volumes: new Map([['v', { bytes: 5 * MI + 1, inodes: 1 }]]) });
    const of = (name: string, limit: string) =>
      container({ name, resources: { limits: { 'ephemeral-storage': limit } } });
    add('container', { uses: 6 }, { containers: [of('main', '5Mi'), of('other', '50Mi')] });
    await manager().enforceLimits(signal);
    assert.deepEqual(
      evicted.map(({ failure: { message } }) => message),
      [
        'Usage of EmptyDir volume "v" exceeds the limit "5Mi". ',
        'Container main exceeded its local ephemeral storage limit "5Mi". ',
      ],
    );
  });
});
