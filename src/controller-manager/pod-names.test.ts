import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Node, Pod, Service } from '../api/generated/types.ts';
import { podAddresses, podDnsNames } from './pod-names.ts';

const pod = (name: string, ips: readonly string[], spec: object = {}): Pod => ({
  metadata: { name, namespace: 'shop', uid: `uid-${name}`, labels: { app: 'web', tier: 'front' } },
  spec: { containers: [], ...spec },
  status: { podIPs: ips.map((ip) => ({ ip })) },
});
const service = (name: string, namespace: string, spec: object): Service => ({ metadata: { name, namespace }, spec });

it('names: its own, and of the services of its namespace that select it', () => {
  const services = [
    service('web', 'shop', { selector: { app: 'web' } }),
    service('other', 'shop', { selector: { app: 'other' } }),
    service('strict', 'shop', { selector: { app: 'web', tier: 'back' } }),
    service('manual', 'shop', {}),
    service('web', 'bank', { selector: { app: 'web' } }),
    service('stars', 'shop', { selector: { app: 'web' }, clusterIP: 'None' }),
  ];
  const own = ['p.shop.pod', 'web.shop.svc', 'web.shop.svc.cluster.local'];
  const stars = ['stars.shop.svc', 'stars.shop.svc.cluster.local'];
  assert.deepEqual(podDnsNames(pod('p', []), services), [...own, ...stars]);
  const sun = ['sun.stars.shop.svc', 'sun.stars.shop.svc.cluster.local'];
  assert.deepEqual(podDnsNames(pod('p', [], { hostname: 'sun', subdomain: 'stars' }), services), [
    ...own,
    ...stars,
    ...sun,
  ]);
  // Not headless, so that name is not one of DNS.
  assert.deepEqual(podDnsNames(pod('p', [], { hostname: 'sun', subdomain: 'web' }), services), [...own, ...stars]);
});

it("addresses: of its node's range, and nobody else's", () => {
  const node: Node = { metadata: { name: 'n' }, spec: { podCIDRs: ['10.1.0.0/16', 'fd00::/64'] } };
  const none = { pods: [], nodes: [], services: [] };
  const ips = ['10.1.0.5', 'fd00::5', '10.2.0.5', '192.0.2.1', 'odd'];
  const one = pod('p', ips);
  assert.deepEqual(podAddresses(one, node, none), ['10.1.0.5', 'fd00::5']);
  assert.deepEqual(podAddresses(one, { metadata: {} }, none), [], 'a node without a range');
  assert.deepEqual(podAddresses(pod('p', ips, { hostNetwork: true }), node, none), []);
  assert.deepEqual(podAddresses(one, node, { ...none, pods: [one, pod('q', ['10.1.0.5'])] }), ['fd00::5']);
  const nodes: Node[] = [{ metadata: {}, status: { addresses: [{ type: 'InternalIP', address: '10.1.0.5' }] } }];
  assert.deepEqual(podAddresses(one, node, { ...none, nodes }), ['fd00::5']);
  const services = [service('s', 'x', { clusterIPs: ['10.1.0.5'] })];
  assert.deepEqual(podAddresses(one, node, { ...none, services }), ['fd00::5']);
});
