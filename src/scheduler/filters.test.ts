import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, PodSpec } from '../api/generated/types.ts';
import { failureMessage } from './choose-node.ts';
import { FILTERS } from './filters.ts';
import { podInfo } from './pod-info.ts';
import { podRequests } from './pod-requests.ts';
import { node, pod, situation } from './testing/situations.ts';
import { tolerates } from './tolerations.ts';

/** For each node the reasons why the pod cannot run there. */
function reasons(
  p: Pod,
  nodes: readonly Node[],
  others: readonly Pod[] = [],
  namespaces = {},
): Record<string, readonly string[]> {
  const all = situation(nodes, others, namespaces);
  const checks = FILTERS.flatMap((f) => f.prepare(podInfo(p), all) ?? []);
  return Object.fromEntries(
    all.nodes.map((info) => [info.name, checks.map((check) => check(info)).find((r) => r.length > 0) ?? []]),
  );
}

test('resources: what is asked must fit beside what the pods of the node asked', () => {
  const wants = pod('a', {
    containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '1500m', memory: '600Mi' } } }],
  });
  const there = pod('b', {
    nodeName: 'n1',
    containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '600m', memory: '500Mi' } } }],
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
      { name: 'i', image: 'x', resources: { requests: { cpu: '3' } } },
      { name: 's', image: 'x', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
      { name: 'j', image: 'x', resources: { requests: { cpu: '2' } } },
    ],
    containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '1' } } }],
    overhead: { cpu: '250m' },
  });
  assert.equal(podRequests(p).get('cpu'), 3250);
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
    {
      name: 'c',
      image: 'x',
      ports: [{ containerPort: 80, hostPort: 80, ...(hostIP === undefined ? {} : { hostIP }) }],
    },
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

test('sums are exact: ten tenths of a core are one core', () => {
  const tenth = { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '100m', memory: '0.1Gi' } } }] };
  const nine = Array.from({ length: 9 }, (_, i) => pod(`p${i}`, { ...tenth, nodeName: 'n1' }));
  const one = node('n1', { status: { allocatable: { cpu: '1', memory: '1.0000001Gi', pods: '10' } } });
  assert.deepEqual(reasons(pod('a', tenth), [one], nine), { n1: [] });
  assert.deepEqual(reasons(pod('a', tenth), [one], [...nine, pod('q', { ...tenth, nodeName: 'n1' })]), {
    n1: ['Too many pods', 'Insufficient cpu', 'Insufficient memory'],
  });
});

test('a resource that the node does not have, and a node that says nothing of itself', () => {
  const gpu = pod('a', {
    containers: [{ name: 'c', image: 'x', resources: { requests: { 'example.com/gpu': '1' } } }],
  });
  assert.deepEqual(reasons(gpu, [node('n1'), node('n2', { status: {} })]), {
    n1: ['Insufficient example.com/gpu'],
    n2: ['Too many pods', 'Insufficient example.com/gpu'],
  });
});

test('node affinity: terms are alternatives, requirements are not, an empty term matches nothing', () => {
  const required = (...nodeSelectorTerms: object[]) =>
    pod('a', {
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
    } as Partial<PodSpec>);
  const nodes = [
    node('a1', { metadata: { name: 'a1', labels: { disk: 'ssd', cores: '8' } } }),
    node('b1', { metadata: { name: 'b1', labels: { disk: 'hdd', cores: 'many' } } }),
  ];
  const fits = (p: Pod): string[] =>
    Object.entries(reasons(p, nodes))
      .filter(([, r]) => r.length === 0)
      .map(([n]) => n);
  const expression = (key: string, operator: string, values: string[] = []) => ({
    matchExpressions: [{ key, operator, values }],
  });
  assert.deepEqual(fits(required(expression('disk', 'In', ['ssd']))), ['a1']);
  assert.deepEqual(fits(required(expression('disk', 'NotIn', ['ssd']))), ['b1']);
  assert.deepEqual(fits(required(expression('gpu', 'NotIn', ['x']))), ['a1', 'b1']);
  assert.deepEqual(fits(required(expression('disk', 'Exists'))), ['a1', 'b1']);
  assert.deepEqual(fits(required(expression('disk', 'DoesNotExist'))), []);
  assert.deepEqual(fits(required(expression('cores', 'Gt', ['7']))), ['a1']);
  assert.deepEqual(fits(required(expression('cores', 'Lt', ['9']))), ['a1']);
  assert.deepEqual(fits(required(expression('cores', 'Gt', ['8']))), []);
  assert.deepEqual(fits(required(expression('disk', 'In', ['x']), expression('disk', 'In', ['hdd']))), ['b1']);
  assert.deepEqual(fits(required({})), []);
  assert.deepEqual(fits(required({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b1'] }] })), ['b1']);
});

test('pod affinity reaches into other namespaces only where it says so', () => {
  const near = (term: object) =>
    pod('a', {
      affinity: {
        podAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { labelSelector: { matchLabels: { app: 'db' } }, topologyKey: 'zone', ...term },
          ],
        },
      },
    } as Partial<PodSpec>);
  const db: Pod = { ...pod('db', { nodeName: 'a1' }, { app: 'db' }) };
  db.metadata.namespace = 'data';
  const nodes = [node('a1'), node('b1')];
  const namespaces = { data: { kind: 'store' }, default: {} };
  const fits = (p: Pod): string[] =>
    Object.entries(reasons(p, nodes, [db], namespaces))
      .filter(([, r]) => r.length === 0)
      .map(([n]) => n);
  assert.deepEqual(fits(near({})), []);
  assert.deepEqual(fits(near({ namespaces: ['data'] })), ['a1']);
  assert.deepEqual(fits(near({ namespaceSelector: {} })), ['a1']);
  assert.deepEqual(fits(near({ namespaceSelector: { matchLabels: { kind: 'store' } } })), ['a1']);
  assert.deepEqual(fits(near({ namespaceSelector: { matchLabels: { kind: 'x' } } })), []);
  assert.deepEqual(fits(near({ namespaces: ['data'], labelSelector: undefined })), []);
});

test('spread: pods that end do not count, too few domains count as an empty one, and a node without the key is none', () => {
  const spread = (more: object) => ({
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule' as const,
        labelSelector: { matchLabels: { app: 'w' } },
        ...more,
      },
    ],
  });
  const there = pod('b', { nodeName: 'a1' }, { app: 'w' });
  const ending: Pod = {
    ...there,
    metadata: { ...there.metadata, uid: 'e', deletionTimestamp: '2026-01-01T00:00:00Z' },
  };
  const nowhere = node('x', { metadata: { name: 'x', labels: {} } });
  assert.deepEqual(reasons(pod('a', spread({}), { app: 'w' }), [node('a1'), node('b1'), nowhere], [ending]), {
    a1: [],
    b1: [],
    x: ["node(s) didn't match pod topology spread constraints (missing required label)"],
  });
  assert.deepEqual(reasons(pod('a', spread({ minDomains: 2 }), { app: 'w' }), [node('a1')], [there]), {
    a1: ["node(s) didn't match pod topology spread constraints"],
  });
  assert.deepEqual(reasons(pod('a', spread({}), { app: 'w' }), [node('a1')], [there]), { a1: [] });
  const cordoned = node('b1', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } });
  assert.deepEqual(
    reasons(pod('a', spread({ nodeTaintsPolicy: 'Honor' }), { app: 'w' }), [node('a1'), cordoned], [there]).a1,
    [],
  );
  assert.deepEqual(
    reasons(pod('a', spread({ labelSelector: undefined }), { app: 'w' }), [node('a1'), node('b1')], [there]).a1,
    [],
  );
});
