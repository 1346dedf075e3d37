import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodSpec } from './generated/types.ts';
import { Kind } from './testing/kinds.ts';

describe('zero values of fields that are no pointers', () => {
  const pods = new Kind('', 'Pod');
  const spec = {
    hostNetwork: false,
    nodeName: '',
    nodeSelector: {},
    tolerations: [],
    containers: [
      {
        name: 'c',
        image: 'i:1',
        tty: false,
        workingDir: '',
        env: [{ name: 'E', value: '' }],
        ports: [{ containerPort: 80, hostPort: 0, name: '' }],
        livenessProbe: { tcpSocket: { port: 80 }, initialDelaySeconds: 0 },
        securityContext: { allowPrivilegeEscalation: false, runAsUser: 0 },
      },
    ],
  };

  it('are not stored, as Kubernetes does not', () => {
    const stored = pods.created({ spec }).spec as PodSpec;
    for (const field of ['hostNetwork', 'nodeName', 'nodeSelector', 'tolerations']) {
      assert.equal(Object.hasOwn(stored, field), false, field);
    }
    const [container] = stored.containers;
    assert.deepEqual(container?.env, [{ name: 'E' }]);
    assert.deepEqual(container?.ports, [{ containerPort: 80, protocol: 'TCP' }]);
    assert.equal(container?.livenessProbe?.initialDelaySeconds, undefined);
    assert.deepEqual([container?.tty, container?.workingDir], [undefined, undefined]);
  });

  it('stay where zero and unset differ', () => {
    const stored = pods.created({
      spec: { ...spec, automountServiceAccountToken: false, terminationGracePeriodSeconds: 0 },
    });
    const { containers, automountServiceAccountToken, terminationGracePeriodSeconds } = stored.spec as PodSpec;
    assert.deepEqual(containers[0]?.securityContext, { allowPrivilegeEscalation: false, runAsUser: 0 });
    assert.deepEqual([automountServiceAccountToken, terminationGracePeriodSeconds], [false, 0]);
    assert.match(
      pods
        .update(stored, (o) => delete (o.spec as PodSpec).containers[0]!.securityContext!.allowPrivilegeEscalation)
        .errors.join(),
      /may not change fields other than/,
    );
  });

  it('are no change of a pod, nor a generation of a deployment', () => {
    assert.deepEqual(pods.update(pods.created({ spec }), (o) => Object.assign(o.spec as object, spec)).errors, []);
    const deployments = new Kind('apps', 'Deployment');
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const old = deployments.created({ spec: { selector: { matchLabels: { a: 'b' } }, template } });
    const { object } = deployments.update(old, (o) =>
      Object.assign(o.spec as object, { paused: false, minReadySeconds: 0 }),
    );
    assert.equal(object.metadata.generation, 1);
  });
});
