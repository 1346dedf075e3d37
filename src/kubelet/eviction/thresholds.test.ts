import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pressure } from './pressure.ts';
import type { Observation, Signal } from './signals.ts';
import { amountOf, type EvictionFlags, evictionSettings } from './thresholds.ts';

const TOTAL = 1000 * 2 ** 20;

function shown(flags: EvictionFlags): string[] {
  const observed = { available: 0, capacity: TOTAL };
  return evictionSettings(flags).thresholds.map(({ signal, value, graceMs, minReclaim }) => {
    const more = minReclaim === undefined ? '' : ` +${amountOf(minReclaim, observed)}`;
    return `${signal}<${amountOf(value, observed)} ${graceMs}${more}`;
  });
}

describe('the flags of eviction', () => {
  it("have Kubernetes' defaults", () => {
    assert.deepEqual(shown({}), [
      'memory.available<100Mi 0',
      'nodefs.available<100Mi 0',
      'nodefs.inodesFree<50Mi 0',
      'imagefs.available<150Mi 0',
      'imagefs.inodesFree<50Mi 0',
    ]);
    assert.equal(evictionSettings({}).transitionMs, 300_000);
  });

  it('are amounts or parts, hard or soft, with what to reclaim', () => {
    const flags = {
      evictionHard: 'memory.available<1Gi,nodefs.available<0%',
      evictionSoft: 'memory.available<50%',
      evictionSoftGracePeriod: 'memory.available=1m30s',
      evictionMinimumReclaim: 'memory.available=10Mi',
    };
    assert.deepEqual(shown(flags), ['memory.available<1Gi 0 +10Mi', 'memory.available<500Mi 90000 +10Mi']);
    assert.deepEqual(shown({ evictionHard: '' }), []);
  });

  for (const [flags, why] of [
    [{ evictionHard: 'memory<1Gi' }, /: --eviction-hard: unsupported eviction signal memory: use memory.available, /],
    [{ evictionHard: 'memory.available=1Gi' }, /: --eviction-hard: malformed pair memory.available=1Gi/],
    [{ evictionHard: 'memory.available<1Gi,memory.available<2Gi' }, /given twice/],
    [{ evictionHard: 'memory.available<-1Mi' }, /must be positive/],
    [{ evictionHard: 'memory.available<lots' }, /lots is no quantity/],
    [{ evictionHard: 'nodefs.available<101%' }, /must be <= 100%/],
    [{ evictionHard: 'nodefs.available<-1%' }, /must be >= 0%/],
    [{ evictionHard: 'nodefs.available<x%' }, /x% is no percentage/],
    [
      { evictionSoft: 'memory.available<1Gi' },
      /: --eviction-soft: grace period must be specified for .* memory.available/,
    ],
    [{ evictionSoftGracePeriod: 'memory.available=soon' }, /: --eviction-soft-grace-period: soon is no duration/],
    [{ evictionMinimumReclaim: 'memory.available=0%' }, /: --eviction-minimum-reclaim: .*must be positive/],
    [{ evictionPressureTransitionPeriod: '5' }, /: --eviction-pressure-transition-period: 5 is no duration/],
    [{ evictionMaxPodGracePeriod: '1m' }, /: --eviction-max-pod-grace-period: /],
  ] as const) {
    it(`are refused in one line: ${JSON.stringify(flags)}`, () => {
      assert.throws(() => evictionSettings(flags), why);
    });
  }
});

describe('pressure', () => {
  const MI = 2 ** 20;
  const memory = (mib: number, signal: Signal = 'memory.available'): Map<Signal, Observation> =>
    new Map([[signal, { available: mib * MI, capacity: TOTAL }]]);

  it('begins below a hard threshold, and stays for its period after it was seen last', () => {
    const pressure = new Pressure(evictionSettings({}));
    assert.equal(pressure.observe(memory(100), 0).length, 0);
    assert.equal(pressure.observe(memory(99), 1_000).length, 1);
    assert.deepEqual([...pressure.conditions], ['MemoryPressure']);
    assert.equal(pressure.observe(memory(200), 2_000).length, 0);
    assert.deepEqual([...pressure.conditions], ['MemoryPressure']);
    pressure.observe(memory(200), 300_999);
    assert.equal(pressure.conditions.size, 1);
    pressure.observe(memory(200), 301_000);
    assert.equal(pressure.conditions.size, 0);
  });

  it('says that it is there at once below a soft threshold, and acts after its grace period', () => {
    const flags = { evictionSoft: 'memory.available<500Mi', evictionSoftGracePeriod: 'memory.available=30s' };
    const pressure = new Pressure(evictionSettings(flags));
    assert.equal(pressure.observe(memory(400), 0).length, 0);
    assert.deepEqual([...pressure.conditions], ['MemoryPressure']);
    assert.equal(pressure.observe(memory(400), 29_999).length, 0);
    assert.equal(pressure.observe(memory(400), 30_000).length, 1);
    assert.equal(pressure.observe(memory(600), 31_000).length, 0, 'enough again: the time begins anew');
    assert.equal(pressure.observe(memory(400), 32_000).length, 0);
  });

  it('goes on until the minimum is reclaimed', () => {
    const pressure = new Pressure(evictionSettings({ evictionMinimumReclaim: 'memory.available=50Mi' }));
    assert.equal(pressure.observe(memory(120), 0).length, 0, 'it is not low');
    assert.equal(pressure.observe(memory(90), 1).length, 1);
    assert.equal(pressure.observe(memory(120), 2).length, 1);
    assert.equal(pressure.observe(memory(151), 3).length, 0);
    assert.equal(pressure.observe(memory(120), 4).length, 0);
  });

  it('reclaims memory first, and leaves out what cannot be observed', () => {
    const pressure = new Pressure(evictionSettings({}));
    const both = new Map([...memory(1, 'nodefs.inodesFree'), ...memory(1)]);
    assert.deepEqual(
      pressure.observe(both, 0).map(({ signal }) => signal),
      ['memory.available', 'nodefs.inodesFree'],
    );
    assert.deepEqual([...pressure.conditions].sort(), ['DiskPressure', 'MemoryPressure']);
  });
});
