import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Kind } from '../testing/kinds.ts';

const pods = new Kind('', 'Pod');
const container = { name: 'c', image: 'busybox' };
const spec = { containers: [container] };
const errors = (parts: object): string[] => pods.createErrors({ spec: { ...spec, ...parts } });

describe('a pod on create', () => {
  it('gets the defaults that Kubernetes stores', () => {
    const pod = pods.created({
      spec: {
        containers: [
          {
            name: 'c',
            image: 'busybox',
            ports: [{ containerPort: 80 }],
            env: [{ name: 'N', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
            livenessProbe: { httpGet: { port: 80 } },
            readinessProbe: { grpc: { port: 9000 } },
            resources: { limits: { cpu: '0.5', memory: '1024Mi' } },
          },
        ],
        volumes: [
          { name: 'a' },
          { name: 'b', secret: { secretName: 's' } },
          { name: 'h', hostPath: { path: '/x' } },
          { name: 'p', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
        ],
        serviceAccountName: 'default',
      },
    });
    assert.deepEqual(pod.spec, {
      containers: [
        {
          name: 'c',
          image: 'busybox',
          imagePullPolicy: 'Always',
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
          ports: [{ containerPort: 80, protocol: 'TCP' }],
          env: [{ name: 'N', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } }],
          livenessProbe: {
            httpGet: { path: '/', port: 80, scheme: 'HTTP' },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          readinessProbe: {
            grpc: { port: 9000, service: '' },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          resources: { limits: { cpu: '500m', memory: '1Gi' }, requests: { cpu: '500m', memory: '1Gi' } },
        },
      ],
      volumes: [
        { name: 'a', emptyDir: {} },
        { name: 'b', secret: { secretName: 's', defaultMode: 420 } },
        { name: 'h', hostPath: { path: '/x', type: '' } },
        {
          name: 'p',
          projected: {
            defaultMode: 420,
            sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3600 } }],
          },
        },
      ],
      dnsPolicy: 'ClusterFirst',
      restartPolicy: 'Always',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
      schedulerName: 'default-scheduler',
      enableServiceLinks: true,
      serviceAccountName: 'default',
      serviceAccount: 'default',
    });
    assert.deepEqual(pod.status, { phase: 'Pending', qosClass: 'Guaranteed' });
    assert.equal(pod.metadata.generation, 1);
    assert.deepEqual(pods.behaviour.validateCreate(pod), []);
  });

  it('pulls by the tag', () => {
    const policy = (image: string): unknown =>
      (
        pods.created({ spec: { containers: [{ name: 'c', image }] } }).spec as {
          containers: { imagePullPolicy: string }[];
        }
      ).containers[0]?.imagePullPolicy;
    assert.equal(policy('busybox'), 'Always');
    assert.equal(policy('busybox:latest'), 'Always');
    assert.equal(policy('localhost:5000/busybox'), 'Always');
    assert.equal(policy('localhost:5000/busybox:1'), 'IfNotPresent');
    assert.equal(policy(`busybox@sha256:${'a'.repeat(64)}`), 'IfNotPresent');
  });

  it('takes host ports on the network of the host', () => {
    const pod = pods.created({
      spec: { hostNetwork: true, containers: [{ ...container, ports: [{ containerPort: 80 }] }] },
    });
    assert.deepEqual((pod.spec as { containers: { ports: unknown }[] }).containers[0]?.ports, [
      { containerPort: 80, hostPort: 80, protocol: 'TCP' },
    ]);
    assert.deepEqual(
      pods.createErrors({
        spec: { hostNetwork: true, containers: [{ ...container, ports: [{ containerPort: 80, hostPort: 81 }] }] },
      }),
      [
        'spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true',
      ],
    );
  });

  it('drops a status that the client made up, and the quality class follows the resources', () => {
    const quality = (...list: object[]): unknown =>
      pods.created({
        status: { phase: 'Running', qosClass: 'Guaranteed', podIP: '1.2.3.4' },
        spec: { containers: list.map((resources, i) => ({ ...container, name: `c${i}`, resources })) },
      }).status;
    const all = { cpu: '1', memory: '1Gi' };
    assert.deepEqual(quality({}), { phase: 'Pending', qosClass: 'BestEffort' });
    assert.deepEqual(quality({ limits: all }, { limits: all }), { phase: 'Pending', qosClass: 'Guaranteed' });
    assert.deepEqual(quality({ limits: all }, {}), { phase: 'Pending', qosClass: 'Burstable' });
    assert.deepEqual(quality({ requests: { cpu: '1' } }), { phase: 'Pending', qosClass: 'Burstable' });
    assert.deepEqual(quality({ requests: { cpu: '500m', memory: '1Gi' }, limits: all }), {
      phase: 'Pending',
      qosClass: 'Burstable',
    });
  });

  it('says that it waits for gates', () => {
    const pod = pods.created({ spec: { ...spec, schedulingGates: [{ name: 'a.b/c' }] } });
    assert.deepEqual((pod.status as { conditions: object[] }).conditions, [
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates',
      },
    ]);
    assert.deepEqual(errors({ schedulingGates: [{ name: 'a' }], nodeName: 'n' }), [
      'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
    ]);
  });

  it('is refused in the words of Kubernetes', () => {
    assert.deepEqual(pods.createErrors({}), ['spec.containers: Required value']);
    assert.deepEqual(errors({ containers: [] }), ['spec.containers: Required value']);
    assert.deepEqual(errors({ restartPolicy: 'Sometimes' }), [
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ]);
    assert.deepEqual(errors({ activeDeadlineSeconds: 0 }), [
      'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
    ]);
    assert.deepEqual(errors({ ephemeralContainers: [{ name: 'e', image: 'i' }] }), [
      'spec.ephemeralContainers: Forbidden: cannot be set on create',
    ]);
    assert.deepEqual(errors({ hostUsers: false, hostPID: true }), [
      'spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false',
    ]);
    assert.match(
      errors({ serviceAccountName: 'A' }).join(),
      /^spec.serviceAccountName: Invalid value: "A": a lowercase/,
    );
    assert.match(errors({ hostname: 'a.b' }).join(), /^spec.hostname: Invalid value: "a.b": must not contain dots$/);
    assert.deepEqual(errors({ dnsPolicy: 'None' }), [
      'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
    ]);
    assert.deepEqual(errors({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.2.3'] } }), [
      'spec.dnsConfig.nameservers[0]: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ]);
    assert.deepEqual(errors({ containers: [{ name: 'c', image: ' i' }] }), [
      'spec.containers[0].image: Invalid value: " i": must not have leading or trailing whitespace',
    ]);
    assert.deepEqual(
      errors({ volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] }),
      [
        'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set',
      ],
    );
    assert.match(
      errors({ nodeSelector: { a: 'b c' } }).join(),
      /^spec.nodeSelector: Invalid value: "b c": a valid label must be/,
    );
  });
});

describe('deleting a pod', () => {
  const seconds = (parts: object, requested?: number): number | undefined =>
    pods.behaviour.gracefulDeletion?.(pods.object(parts), requested);
  it('leaves the time that was asked for, or that the pod wants', () => {
    const running = { spec: { nodeName: 'n', terminationGracePeriodSeconds: 30 }, status: { phase: 'Running' } };
    assert.equal(seconds(running), 30);
    assert.equal(seconds(running, 5), 5);
    assert.equal(seconds(running, 0), 0);
    assert.equal(seconds({ ...running, spec: { nodeName: 'n', terminationGracePeriodSeconds: -1 } }), 1);
  });
  it('is immediate before the pod runs and after it ended', () => {
    assert.equal(seconds({ spec: { terminationGracePeriodSeconds: 30 } }), 0);
    for (const phase of ['Succeeded', 'Failed']) {
      assert.equal(seconds({ spec: { nodeName: 'n', terminationGracePeriodSeconds: 30 }, status: { phase } }, 9), 0);
    }
  });
});

describe('the status of a pod', () => {
  const stored = pods.created({ spec: { ...spec, restartPolicy: 'Never' } });
  const report = (status: object): ReturnType<Kind['update']> =>
    pods.update(stored, (o) => (o.status = { ...(o.status as object), ...status }), 'status');

  it('keeps address and addresses alike, and the quality class', () => {
    assert.deepEqual(report({ podIP: '10.0.0.1', hostIP: '1.1.1.1' }).object.status, {
      phase: 'Pending',
      qosClass: 'BestEffort',
      podIP: '10.0.0.1',
      podIPs: [{ ip: '10.0.0.1' }],
      hostIP: '1.1.1.1',
      hostIPs: [{ ip: '1.1.1.1' }],
    });
    assert.deepEqual((report({ podIPs: [{ ip: '10.0.0.2' }] }).object.status as { podIP: string }).podIP, '10.0.0.2');
    assert.deepEqual(report({ qosClass: 'Guaranteed' }).errors, [
      'status.qosClass: Invalid value: "Guaranteed": field is immutable',
    ]);
    assert.deepEqual(report({ podIPs: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }] }).errors, [
      'status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family',
    ]);
  });

  it('never brings a finished container back', () => {
    const ended = structuredClone(stored);
    ended.status = {
      phase: 'Running',
      qosClass: 'BestEffort',
      containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 0 } } }],
    };
    const revived = pods.update(
      ended,
      (o) => ((o.status as { containerStatuses: unknown }).containerStatuses = [{ name: 'c', state: { running: {} } }]),
      'status',
    );
    assert.deepEqual(revived.errors, [
      'status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state',
    ]);
  });

  it('cannot touch spec or owners', () => {
    const { object } = pods.update(
      stored,
      (o) => {
        (o.spec as { nodeName: string }).nodeName = 'n';
        o.metadata.ownerReferences = [{ apiVersion: 'v1', kind: 'X', name: 'y', uid: 'z' }];
      },
      'status',
    );
    assert.deepEqual(object.spec, stored.spec);
    assert.equal(object.metadata.ownerReferences, undefined);
  });
});
