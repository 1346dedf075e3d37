import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Pod, Service } from '../api/generated/types.ts';
import { planSlices } from './endpoint-slices.ts';
import { subsetsOf } from './endpoint-subsets.ts';
import { type Target, targetOf } from './endpoint-targets.ts';

function target(svc: Service, i: number, ips = [`10.0.0.${i}`], ready = true): Target {
  const made: Pod = {
    metadata: { name: `p${i}`, namespace: 'x', uid: `u${i}`, labels: { app: 'web' } },
    spec: { nodeName: 'n', containers: [] },
    status: { podIPs: ips.map((ip) => ({ ip })), conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
  const found = targetOf(made, svc);
  if (found === undefined) throw new Error('no target');
  return found;
}

const plain: Service = {
  metadata: { name: 'web', namespace: 'x', uid: 's' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80 }], ipFamilies: ['IPv4', 'IPv6'] },
};
const nowhere = (): undefined => undefined;

test('dual stack: slices of both families, one address of the first family in Endpoints, and no slice of a family that is dropped', () => {
  const both = [target(plain, 1, ['10.0.0.1', 'fd00::1']), target(plain, 2, ['10.0.0.2'])];
  const plan = planSlices(plain, both, [], nowhere);
  assert.deepEqual(
    plan.create.map((s) => [s.addressType, (s.endpoints ?? []).flatMap((e) => e.addresses)]),
    [
      ['IPv4', ['10.0.0.1', '10.0.0.2']],
      ['IPv6', ['fd00::1']],
    ],
  );
  assert.deepEqual(
    subsetsOf(plain, both).subsets[0]?.addresses?.map((a) => a.ip),
    ['10.0.0.1', '10.0.0.2'],
  );
  const known = plan.create.map((s, i) => ({ ...s, metadata: { ...s.metadata, name: `s${i}` } }));
  assert.deepEqual(planSlices(plain, both, known, nowhere), { create: [], update: [], remove: [] });
  const single: Service = { ...plain, spec: { ...plain.spec, ipFamilies: ['IPv6'] } };
  const after = planSlices(single, both, known, nowhere);
  assert.deepEqual(
    [after.create.length, after.update.length, after.remove.map((s) => s.addressType)],
    [0, 0, ['IPv4']],
  );
  assert.deepEqual(
    subsetsOf(single, both).subsets[0]?.addresses?.map((a) => a.ip),
    ['fd00::1'],
  );
});

test('slices are filled up before new ones are made, and emptied ones go', () => {
  const known = (name: string, from: number, to: number): EndpointSlice => {
    const [made] = planSlices(v4, range(from, to), [], nowhere).create as [EndpointSlice];
    return { ...made, metadata: { ...made.metadata, name } };
  };
  const v4: Service = { ...plain, spec: { ...plain.spec, ipFamilies: ['IPv4'] } };
  const range = (from: number, to: number): Target[] =>
    Array.from({ length: to - from }, (_, i) =>
      target(v4, from + i, [`10.0.${Math.floor((from + i) / 250)}.${(from + i) % 250}`]),
    );
  const [a, b] = [known('a', 0, 90), known('b', 100, 120)];
  const plan = planSlices(v4, [...range(0, 90), ...range(100, 240)], [a, b], nowhere);
  assert.deepEqual(
    plan.update.map((s) => [s.metadata.name, s.endpoints?.length]),
    [
      ['a', 100],
      ['b', 100],
    ],
  );
  assert.deepEqual(
    plan.create.map((s) => s.endpoints?.length),
    [30],
  );
  assert.deepEqual(plan.remove, []);
  const fewer = planSlices(v4, range(0, 90), [a, b], nowhere);
  assert.deepEqual([fewer.create, fewer.update, fewer.remove.map((s) => s.metadata.name)], [[], [], ['b']]);
  const none = planSlices(v4, [], [{ ...a, ports: [], endpoints: [] }], nowhere);
  assert.deepEqual(none, { create: [], update: [], remove: [] });
});

test('Endpoints of more than 1000 pods are cut, the ready ones first', () => {
  const all = Array.from({ length: 1010 }, (_, i) =>
    target(plain, i, [`10.${Math.floor(i / 250)}.0.${i % 250}`], i >= 20),
  );
  const { subsets, truncated } = subsetsOf(plain, all);
  assert.equal(truncated, true);
  assert.equal(subsets[0]?.addresses?.length, 990);
  assert.equal(subsets[0]?.notReadyAddresses?.length, 10);
  assert.equal(subsetsOf(plain, all.slice(0, 1000)).truncated, false);
});
