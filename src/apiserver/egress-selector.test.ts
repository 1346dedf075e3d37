import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type RouteNode, routeNode, selectRoute } from './egress-selector.ts';

const node: RouteNode = {
  name: 'n1',
  uid: 'u',
  addresses: [
    { type: 'Hostname', address: 'n1.example' },
    { type: 'ExternalIP', address: '203.0.113.1' },
    { type: 'InternalIP', address: '10.0.0.1' },
  ],
  kubeletPort: 10250,
};
const none = { reverse: new Set<string>() };

describe('selectRoute', () => {
  it('dials the internal address directly', () => {
    assert.deepEqual(selectRoute(node, none, { order: ['direct'] }), {
      via: 'direct',
      destination: { host: '10.0.0.1', port: 10250, nodeName: 'n1' },
      reason: 'InternalIP 10.0.0.1',
      rejected: [],
    });
  });

  it('falls back to the external address, and never resolves a name', () => {
    const external = { ...node, addresses: node.addresses.slice(0, 2) };
    const route = selectRoute(external, none, { order: ['direct'] });
    assert.equal(route.via === 'direct' && route.destination.host, '203.0.113.1');
    const named = { ...node, addresses: [{ type: 'InternalIP', address: 'metadata.internal' }] };
    assert.deepEqual(selectRoute(named, none, { order: ['direct'] }), {
      via: undefined,
      reason: 'node "n1" has no InternalIP or ExternalIP address',
      rejected: [{ via: 'direct', reason: 'node "n1" has no InternalIP or ExternalIP address' }],
    });
  });

  it('says why it passed over what comes first', () => {
    const policy = { order: ['reverse', 'direct'] as const };
    assert.deepEqual(selectRoute(node, none, policy).rejected, [
      { via: 'reverse', reason: 'node "n1" has no tunnel open' },
    ]);
    assert.equal(selectRoute(node, { reverse: new Set(['n1']) }, policy).via, 'reverse');
    assert.equal(selectRoute(node, { reverse: new Set(['n2']) }, policy).via, 'direct');
  });

  it('has no route without a policy', () => {
    assert.deepEqual(selectRoute(node, none, { order: [] }), {
      via: undefined,
      reason: 'no way to nodes is configured',
      rejected: [],
    });
  });
});

describe('routeNode', () => {
  it('reads what a Node says, and takes 10250 for a port that is none', () => {
    const object = (port: number) => ({
      metadata: { name: 'n1', uid: 'u' },
      status: {
        addresses: [{ type: 'InternalIP', address: '::1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      },
    });
    assert.deepEqual(routeNode(object(4321)), {
      name: 'n1',
      uid: 'u',
      addresses: [{ type: 'InternalIP', address: '::1' }],
      kubeletPort: 4321,
    });
    assert.equal(routeNode(object(0)).kubeletPort, 10250);
    assert.equal(routeNode(object(70_000)).kubeletPort, 10250);
    assert.equal(routeNode({ metadata: { name: 'n1' } }).kubeletPort, 10250);
  });
});
