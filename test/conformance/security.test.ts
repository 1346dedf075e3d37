import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Pod, PodSpec, SecurityContext } from '../../src/api/generated/types.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  for (const level of ['privileged', 'restricted']) {
    await cluster.ok(['create', 'ns', level]);
    await cluster.ok(['label', 'ns', level, `pod-security.kubernetes.io/enforce=${level}`]);
    await cluster.ok(['wait', '--for=create', 'sa/default', '-n', level, '--timeout=10s']);
  }
});
after(() => cluster?.stop());

const refuse = (pod: object): Promise<string> => cluster.refused(['create', '-f', '-'], { stdin: JSON.stringify(pod) });

/** Runs a script to its end, and answers what it printed. */
async function output(
  name: string,
  script: string,
  securityContext: SecurityContext,
  spec: Partial<PodSpec> = {},
  namespace = 'default',
): Promise<string> {
  await cluster.create(
    shellPod(name, script, { namespace, spec: { restartPolicy: 'Never', ...spec }, container: { securityContext } }),
  );
  await cluster.until(`${name} to end`, async () =>
    ['Succeeded', 'Failed'].includes(
      await cluster.ok(['get', 'pod', name, '-n', namespace, '-o', 'jsonpath={.status.phase}']),
    ),
  );
  return cluster.ok(['logs', name, '-n', namespace]);
}

describe('PodSecurity', () => {
  const says = (name: string, what: string): string =>
    `Error from server (Forbidden): error when creating "STDIN": pods "${name}" is forbidden: violates PodSecurity "${what}`;

  it("refuses beyond the baseline, where nothing else is said, in Kubernetes' words", async () => {
    assert.equal(
      await refuse(shellPod('p', WAIT, { container: { securityContext: { privileged: true } } })),
      says('p', 'baseline:latest": privileged (container "main" must not set securityContext.privileged=true)'),
    );
    assert.equal(
      await refuse(shellPod('n', WAIT, { spec: { hostNetwork: true, hostPID: true } })),
      says('n', 'baseline:latest": host namespaces (hostNetwork=true, hostPID=true)'),
    );
    assert.equal(
      await refuse(
        shellPod('c', WAIT, {
          container: { securityContext: { capabilities: { add: ['NET_ADMIN', 'SYS_TIME', 'CHOWN'] } } },
        }),
      ),
      says(
        'c',
        'baseline:latest": non-default capabilities (container "main" must not include "NET_ADMIN", "SYS_TIME" in securityContext.capabilities.add)',
      ),
    );
    assert.equal(
      await refuse(shellPod('h', WAIT, { container: { ports: [{ containerPort: 80, hostPort: 80 }] } })),
      says('h', 'baseline:latest": hostPort (container "main" uses hostPort 80)'),
    );
  });

  it('refuses what is not restricted, where a namespace says so', async () => {
    assert.equal(
      await refuse(shellPod('r', WAIT, { namespace: 'restricted' })),
      says(
        'r',
        'restricted:latest": allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "main" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "main" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
      ),
    );
    const good: SecurityContext = {
      allowPrivilegeEscalation: false,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    };
    assert.match(
      await output('fine', 'id -u; grep -i nonewprivs /proc/self/status', good, {}, 'restricted'),
      /^[1-9]\d*\nNoNewPrivs:\t1\n$/,
    );
  });

  it('warns of a workload whose pods would be refused, and of a label that pods break', async () => {
    const template = {
      metadata: { labels: { a: 'b' } },
      spec: shellPod('', WAIT, { container: { securityContext: { privileged: true } } }).spec,
    };
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd' },
      spec: { replicas: 1, selector: { matchLabels: { a: 'b' } }, template },
    };
    const made = await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(deployment) });
    assert.equal(made.code, 0);
    assert.match(
      made.stderr,
      /^Warning: would violate PodSecurity "baseline:latest": privileged \(container "main" must not set securityContext\.privileged=true\)$/m,
    );
    await cluster.until('the event', async () =>
      (await cluster.ok(['get', 'events', '--field-selector=reason=FailedCreate'])).includes(
        'violates PodSecurity "baseline:latest"',
      ),
    );
    assert.equal(
      await cluster.ok([
        'get',
        'deploy',
        'd',
        '-o',
        'jsonpath={.status.conditions[?(@.type=="ReplicaFailure")].status}',
      ]),
      'True',
    );
    await cluster.ok(['delete', 'deploy', 'd']);
    await cluster.create(shellPod('weak', WAIT, { namespace: 'privileged' }));
    const label = await cluster.kubectl([
      'label',
      'ns',
      'privileged',
      'pod-security.kubernetes.io/enforce=restricted',
      '--overwrite',
      '--dry-run=server',
    ]);
    assert.match(
      label.stderr,
      /Warning: existing pods in namespace "privileged" violate the new PodSecurity enforce level "restricted:latest"\nWarning: weak: allowPrivilegeEscalation != false/,
    );
  });
});

/** Without root a node refuses by name what it cannot honour. */
async function refusedWithoutRoot(
  field: string,
  securityContext: SecurityContext,
  spec: Partial<PodSpec> = {},
): Promise<boolean> {
  if (cluster.isRoot) return false;
  const refusal = await refuse(shellPod('x', WAIT, { namespace: 'privileged', spec, container: { securityContext } }));
  assert.match(refusal, new RegExp(`cannot honour .*${field}`));
  return true;
}

describe('securityContext', { concurrency: 4 }, () => {
  it('says who runs: nobody in particular, or whom the pod names', async () => {
    assert.match(await output('nobody', 'id -u; id -g', {}), /^[1-9]\d*\n[1-9]\d*\n$/);
    if (await refusedWithoutRoot('runAsUser', { runAsUser: 1 })) return;
    if (await refusedWithoutRoot('fsGroup', {}, { securityContext: { fsGroup: 888 } })) return;
    assert.equal(
      await output(
        'somebody',
        'id -u; id -g; id -G',
        { runAsUser: 1234 },
        { securityContext: { runAsGroup: 2345, supplementalGroups: [777], fsGroup: 888 } },
      ),
      '1234\n2345\n2345 777 888\n',
    );
    assert.equal(
      await output('root', 'id -u; touch /tmp/x && echo written; touch /etc/x 2>/dev/null || echo refused', {
        runAsUser: 0,
      }),
      '0\nwritten\nrefused\n',
    );
  });

  it('takes capabilities away, and gives no new privileges', async () => {
    const caps = "grep -E '^Cap(Eff|Bnd)' /proc/self/status | cut -f2";
    assert.match(
      await output('nnp', 'grep NoNewPrivs /proc/self/status; grep Seccomp: /proc/self/status', {}),
      /^NoNewPrivs:\t1\nSeccomp:\t2\n$/,
    );
    if (await refusedWithoutRoot('capabilities\\.add', { capabilities: { add: ['NET_BIND_SERVICE'] } })) return;
    const [all, none] = await Promise.all([
      output('caps', caps, { runAsUser: 0 }),
      output('nocaps', caps, { runAsUser: 0, capabilities: { drop: ['ALL'] } }),
    ]);
    assert.equal(none, '0000000000000000\n0000000000000000\n');
    // containerd's default set, and nothing more.
    const DEFAULT = 0xa80425fbn;
    for (const line of all.trim().split('\n')) assert.equal(BigInt(`0x${line}`) & ~DEFAULT, 0n, line);
    assert.equal(
      await output('onecap', caps, { runAsUser: 0, capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }),
      '0000000000000400\n0000000000000400\n',
    );
  });

  it('makes all but volumes read-only', async () => {
    await cluster.create(
      shellPod('readonly', 'touch /tmp/x 2>&1 | grep -o "Read-only file system"; touch /v/x && echo volume written', {
        spec: { restartPolicy: 'Never', volumes: [{ name: 'v', emptyDir: {} }] },
        container: {
          securityContext: { readOnlyRootFilesystem: true },
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        },
      }),
    );
    await cluster.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/readonly', '--timeout=20s']);
    assert.equal(await cluster.ok(['logs', 'readonly']), 'Read-only file system\nvolume written\n');
  });

  it('does not run as root what must not', async () => {
    if (await refusedWithoutRoot('runAsUser', { runAsNonRoot: true, runAsUser: 0 })) return;
    await cluster.create(
      shellPod('nonroot', 'true', { container: { securityContext: { runAsNonRoot: true, runAsUser: 0 } } }),
    );
    const message = await cluster.until('the refusal', () =>
      cluster.ok(['get', 'pod', 'nonroot', '-o', 'jsonpath={.status.containerStatuses[0].state.waiting.message}']),
    );
    assert.match(
      message,
      /^container's runAsUser breaks non-root policy \(pod: "nonroot_default\([0-9a-f-]+\)", container: main\)$/,
    );
    assert.match(await cluster.ok(['get', 'pod', 'nonroot', '--no-headers']), / CreateContainerConfigError /);
    await cluster.ok(['delete', 'pod', 'nonroot', '--now']);
  });

  it('opens more where a namespace allows it', async () => {
    if (await refusedWithoutRoot('privileged', { privileged: true })) return;
    const hostname = await cluster.ok([
      'get',
      'nodes',
      '-o',
      'jsonpath={.items[0].metadata.labels.kubernetes\\.io/hostname}',
    ]);
    await cluster.create(shellPod('net', WAIT, { namespace: 'privileged', spec: { hostNetwork: true } }));
    await cluster.ok(['wait', '-n', 'privileged', '--for=condition=Ready', 'pod/net', '--timeout=20s']);
    const pod = await cluster.json<Pod>(['get', 'pod', 'net', '-n', 'privileged']);
    assert.equal(pod.status?.podIP, pod.status?.hostIP);
    assert.equal(
      await cluster
        .ok(['exec', '-n', 'privileged', 'net', '--', 'sh', '-c', 'cat /proc/net/dev | grep -c cw[0-9a-f]'])
        .then((t) => Number(t) > 0),
      true,
      `the network of ${hostname}`,
    );
    assert.match(
      await output(
        'priv',
        'grep CapEff /proc/self/status | cut -f2; id -u',
        { privileged: true, runAsUser: 0 },
        {},
        'privileged',
      ),
      /^0*[1-9a-f][0-9a-f]+\n0\n$/,
    );
    await cluster.ok(['delete', 'pod', 'net', '-n', 'privileged', '--now']);
  });
});

describe('limits', () => {
  it('of memory end what exceeds them', async (t) => {
    const made = await cluster.kubectl(['create', '-f', '-'], {
      stdin: JSON.stringify(
        shellPod('greedy', '', {
          spec: { restartPolicy: 'Never' },
          container: {
            command: [process.execPath, '-e', 'const kept = []; for (;;) kept.push(Buffer.alloc(4 << 20, 1));'],
            resources: { limits: { memory: '96Mi' } },
          },
        }),
      ),
    });
    if (made.code !== 0) {
      // Without cgroups the field cannot be honoured, and such a pod is refused by name.
      assert.match(made.stderr, /cannot honour .*resources\.limits\.memory/);
      t.diagnostic('this machine gives no memory limits');
      return;
    }
    const pod = await cluster.until('the end', async () => {
      const found = await cluster.json<Pod>(['get', 'pod', 'greedy']);
      return found.status?.phase === 'Failed' && found;
    });
    const ended = pod.status?.containerStatuses?.[0]?.state?.terminated;
    assert.deepEqual([ended?.reason, ended?.exitCode], ['OOMKilled', 137]);
    assert.match(await cluster.ok(['get', 'pod', 'greedy', '--no-headers']), / OOMKilled /);
    assert.equal(pod.status?.qosClass, 'Burstable');
  });
});
