import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodSpec } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import { Kind } from '../testing/kinds.ts';

const pods = new Kind('', 'Pod');
const specOf = (object: KubeObject): PodSpec => object.spec as PodSpec;
const stored = (parts: object = {}): KubeObject =>
  pods.created({ spec: { containers: [{ name: 'c', image: 'a:1' }], ...parts } });
const update = (old: KubeObject, change: (spec: PodSpec) => void, subresource = ''): string[] =>
  pods.update(old, (object) => change(specOf(object)), subresource).errors;

describe('updating a pod', () => {
  it('may change images, deadline and labels', () => {
    const old = stored({ initContainers: [{ name: 'i', image: 'x' }] });
    const { object, errors } = pods.update(old, (o) => {
      const [main] = specOf(o).containers;
      if (main !== undefined) main.image = 'a:2';
      const [init] = specOf(o).initContainers ?? [];
      if (init !== undefined) init.image = 'y';
      specOf(o).activeDeadlineSeconds = 5;
      o.metadata.labels = { a: 'b' };
    });
    assert.deepEqual(errors, []);
    assert.equal(object.metadata.generation, 2);
  });

  it('may change nothing else, and says what was tried', () => {
    const errors = update(stored(), (spec) => {
      spec.hostNetwork = true;
      spec.restartPolicy = 'Never';
    });
    assert.deepEqual(errors, [
      'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n' +
        'spec.restartPolicy: "Always" -> "Never"\nspec.hostNetwork: <unset> -> true',
    ]);
    for (const change of [
      (spec: PodSpec): unknown => (spec.nodeName = 'other'),
      (spec: PodSpec): unknown => (spec.serviceAccountName = 'admin'),
      (spec: PodSpec): unknown => (spec.volumes = [{ name: 'v', hostPath: { path: '/' } }]),
      (spec: PodSpec): unknown =>
        (spec.containers[0] = { ...spec.containers[0]!, securityContext: { privileged: true } }),
      (spec: PodSpec): unknown => (spec.ephemeralContainers = [{ name: 'e', image: 'i' }]),
    ]) {
      assert.match(update(stored(), change).join(), /pod updates may not change fields other than/);
    }
  });

  it('adds and removes no containers', () => {
    assert.deepEqual(
      update(stored(), (spec) => void spec.containers.push({ name: 'd', image: 'x' })),
      ['spec.containers: Forbidden: pod updates may not add or remove containers'],
    );
    assert.deepEqual(
      update(stored(), (spec) => (spec.containers[0]!.image = '')),
      ['spec.containers[0].image: Required value'],
    );
  });

  it('shortens a deadline and never lengthens it', () => {
    const old = stored({ activeDeadlineSeconds: 10 });
    assert.deepEqual(
      update(old, (spec) => (spec.activeDeadlineSeconds = 5)),
      [],
    );
    assert.deepEqual(
      update(old, (spec) => (spec.activeDeadlineSeconds = 11)),
      ['spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value'],
    );
    assert.deepEqual(
      update(old, (spec) => delete spec.activeDeadlineSeconds),
      ['spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value'],
    );
  });

  it('adds tolerations and removes gates', () => {
    const old = stored({ tolerations: [{ key: 'a', operator: 'Exists' }], schedulingGates: [{ name: 'g' }] });
    assert.deepEqual(
      update(old, (spec) => void spec.tolerations?.push({ key: 'b', operator: 'Exists' })),
      [],
    );
    assert.deepEqual(
      update(old, (spec) => (spec.tolerations = [])),
      ['spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds'],
    );
    assert.deepEqual(
      update(old, (spec) => (spec.schedulingGates = [])),
      [],
    );
    assert.deepEqual(
      update(old, (spec) => (spec.schedulingGates = [{ name: 'h' }])),
      ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'"],
    );
  });

  it('narrows a gated pod to fewer nodes', () => {
    const old = stored({ schedulingGates: [{ name: 'g' }], nodeSelector: { a: 'b' } });
    assert.deepEqual(
      update(old, (spec) => (spec.nodeSelector = { a: 'b', c: 'd' })),
      [],
    );
    assert.deepEqual(
      update(old, (spec) => (spec.nodeSelector = { c: 'd' })),
      [
        'spec.nodeSelector: Invalid value: {"c":"d"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      ],
    );
    assert.match(
      update(stored({ nodeSelector: { a: 'b' } }), (spec) => (spec.nodeSelector = {})).join(),
      /may not change/,
    );
  });
});

describe('the ephemeralcontainers subresource', () => {
  const add = (old: KubeObject, list: PodSpec['ephemeralContainers']): ReturnType<Kind['update']> =>
    pods.update(old, (o) => (specOf(o).ephemeralContainers = list), 'ephemeralcontainers');

  it('adds a debugger and changes nothing else', () => {
    const { object, errors } = pods.update(
      stored(),
      (o) => {
        specOf(o).ephemeralContainers = [
          { name: 'debug', image: 'busybox', targetContainerName: 'c', stdin: true, tty: true },
        ];
        specOf(o).hostNetwork = true;
      },
      'ephemeralcontainers',
    );
    assert.deepEqual(errors, []);
    assert.equal(specOf(object).hostNetwork, undefined);
    assert.equal(specOf(object).ephemeralContainers?.[0]?.terminationMessagePolicy, 'File');
    assert.equal(object.metadata.generation, 2);
  });

  it('changes and removes none', () => {
    const old = add(stored(), [{ name: 'debug', image: 'busybox' }]).object;
    assert.deepEqual(add(old, []).errors, [
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n',
    ]);
    assert.match(
      add(old, [{ name: 'debug', image: 'other' }]).errors.join(),
      /existing ephemeral containers "debug" may not be changed\nspec.ephemeralContainers.image: "busybox" -> "other"/,
    );
  });

  it('refuses what makes a workload of it', () => {
    assert.deepEqual(
      add(stored(), [{ name: 'c', image: 'i', targetContainerName: 'nope', ports: [{ containerPort: 80 }] }]).errors,
      [
        'spec.ephemeralContainers[0].name: Duplicate value: "c"',
        'spec.ephemeralContainers[0].targetContainerName: Not found: "nope"',
        'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
      ],
    );
  });
});

describe('the resize subresource', () => {
  it('changes cpu and memory only', () => {
    const old = stored({ containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }] });
    assert.deepEqual(
      update(old, (spec) => (spec.containers[0]!.resources = { requests: { cpu: '2' } }), 'resize'),
      [],
    );
    assert.deepEqual(
      update(old, (spec) => (spec.containers[0]!.image = 'x'), 'resize'),
      ['spec: Forbidden: only cpu and memory resources are mutable'],
    );
  });
});
