import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../api/generated/types.ts';
import { chooseNode } from './choose-node.ts';
import { podInfo } from './pod-info.ts';
import { podRequests, ratedRequests } from './pod-requests.ts';
import { SCORES } from './scores.ts';
import { node, pod, situation } from './testing/situations.ts';

/** What each score says of each node. */
function ratings(
  name: string,
  p: Pod,
  nodes: readonly Node[],
  others: readonly Pod[] = [],
): readonly number[] | undefined {
  const all = situation(nodes, others);
  return SCORES.find((s) => s.name === name)?.rate(podInfo(p), all.nodes, all);
}

test('what a pod as a whole asks for counts instead of its containers, and a silent container is rated as a little', () => {
  const whole = pod('a', {
    resources: { requests: { cpu: '3' } },
    containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '1', memory: '1Gi' } } }],
  });
  assert.deepEqual(
    [...podRequests(whole)],
    [
      ['cpu', 3000],
      ['memory', 2 ** 30],
    ],
  );
  assert.deepEqual(ratedRequests(pod('b')), { cpu: 100, memory: 200 * 1024 * 1024 });
  assert.deepEqual([...podRequests(pod('b'))], []);
});

test('ratings: room, balance, wishes, soft taints', () => {
  const asks = pod('a', {
    containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '1', memory: '256Mi' } } }],
  });
  const busy = pod('b', {
    nodeName: 'n1',
    containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '1', memory: '512Mi' } } }],
  });
  assert.deepEqual(ratings('NodeResourcesFit', asks, [node('n1'), node('n2')], [busy]), [12.5, 62.5]);
  assert.deepEqual(ratings('NodeResourcesBalancedAllocation', asks, [node('n1'), node('n2')], [busy]), [87, 87]);
  assert.equal(ratings('NodeResourcesBalancedAllocation', pod('s'), [node('n1')]), undefined);
  const soft = node('n1', { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } });
  assert.deepEqual(ratings('TaintToleration', pod('a'), [soft, node('n2')]), [0, 100]);
  assert.deepEqual(
    ratings('TaintToleration', pod('a', { tolerations: [{ key: 'k', operator: 'Exists' }] }), [soft, node('n2')]),
    [100, 100],
  );
  const preferred = (weight: number, value: string) => ({
    weight,
    preference: { matchExpressions: [{ key: 'zone', operator: 'In' as const, values: [value] }] },
  });
  const wish = pod('a', {
    affinity: {
      nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [preferred(10, 'a'), preferred(40, 'b')] },
    },
  });
  assert.deepEqual(ratings('NodeAffinity', wish, [node('a1'), node('b1'), node('c1')]), [25, 100, 0]);
});

test('ratings: near friends, far from others, as they wish of me too', () => {
  const term = (weight: number, app: string) => ({
    weight,
    podAffinityTerm: { labelSelector: { matchLabels: { app } }, topologyKey: 'zone' },
  });
  const wish = pod('a', {
    affinity: {
      podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [term(50, 'friend')] },
      podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [term(50, 'foe')] },
    },
  });
  const others = [pod('f', { nodeName: 'a1' }, { app: 'friend' }), pod('g', { nodeName: 'c1' }, { app: 'foe' })];
  assert.deepEqual(ratings('InterPodAffinity', wish, [node('a1'), node('b1'), node('c1')], others), [100, 50, 0]);
  const shy = pod('s', {
    nodeName: 'b1',
    affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [term(1, 'loud')] } },
  });
  assert.deepEqual(
    ratings('InterPodAffinity', pod('l', {}, { app: 'loud' }), [node('a1'), node('b1')], [shy]),
    [100, 0],
  );
  assert.equal(ratings('InterPodAffinity', pod('q'), [node('a1'), node('b1')], [shy]), undefined);
});

test('ratings: pods of one owner are spread over the nodes though they do not ask for it', () => {
  const owned = (name: string, nodeName?: string): Pod => {
    const p = pod(name, nodeName === undefined ? {} : { nodeName });
    p.metadata.ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'w', uid: 'w', controller: true }];
    return p;
  };
  const [a = 0, b = 0] = ratings('PodTopologySpread', owned('x'), [node('a1'), node('b1')], [owned('y', 'a1')]) ?? [];
  assert.ok(b > a);
  assert.equal(ratings('PodTopologySpread', pod('x'), [node('a1'), node('b1')]), undefined);
});

test('of nodes that suit equally well any is taken', () => {
  const all = situation([node('a1'), node('b1'), node('c1')], []);
  const chosen = (random: number): string => {
    const choice = chooseNode(podInfo(pod('a')), all, () => random);
    return 'nodeName' in choice ? choice.nodeName : '';
  };
  assert.equal(chosen(0), 'c1');
  assert.equal(chosen(0.99), 'a1');
});
