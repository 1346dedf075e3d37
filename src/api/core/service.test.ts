import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServiceSpec } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import { Kind } from '../testing/kinds.ts';

const services = new Kind('', 'Service');
const ports = [{ port: 80 }];
const errors = (spec: object): string[] => services.createErrors({ spec: { ports, ...spec } });
const specOf = (object: KubeObject): ServiceSpec => object.spec as ServiceSpec;
/** As if the allocator had run. */
const allocated = (spec: object = {}): KubeObject =>
  services.created({ spec: { ports, clusterIP: '10.0.0.5', ...spec } });

describe('a Service on create', () => {
  it('gets the defaults that Kubernetes stores', () => {
    const service = services.created({
      spec: { selector: { a: 'b' }, ports: [{ port: 80 }, { name: 'x', port: 81, targetPort: 'http' }] },
    });
    assert.deepEqual(service.spec, {
      selector: { a: 'b' },
      ports: [
        { port: 80, protocol: 'TCP', targetPort: 80 },
        { name: 'x', port: 81, protocol: 'TCP', targetPort: 'http' },
      ],
      sessionAffinity: 'None',
      type: 'ClusterIP',
      internalTrafficPolicy: 'Cluster',
      ipFamilyPolicy: 'SingleStack',
      ipFamilies: ['IPv4'],
    });
    assert.deepEqual(service.status, { loadBalancer: {} });
    assert.deepEqual(specOf(services.created({ spec: { clusterIP: 'None', ports } })).clusterIPs, ['None']);
    assert.equal(specOf(services.created({ spec: { type: 'NodePort', ports } })).externalTrafficPolicy, 'Cluster');
    assert.equal(
      specOf(services.created({ spec: { type: 'LoadBalancer', ports } })).allocateLoadBalancerNodePorts,
      true,
    );
    assert.deepEqual(specOf(services.created({ spec: { sessionAffinity: 'ClientIP', ports } })).sessionAffinityConfig, {
      clientIP: { timeoutSeconds: 10800 },
    });
    const external = specOf(services.created({ spec: { type: 'ExternalName', externalName: 'e.com' } }));
    assert.deepEqual([external.ipFamilies, external.internalTrafficPolicy], [undefined, undefined]);
  });

  it('is refused in the words of Kubernetes', () => {
    assert.deepEqual(services.createErrors({ spec: {} }), ['spec.ports: Required value']);
    assert.deepEqual(services.createErrors({ spec: { clusterIP: 'None' } }), []);
    assert.deepEqual(
      errors({ type: 'Magic' })[0],
      'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    );
    assert.deepEqual(errors({ ports: [{ port: 80 }, { port: 81 }] }), [
      'spec.ports[0].name: Required value',
      'spec.ports[1].name: Required value',
    ]);
    assert.deepEqual(errors({ ports: [{ port: 0 }] }).slice(0, 1), [
      'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
    ]);
    assert.deepEqual(
      errors({
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 80 },
        ],
      }),
      ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'],
    );
    assert.deepEqual(errors({ ports: [{ port: 80, nodePort: 30000 }] }), [
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ]);
    assert.deepEqual(errors({ type: 'NodePort', clusterIP: 'None' }), [
      `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services`,
    ]);
    assert.deepEqual(services.createErrors({ spec: { type: 'ExternalName' } }), ['spec.externalName: Required value']);
    assert.deepEqual(errors({ sessionAffinity: 'Sticky' }), [
      'spec.sessionAffinity: Unsupported value: "Sticky": supported values: "ClientIP", "None"',
    ]);
    assert.deepEqual(errors({ clusterIP: '1.2.3' }), [
      'spec.clusterIPs[0]: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ]);
    assert.deepEqual(errors({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.2'] }), [
      'spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`',
    ]);
    assert.deepEqual(errors({ externalIPs: ['169.254.0.1'] }).length, 1);
    assert.deepEqual(errors({ externalTrafficPolicy: 'Local' }), [
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ]);
    assert.deepEqual(errors({ loadBalancerSourceRanges: ['10.0.0.0/8'] }), [
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ]);
  });
});

describe('a Service on update', () => {
  it('keeps what the server gave when the client leaves it out', () => {
    const old = allocated({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
    const { object, errors: problems } = services.update(
      old,
      (o) => (o.spec = { type: 'NodePort', ports: [{ port: 80 }] }),
    );
    assert.deepEqual(problems, []);
    assert.deepEqual([specOf(object).clusterIP, specOf(object).clusterIPs], ['10.0.0.5', ['10.0.0.5']]);
    assert.equal(specOf(object).ports?.[0]?.nodePort, 30080);
  });

  it('does not change an address', () => {
    assert.deepEqual(
      services.update(allocated(), (o) => Object.assign(specOf(o), { clusterIP: '10.0.0.6', clusterIPs: ['10.0.0.6'] }))
        .errors,
      ['spec.clusterIPs[0]: Invalid value: ["10.0.0.6"]: may not change once set'],
    );
  });

  it('drops what belongs to the former type', () => {
    const old = allocated({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
    const inner = services.update(old, (o) => (specOf(o).type = 'ClusterIP'));
    assert.deepEqual(inner.errors, []);
    assert.equal(specOf(inner.object).ports?.[0]?.nodePort, undefined);
    assert.equal(specOf(inner.object).externalTrafficPolicy, undefined);
    const named = services.update(old, (o) =>
      Object.assign(specOf(o), { type: 'ExternalName', externalName: 'e.com' }),
    );
    assert.deepEqual(named.errors, []);
    assert.equal(specOf(named.object).clusterIP, undefined);
  });

  it('reports a load balancer only where there is one', () => {
    const status = (o: KubeObject): unknown => (o.status = { loadBalancer: { ingress: [{ ip: '1.1.1.1' }] } });
    assert.deepEqual(services.update(allocated(), status, 'status').errors, [
      "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'",
    ]);
    const balanced = services.update(allocated({ type: 'LoadBalancer' }), status, 'status');
    assert.deepEqual(balanced.errors, []);
    assert.deepEqual(balanced.object.status, { loadBalancer: { ingress: [{ ip: '1.1.1.1', ipMode: 'VIP' }] } });
  });
});
