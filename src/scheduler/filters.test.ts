import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, PodSpec } from '../api/generated/types.ts';
import { FILTERS, tolerates } from './filters.ts';
import { buildNodeInfos } from './node-info.ts';
import { podRequests } from './pod-requests.ts';
import { failureMessage } from './scheduler.ts';

function node(name: string, more: Partial<Node> = {}): Node {
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, zone: name.slice(0, 1) }, ...more.metadata },
    spec: more.spec ?? {},
    status: more.status ?? { allocatable: { cpu: '2', memory: '1Gi', pods: '110' } },
  };
}

function pod(name: string, spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}): Pod {
  return { metadata: { name, namespace: 'default', labels }, spec: { containers: [{ name: 'c' }], ...spec } };
}

/** For each node the reasons why the pod cannot run there. */
function reasons(p: Pod, nodes: readonly Node[], others: readonly Pod[] = []): Record<string, readonly string[]> {
  const all = buildNodeInfos(nodes, others);
  const situation = { all, namespaceLabels: () => ({}) };
  return Object.fromEntries(
    all.map((info) => [info.name, FILTERS.map((f) => f(p, info, situation)).find((r) => r.length > 0) ?? []]),
  );
}

test('resources: what is asked must fit beside what the pods of the node asked', () => {
  const wants = pod('a', { containers: [{ name: 'c', resources: { requests: { cpu: '1500m', memory: '600Mi' } } }] });
  const there = pod('b', {
    nodeName: 'n1',
    containers: [{ name: 'c', resources: { requests: { cpu: '600m', memory: '500Mi' } } }],
  });
  assert.deepEqual(reasons(wants, [node('n1'), node('n2')], [there]), {
    n1: ['Insufficient cpu', 'Insufficient memory'],
    n2: [],
  });
  const ended: Pod = { ...there, status: { phase: 'Succeeded' } };
  assert.deepEqual(reasons(wants, [node('n1')], [ended]), { n1: [] });
});

test('requests: the largest init container counts, and sidecars count beside everything', () => {
  const p = pod('a', {
    initContainers: [
      { name: 'i', resources: { requests: { cpu: '3' } } },
      { name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
      { name: 'j', resources: { requests: { cpu: '2' } } },
    ],
    containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }],
    overhead: { cpu: '250m' },
  });
  assert.equal(podRequests(p).get('cpu'), 3.25);
});

test('taints, cordon, selector and affinity refuse with Kubernetes words', () => {
  const tainted = node('t', { spec: { taints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }] } });
  const cordoned = node('u', { spec: { unschedulable: true } });
  const p = pod('a', { nodeSelector: { zone: 'z' } });
  assert.deepEqual(reasons(p, [tainted, cordoned, node('z1'), node('y1')]), {
    t: ['node(s) had untolerated taint(s)'],
    u: ['node(s) were unschedulable'],
    z1: [],
    y1: ["node(s) didn't match Pod's node affinity/selector"],
  });
  assert.equal(tolerates([{ operator: 'Exists' }], { key: 'a', effect: 'NoExecute' }), true);
  assert.equal(tolerates([{ key: 'a', value: 'x' }], { key: 'a', value: 'b', effect: 'NoSchedule' }), false);
});

test('host ports clash on one node, by address and protocol', () => {
  const port = (hostIP?: string) => [
    { name: 'c', ports: [{ containerPort: 80, hostPort: 80, ...(hostIP === undefined ? {} : { hostIP }) }] },
  ];
  const there = pod('b', { nodeName: 'n1', containers: port('10.0.0.1') });
  assert.deepEqual(reasons(pod('a', { containers: port() }), [node('n1')], [there]), {
    n1: ["node(s) didn't have free ports for the requested pod ports"],
  });
  assert.deepEqual(reasons(pod('a', { containers: port('10.0.0.2') }), [node('n1')], [there]), { n1: [] });
});

test('anti-affinity holds both ways', () => {
  const term = { labelSelector: { matchLabels: { app: 'db' } }, topologyKey: 'zone' };
  const repels = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
  const there = pod('b', { nodeName: 'a1', affinity: repels }, { app: 'db' });
  assert.deepEqual(
    reasons(pod('a', { affinity: repels }, { app: 'db' }), [node('a1'), node('a2'), node('b1')], [there]),
    {
      a1: ["node(s) didn't match pod anti-affinity rules"],
      a2: ["node(s) didn't match pod anti-affinity rules"],
      b1: [],
    },
  );
  assert.deepEqual(reasons(pod('a', {}, { app: 'db' }), [node('a1')], [there]), {
    a1: ["node(s) didn't satisfy existing pods anti-affinity rules"],
  });
});

test('the first pod of a group that wants to be with its own kind may go anywhere', () => {
  const term = { labelSelector: { matchLabels: { app: 'db' } }, topologyKey: 'zone' };
  const near = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
  assert.deepEqual(reasons(pod('a', { affinity: near }, { app: 'db' }), [node('a1')]), { a1: [] });
  assert.deepEqual(reasons(pod('a', { affinity: near }, { app: 'web' }), [node('a1')]), {
    a1: ["node(s) didn't match pod affinity rules"],
  });
});

test('spread constraints keep the skew', () => {
  const spread = {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule' as const,
        labelSelector: { matchLabels: { app: 'w' } },
      },
    ],
  };
  const there = pod('b', { nodeName: 'a1' }, { app: 'w' });
  assert.deepEqual(reasons(pod('a', spread, { app: 'w' }), [node('a1'), node('b1')], [there]), {
    a1: ["node(s) didn't match pod topology spread constraints"],
    b1: [],
  });
});

test('the message counts each reason', () => {
  const counted = new Map([
    ['node(s) were unschedulable', 2],
    ['Insufficient cpu', 1],
  ]);
  assert.equal(
    failureMessage(3, counted),
    '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.',
  );
  assert.equal(failureMessage(0, new Map()), 'no nodes available to schedule pods');
});
