import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../api/generated/types.ts';
import { evictionInterval, isEverythingLost, zoneOf } from './node-zones.ts';

type Ready = 'True' | 'False' | 'Unknown';

function nodes(count: number, ready: Ready, zone: string, labels: Record<string, string> = {}): Node[] {
  return Array.from({ length: count }, (_, i) => ({
    metadata: { name: `${zone}-${ready}-${i}`, labels: { 'topology.kubernetes.io/zone': zone, ...labels } },
    status: { conditions: [{ type: 'Ready', status: ready }] },
  }));
}

const zone = (name: string): string => zoneOf(nodes(1, 'True', name)[0] as Node);
const notCounted = { 'node.kubernetes.io/exclude-disruption': '' };

test('a zone of which most is lost is not emptied, a large one slowly, one that is lost whole as usual', () => {
  const interval = (lost: number, ready: number): number | undefined =>
    evictionInterval(zone('a'), [...nodes(lost, 'Unknown', 'a'), ...nodes(ready, 'True', 'a')], 10);
  assert.equal(interval(1, 1), 10);
  assert.equal(interval(2, 1), 10, 'two are few, whatever the part');
  assert.equal(interval(3, 3), 10);
  assert.equal(interval(3, 2), undefined);
  assert.equal(interval(11, 9), undefined, 'exactly 55 %');
  assert.equal(interval(28, 22), undefined, 'fifty nodes');
  assert.equal(interval(27, 23), 10, '54 %');
  assert.equal(interval(40, 11), 100);
  assert.equal(interval(5, 0), 10);
});

test('another zone does not matter, nor do nodes that do not count', () => {
  const lost = [...nodes(3, 'False', 'a'), ...nodes(1, 'True', 'a')];
  const all = [...lost, ...nodes(4, 'True', 'b')];
  assert.equal(evictionInterval(zone('a'), all, 10), undefined);
  assert.equal(evictionInterval(zone('b'), all, 10), 10);
  assert.equal(evictionInterval(zone('a'), [...lost, ...nodes(9, 'True', 'a', notCounted)], 10), undefined);
  const regions = ['x', 'y'].map(
    (region) => nodes(1, 'True', 'a', { 'topology.kubernetes.io/region': region })[0] as Node,
  );
  assert.equal(new Set(regions.map(zoneOf)).size, 2);
});

test('everything is lost when no node that counts is ready', () => {
  assert.equal(isEverythingLost([...nodes(2, 'Unknown', 'a'), ...nodes(1, 'False', 'b')]), true);
  assert.equal(isEverythingLost([...nodes(2, 'Unknown', 'a'), ...nodes(1, 'True', 'b')]), false);
  assert.equal(isEverythingLost([...nodes(2, 'Unknown', 'a'), ...nodes(1, 'True', 'b', notCounted)]), true);
});
