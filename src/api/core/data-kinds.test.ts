import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Kind } from '../testing/kinds.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('Secret', () => {
  const secrets = new Kind('', 'Secret');
  it('takes stringData as data that was not encoded', () => {
    const secret = secrets.created({
      data: { a: base64('1'), b: base64('2') },
      stringData: { b: 'zwei', __proto__x: 'ö' },
    });
    assert.deepEqual(secret.data, { a: base64('1'), b: base64('zwei'), __proto__x: base64('ö') });
    assert.equal(secret.stringData, undefined);
    assert.equal(secret.type, 'Opaque');
    const hostile = secrets.created(JSON.parse('{"stringData":{"__proto__":"x"}}') as object);
    assert.equal(JSON.stringify(hostile.data), `{"__proto__":"${base64('x')}"}`);
    assert.deepEqual(secrets.behaviour.validateCreate(hostile), []);
  });

  it('has keys that are file names, and at most a megabyte', () => {
    assert.deepEqual(secrets.createErrors({ data: { '..': '' } }), [`data[..]: Invalid value: "..": must not be '..'`]);
    assert.deepEqual(secrets.createErrors({ data: { a: base64('x'.repeat(1024 * 1024)) } }), []);
    assert.deepEqual(secrets.createErrors({ data: { a: base64('x'.repeat(1024 * 1024 + 1)) } }), [
      'data: Too long: may not be more than 1048576 bytes',
    ]);
  });

  it('holds what its type says, and never shows it', () => {
    const errors = (type: string, data?: object): string[] => secrets.createErrors({ type, data });
    assert.deepEqual(errors('kubernetes.io/tls', {}), [
      'data[tls.crt]: Required value',
      'data[tls.key]: Required value',
    ]);
    assert.deepEqual(errors('kubernetes.io/ssh-auth'), ['data[ssh-privatekey]: Required value']);
    assert.deepEqual(errors('kubernetes.io/basic-auth'), [
      'data[username]: Required value',
      'data[password]: Required value',
    ]);
    assert.deepEqual(errors('kubernetes.io/service-account-token'), [
      'metadata.annotations[kubernetes.io/service-account.name]: Required value',
    ]);
    assert.deepEqual(errors('kubernetes.io/dockerconfigjson'), ['data[.dockerconfigjson]: Required value']);
    assert.deepEqual(errors('kubernetes.io/dockerconfigjson', { '.dockerconfigjson': base64('hunter2') }), [
      'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be a valid JSON object',
    ]);
    assert.deepEqual(errors('kubernetes.io/dockercfg', { '.dockercfg': base64('{}') }), []);
  });

  it('keeps its type, and all of it when it is immutable', () => {
    const old = secrets.created({ type: 'a/b', data: { a: base64('1') } });
    assert.deepEqual(secrets.update(old, (o) => (o.type = 'Opaque')).errors, [
      'type: Invalid value: "Opaque": field is immutable',
    ]);
    const fixed = secrets.created({ immutable: true, data: { a: base64('1') } });
    const text = 'Forbidden: field is immutable when `immutable` is set';
    assert.deepEqual(secrets.update(fixed, (o) => (o.data = {})).errors, [`data: ${text}`]);
    assert.deepEqual(secrets.update(fixed, (o) => (o.immutable = false)).errors, [`immutable: ${text}`]);
    assert.deepEqual(secrets.update(fixed, (o) => (o.metadata.labels = { a: 'b' })).errors, []);
  });
});

describe('ConfigMap', () => {
  const maps = new Kind('', 'ConfigMap');
  it('has its keys once, and at most a megabyte', () => {
    assert.deepEqual(maps.createErrors({ data: { k: 'v' }, binaryData: { k: '' } }), [
      'data[k]: Invalid value: "k": duplicate of key present in binaryData',
    ]);
    assert.deepEqual(maps.createErrors({ data: { k: 'é'.repeat(512 * 1024) } }), []);
    assert.deepEqual(maps.createErrors({ data: { k: 'é'.repeat(512 * 1024), l: 'x' } }), [
      '[]: Too long: may not be more than 1048576 bytes',
    ]);
    assert.match(
      maps.createErrors({ data: { 'a/b': '' } }).join(),
      /^data\[a\/b\]: Invalid value: "a\/b": a valid config key/,
    );
  });
  it('can be immutable', () => {
    const fixed = maps.created({ immutable: true, data: { a: '1' } });
    assert.deepEqual(maps.update(fixed, (o) => (o.binaryData = { b: '' })).errors, [
      'binaryData: Forbidden: field is immutable when `immutable` is set',
    ]);
  });
});

describe('Namespace', () => {
  const namespaces = new Kind('', 'Namespace');
  it('starts active, with its name as a label and a finalizer', () => {
    const namespace = namespaces.created({}, 'team');
    assert.deepEqual(namespace.status, { phase: 'Active' });
    assert.deepEqual(namespace.spec, { finalizers: ['kubernetes'] });
    assert.deepEqual(namespace.metadata.labels, { 'kubernetes.io/metadata.name': 'team' });
  });
  it('cannot lose its label, nor its finalizer but by the finalize subresource', () => {
    const old = namespaces.created({}, 'team');
    const { object } = namespaces.update(old, (o) => {
      o.metadata.labels = { 'kubernetes.io/metadata.name': 'kube-system' };
      o.spec = { finalizers: [] };
      o.status = { phase: 'Terminating' };
    });
    assert.deepEqual(object.metadata.labels, { 'kubernetes.io/metadata.name': 'team' });
    assert.deepEqual(object.spec, { finalizers: ['kubernetes'] });
    assert.deepEqual(object.status, { phase: 'Active' });
    const finalized = namespaces.update(old, (o) => (o.spec = { finalizers: [] }), 'finalize');
    assert.deepEqual(finalized.object.spec, { finalizers: [] });
  });
});

describe('Node', () => {
  const nodes = new Kind('', 'Node');
  it('registers with its status, in canonical quantities', () => {
    const node = nodes.created({
      spec: { podCIDR: '10.1.0.0/24' },
      status: { capacity: { cpu: '2000m', memory: '1024Mi' } },
    });
    assert.deepEqual(node.status, {
      capacity: { cpu: '2', memory: '1Gi' },
      allocatable: { cpu: '2', memory: '1Gi' },
    });
    assert.deepEqual(node.spec, { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] });
    assert.deepEqual(nodes.behaviour.validateCreate(node), []);
  });
  it('keeps its pod network and its provider', () => {
    const old = nodes.created({ spec: { podCIDR: '10.1.0.0/24', providerID: 'x://1' } });
    assert.deepEqual(nodes.update(old, (o) => (o.spec = { podCIDRs: ['10.2.0.0/24'] })).errors, [
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
      'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ]);
    assert.deepEqual(nodes.update(old, (o) => Object.assign(o.spec as object, { unschedulable: true })).errors, []);
  });
  it('has taints, once each', () => {
    const taint = { key: 'a', effect: 'NoSchedule' };
    assert.deepEqual(nodes.createErrors({ spec: { taints: [taint, taint, { key: 'b', effect: '' }] } }), [
      'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule"}: taints must be unique by key and effect pair',
      'metadata.taints[2].effect: Required value',
    ]);
    assert.deepEqual(nodes.createErrors({ spec: { podCIDRs: ['10.0.0.1/24'] } }), [
      'spec.podCIDRs[0]: Invalid value: "10.0.0.1/24": must not have bits set beyond the prefix length',
    ]);
  });
});

describe('Event', () => {
  const events = new Kind('', 'Event');
  const modern = new Kind('events.k8s.io', 'Event');
  it('is about something of its own namespace', () => {
    assert.deepEqual(events.createErrors({ involvedObject: { kind: 'Pod', namespace: 'default' } }), []);
    assert.deepEqual(events.createErrors({ involvedObject: { kind: 'Pod', namespace: 'other' } }), [
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    ]);
    assert.deepEqual(events.createErrors({ involvedObject: { kind: 'Node' } }), []);
    assert.deepEqual(events.createErrors({ involvedObject: { kind: 'Node' }, metadata: { namespace: 'x' } }), [
      'involvedObject.namespace: Invalid value: "": does not match event.namespace',
    ]);
  });
  it('says who saw it when it carries eventTime', () => {
    const eventTime = '2026-01-01T00:00:00.000000Z';
    assert.deepEqual(
      events.createErrors({ involvedObject: { namespace: 'default' }, eventTime, reportingComponent: 'a.b/c' }),
      ['reportingInstance: Required value', 'action: Required value', 'reason: Required value'],
    );
    assert.deepEqual(modern.createErrors({ regarding: { namespace: 'default' }, type: 'Odd' }), [
      'eventTime: Required value',
      'type: Invalid value: "Odd": has invalid value: Odd',
    ]);
    const full = {
      regarding: { namespace: 'default' },
      eventTime,
      type: 'Normal',
      reportingController: 'x',
      reportingInstance: 'y',
      action: 'z',
      reason: 'r',
    };
    assert.deepEqual(modern.createErrors(full), []);
    assert.deepEqual(modern.createErrors({ ...full, note: 'n'.repeat(1025) }), [
      'note: Invalid value: "": can have at most 1024 bytes',
    ]);
  });
});

describe('Endpoints and EndpointSlice', () => {
  const endpoints = new Kind('', 'Endpoints');
  const slices = new Kind('discovery.k8s.io', 'EndpointSlice');
  it('have addresses that can be reached', () => {
    assert.deepEqual(endpoints.createErrors({ subsets: [{}] }), [
      'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
    ]);
    assert.deepEqual(
      endpoints.createErrors({ subsets: [{ addresses: [{ ip: '169.254.169.254' }], ports: [{ port: 80 }] }] }),
      [
        'subsets[0].addresses[0].ip: Invalid value: "169.254.169.254": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      ],
    );
    assert.deepEqual(
      endpoints.createErrors({ subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }, { port: 81 }] }] }),
      ['subsets[0].ports[0].name: Required value', 'subsets[0].ports[1].name: Required value'],
    );
    assert.deepEqual(
      slices.createErrors({
        addressType: 'IPv4',
        endpoints: [{ addresses: [] }, { addresses: ['0.0.0.0'] }, { addresses: ['::1'] }],
      }),
      [
        'endpoints[0].addresses: Required value: must contain at least 1 address',
        'endpoints[1].addresses[0]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0 or ::)',
        'endpoints[2].addresses[0]: Invalid value: "::1": must be an IPv4 address',
      ],
    );
  });
  it('have defaults, limits and a fixed address type', () => {
    const slice = slices.created({
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.1'] }],
      ports: [{ port: 80 }],
    });
    assert.deepEqual(slice.ports, [{ port: 80, name: '', protocol: 'TCP' }]);
    assert.deepEqual(
      slices.update(slice, (o) => (o.addressType = 'FQDN')).errors.at(-1),
      'addressType: Invalid value: "FQDN": field is immutable',
    );
    const many = Array.from({ length: 1001 }, (_, i) => ({ addresses: [`10.0.${i >> 8}.${i & 255}`] }));
    assert.deepEqual(slices.createErrors({ addressType: 'IPv4', endpoints: many }), [
      'endpoints: Too many: 1001: must have at most 1000 items',
    ]);
  });
});
