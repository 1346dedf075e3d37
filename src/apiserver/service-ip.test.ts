import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { KubeObject } from '../api/object.ts';
import { CausewayError } from '../lib/errors.ts';
import { ServiceAllocator } from './service-ip.ts';

let allocator: ServiceAllocator;

beforeEach(() => {
  allocator = new ServiceAllocator({ cidr: '10.0.0.0/29', nodePorts: { first: 30000, last: 30002 }, random: () => 0 });
});

function service(name: string, spec: Record<string, unknown> = {}): KubeObject {
  return {
    metadata: { name, namespace: 'default' },
    spec: { type: 'ClusterIP', ports: [{ port: 80, protocol: 'TCP' }], ...spec },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into specs of any shape
const specOf = (object: KubeObject): any => object['spec'];

async function store(object: KubeObject, old?: KubeObject): Promise<KubeObject> {
  (await allocator.reserve(object, old))(true);
  return object;
}

async function refusal(object: KubeObject, old?: KubeObject): Promise<string> {
  try {
    await allocator.reserve(object, old);
  } catch (error) {
    assert.ok(error instanceof CausewayError);
    return error.message;
  }
  return 'allowed';
}

describe('ServiceAllocator', () => {
  it('keeps the first address for the apiserver and gives out each other once, until none is left', async () => {
    assert.equal(allocator.apiserverIp, '10.0.0.1');
    const given: string[] = [];
    for (let i = 0; i < 5; i++) given.push(specOf(await store(service(`s${i}`))).clusterIP);
    assert.deepEqual(given, ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
    assert.equal(await refusal(service('s6')), 'failed to allocate a serviceIP: range is full');
  });

  it('fills in what goes with an address', async () => {
    const spec = specOf(await store(service('a')));
    assert.deepEqual(
      [spec.clusterIP, spec.clusterIPs, spec.ipFamilies, spec.ipFamilyPolicy],
      ['10.0.0.2', ['10.0.0.2'], ['IPv4'], 'SingleStack'],
    );
    const headless = specOf(await store(service('b', { clusterIP: 'None' })));
    assert.deepEqual(headless.clusterIPs, ['None']);
    const external = specOf(await store(service('c', { type: 'ExternalName', externalName: 'x.y' })));
    assert.equal(external.clusterIP, undefined);
  });

  it('gives an address back when the write fails, and when the Service goes', async () => {
    const first = service('a');
    (await allocator.reserve(first, undefined))(false);
    const second = await store(service('b'));
    assert.equal(specOf(second).clusterIP, '10.0.0.2');
    allocator.released(second);
    assert.equal(specOf(await store(service('c'))).clusterIP, '10.0.0.2');
  });

  it('gives an asked-for address to one only, and none outside its range', async () => {
    await store(service('a', { clusterIP: '10.0.0.5' }));
    assert.equal(
      await refusal(service('b', { clusterIP: '10.0.0.5' })),
      'Service "b" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.5"]: failed to allocate IP 10.0.0.5: provided IP is already allocated',
    );
    assert.match(await refusal(service('b', { clusterIP: '10.0.0.1' })), /provided IP is already allocated$/);
    for (const ip of ['10.0.0.0', '10.0.0.7', '10.0.1.1', '10.0.0.05', 'x', '::1']) {
      assert.match(await refusal(service('b', { clusterIP: ip })), /The range of valid IPs is 10\.0\.0\.0\/29$/, ip);
    }
  });

  it('takes what stored Services hold as taken', async () => {
    allocator.load([
      service('old', { clusterIP: '10.0.0.2', type: 'NodePort', ports: [{ port: 80, nodePort: 30000 }] }),
    ]);
    const fresh = specOf(await store(service('new', { type: 'NodePort' })));
    assert.equal(fresh.clusterIP, '10.0.0.3');
    assert.equal(fresh.ports[0].nodePort, 30001);
  });

  it('allocates node ports, checks asked-for ones, and gives one number to TCP and UDP', async () => {
    const both = await store(
      service('a', {
        type: 'NodePort',
        ports: [
          { port: 53, protocol: 'TCP', nodePort: 30001 },
          { port: 53, protocol: 'UDP', nodePort: 30001 },
        ],
      }),
    );
    assert.equal(specOf(both).ports[1].nodePort, 30001);
    assert.equal(
      await refusal(service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] })),
      'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated',
    );
    assert.equal(
      await refusal(service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] })),
      'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-30002',
    );
    // What a refused Service had reserved is free again.
    assert.match(
      await refusal(
        service('b', {
          type: 'NodePort',
          ports: [
            { port: 1, nodePort: 30000 },
            { port: 2, nodePort: 30001 },
          ],
        }),
      ),
      /already allocated/,
    );
    assert.equal(specOf(await store(service('c', { type: 'NodePort' }))).ports[0].nodePort, 30000);
  });

  it('keeps addresses over an update that does not name them, and frees those that an update drops', async () => {
    const old = await store(service('a', { type: 'NodePort' }));
    const same = await store(service('a', { type: 'NodePort' }), old);
    assert.deepEqual([specOf(same).clusterIP, specOf(same).ports[0].nodePort], ['10.0.0.2', 30000]);
    const internal = service('a', { type: 'ClusterIP', clusterIP: '10.0.0.2', ports: [{ port: 80, nodePort: 30000 }] });
    await store(internal, same);
    assert.equal(specOf(internal).ports[0].nodePort, undefined);
    await store(service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 30000 }] }));
    const named = service('a', { type: 'ExternalName', externalName: 'x.y' });
    await store(named, internal);
    await store(service('c', { clusterIP: '10.0.0.2' }));
  });

  it('refuses families that the cluster has not', async () => {
    assert.match(
      await refusal(service('a', { ipFamilies: ['IPv6'] })),
      /spec\.ipFamilies\[0\]: Invalid value: "IPv6": not configured on this cluster/,
    );
    assert.match(
      await refusal(service('a', { ipFamilyPolicy: 'RequireDualStack' })),
      /this cluster is not configured for dual-stack services/,
    );
  });

  it('refuses ranges that make no sense', () => {
    for (const cidr of ['10.0.0.0', '10.0.0.0/30', '10.0.0.0/4', 'fd00::/108', '300.0.0.0/16']) {
      assert.throws(
        () => new ServiceAllocator({ cidr, nodePorts: { first: 1, last: 2 }, random: () => 0 }),
        /service range/,
        cidr,
      );
    }
  });
});
