import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodSpec } from '../../api/generated/types.ts';
import type { KubeObject } from '../../api/object.ts';
import { namespace, readerOf, refusalOf, request } from '../testing/attributes.ts';
import { describeReasons, describeViolations, violations } from './evaluate.ts';
import { type Level, policyOf } from './level.ts';
import { defaultPodSecurity, PodSecurity } from './pod-security.ts';

type Spec = Record<string, unknown>;

/** A pod that keeps the restricted standard. */
const good: Spec = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    { name: 'c', image: 'i', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } },
  ],
};

/** `good` with changes to the pod and to the security context of its container. */
function pod(spec: Spec, context: Spec = {}, container: Spec = {}): Spec {
  const [first] = good['containers'] as Spec[];
  const securityContext = { ...(first?.['securityContext'] as Spec), ...context };
  const pods = { ...(good['securityContext'] as Spec), ...((spec['securityContext'] as Spec) ?? {}) };
  return { ...good, containers: [{ ...first, ...container, securityContext }], ...spec, securityContext: pods };
}

const check = (level: Level, spec: Spec, minor?: number, annotations: Record<string, string> = {}): string =>
  describeViolations(violations({ level, minor }, { annotations, spec: spec as unknown as PodSpec }));

test('a pod that keeps the restricted standard is fine at every level and version', () => {
  for (const level of ['privileged', 'baseline', 'restricted'] as const) {
    for (const minor of [undefined, 0, 8, 19, 22, 25, 31, 34, 35, 36, 99]) assert.equal(check(level, good, minor), '');
  }
});

test('each baseline control, with the sentence that Kubernetes gives', () => {
  const cases: [string, Spec, string][] = [
    [
      'host namespaces',
      pod({ hostNetwork: true, hostPID: true, hostIPC: true }),
      'host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)',
    ],
    [
      'privileged',
      pod({}, { privileged: true }),
      'privileged (container "c" must not set securityContext.privileged=true)',
    ],
    [
      'capabilities',
      pod({}, { capabilities: { drop: ['ALL'], add: ['SYS_ADMIN', 'NET_RAW', 'CHOWN'] } }),
      'non-default capabilities (container "c" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)',
    ],
    [
      'all capabilities',
      pod({}, { capabilities: { add: ['ALL'] } }),
      'non-default capabilities (container "c" must not include "ALL" in securityContext.capabilities.add)',
    ],
    [
      'lower case is another name',
      pod({}, { capabilities: { add: ['chown'] } }),
      'non-default capabilities (container "c" must not include "chown" in securityContext.capabilities.add)',
    ],
    [
      'host path',
      pod({
        volumes: [
          { name: 'a', hostPath: { path: '/' } },
          { name: 'b', hostPath: { path: '/x' } },
          { name: 'd', emptyDir: {} },
        ],
      }),
      'hostPath volumes (volumes "a", "b")',
    ],
    [
      'host port',
      pod(
        {},
        {},
        {
          ports: [
            { containerPort: 1, hostPort: 80 },
            { containerPort: 2, hostPort: 0 },
          ],
        },
      ),
      'hostPort (container "c" uses hostPort 80)',
    ],
    [
      'app armor field',
      pod(
        { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
        { appArmorProfile: { type: 'Unconfined' } },
      ),
      'forbidden AppArmor profile (pod and container "c" must not set AppArmor profile type to "Unconfined")',
    ],
    [
      'selinux',
      pod({ securityContext: { seLinuxOptions: { type: 'spc_t', user: 'u' } } }, { seLinuxOptions: { role: 'r' } }),
      'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set; role may not be set)',
    ],
    [
      'selinux user alone',
      pod({}, { seLinuxOptions: { user: 'u' } }),
      'seLinuxOptions (container "c" set forbidden securityContext.seLinuxOptions: user may not be set)',
    ],
    [
      'proc mount',
      pod({}, { procMount: 'Unmasked' }),
      'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ],
    [
      'seccomp',
      pod({}, { seccompProfile: { type: 'Unconfined' } }),
      'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [
      'sysctls',
      pod({
        securityContext: {
          sysctls: [
            { name: 'kernel.msgmax', value: '1' },
            { name: 'net.ipv4.tcp_syncookies', value: '1' },
          ],
        },
      }),
      'forbidden sysctls (kernel.msgmax)',
    ],
    [
      'host process',
      pod({ securityContext: { windowsOptions: { hostProcess: true } } }),
      'hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)',
    ],
    [
      'probe host',
      pod(
        {},
        {},
        {
          livenessProbe: { httpGet: { host: '169.254.169.254', port: 80 } },
          lifecycle: { preStop: { tcpSocket: { host: 'db', port: 1 } } },
        },
      ),
      'probe or lifecycle host (container "c" uses probe or lifecycle hosts "169.254.169.254", "db")',
    ],
  ];
  for (const [name, spec, expected] of cases) {
    assert.equal(check('baseline', spec), expected, name);
    assert.equal(check('privileged', spec), '', name);
    assert.notEqual(check('restricted', spec), '', `${name}: restricted includes baseline`);
  }
  assert.equal(
    check('baseline', good, undefined, { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' }),
    'forbidden AppArmor profile (annotation must not set AppArmor profile type to "container.apparmor.security.beta.kubernetes.io/c="unconfined"")',
  );
});

test('each restricted control, with the sentence that Kubernetes gives', () => {
  const cases: [Spec, string][] = [
    [
      pod({}, { allowPrivilegeEscalation: undefined }),
      'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
    ],
    [
      pod({}, { allowPrivilegeEscalation: true }),
      'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
    ],
    [
      pod({}, { capabilities: { add: ['CHOWN', 'NET_BIND_SERVICE'] } }),
      'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]; container "c" must not include "CHOWN" in securityContext.capabilities.add)',
    ],
    [
      pod({}, { capabilities: null }),
      'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])',
    ],
    [
      pod({ securityContext: { runAsNonRoot: false } }),
      'runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)',
    ],
    [
      pod({ securityContext: { runAsNonRoot: null } }),
      'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
    ],
    [
      pod({}, { runAsNonRoot: false }),
      'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
    ],
    [
      pod({ securityContext: { runAsUser: 0 } }, { runAsUser: 0 }),
      'runAsUser=0 (pod and container "c" must not set runAsUser=0)',
    ],
    [
      pod({ securityContext: { seccompProfile: undefined } }),
      'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ],
    [
      pod({
        volumes: [
          { name: 'a', hostPath: { path: '/' } },
          { name: 'b', nfs: {} },
        ],
      }),
      'restricted volume types (volumes "a", "b" use restricted volume types "hostPath", "nfs")',
    ],
    [
      pod({ hostUsers: false }, { procMount: 'Unmasked' }),
      'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ],
  ];
  for (const [spec, expected] of cases) assert.equal(check('restricted', spec), expected);
});

test("an ordinary pod breaks restricted in four points, in Kubernetes' order", () => {
  assert.equal(
    check('restricted', { containers: [{ name: 'c', image: 'i' }] }),
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), ' +
      'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), ' +
      'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), ' +
      'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  );
  const worst = violations(
    { level: 'restricted', minor: undefined },
    {
      annotations: {},
      spec: { hostNetwork: true, containers: [{ name: 'c', securityContext: { privileged: true } }] } as PodSpec,
    },
  );
  assert.equal(
    describeReasons(worst),
    'host namespaces, privileged, allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile',
  );
});

test('no kind of container is a way around', () => {
  for (const field of ['initContainers', 'ephemeralContainers']) {
    const sneaky = {
      ...good,
      [field]: [{ name: 'x', restartPolicy: 'Always', securityContext: { privileged: true } }],
    };
    assert.match(check('baseline', sneaky), /^privileged \(container "x"/, field);
    assert.match(
      check('restricted', sneaky),
      /container "x" must set securityContext.allowPrivilegeEscalation=false/,
      field,
    );
  }
});

test('a policy version brings the checks of that version', () => {
  const probe = pod({}, {}, { livenessProbe: { tcpSocket: { host: 'h', port: 1 } } });
  assert.equal(check('baseline', probe, 33), '');
  assert.notEqual(check('baseline', probe, 34), '');
  const rmem = pod({ securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } });
  assert.notEqual(check('baseline', rmem, 31), '');
  assert.equal(check('baseline', rmem, 32), '');
  const engine = pod({}, { seLinuxOptions: { type: 'container_engine_t' } });
  assert.notEqual(check('baseline', engine, 30), '');
  assert.equal(check('baseline', engine), '');
  const userNamespace = pod({ hostUsers: false, securityContext: { runAsNonRoot: undefined, runAsUser: 0 } });
  assert.notEqual(check('restricted', userNamespace, 34), '');
  assert.equal(check('restricted', userNamespace), '');
  assert.equal(check('baseline', pod({ hostUsers: false }, { procMount: 'Unmasked' })), '');
  const windows = pod({ os: { name: 'windows' } }, { allowPrivilegeEscalation: undefined, capabilities: undefined });
  assert.notEqual(check('restricted', windows, 24), '');
  assert.equal(check('restricted', windows, 25), '');
  const seccomp = { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' };
  assert.equal(
    check('baseline', good, 18, seccomp),
    'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")',
  );
  assert.equal(check('baseline', good, 19, seccomp), '');
});

test('labels are read strictly; what cannot be read enforces restricted', () => {
  const latest = (level: Level): { level: Level; minor: undefined } => ({ level, minor: undefined });
  const defaults = { enforce: latest('baseline'), audit: latest('baseline'), warn: latest('baseline') };
  const { policy, problems } = policyOf(
    {
      'pod-security.kubernetes.io/enforce': 'Privileged',
      'pod-security.kubernetes.io/enforce-version': 'v1.025',
      'pod-security.kubernetes.io/warn': 'restricted',
      'pod-security.kubernetes.io/warn-version': 'v1.25',
    },
    defaults,
  );
  assert.deepEqual(policy.enforce, { level: 'restricted', minor: undefined });
  assert.deepEqual(policy.warn, { level: 'restricted', minor: 25 });
  assert.deepEqual(policy.audit, { level: 'baseline', minor: undefined });
  assert.deepEqual(
    problems.map((one) => one.why),
    ['must be one of privileged, baseline, restricted', 'must be "latest" or "v1.x"'],
  );
});

const object = (spec: Spec, name = 'web'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec,
});
const labelled = (enforce: string, more: Record<string, string> = {}): KubeObject =>
  namespace('default', { 'pod-security.kubernetes.io/enforce': enforce, ...more });

test("a pod that breaks the enforced level is refused with Kubernetes' sentence", async () => {
  const plugin = new PodSecurity(readerOf(labelled('restricted')), defaultPodSecurity);
  const attempt = request('pods', { object: object(pod({}, { allowPrivilegeEscalation: true })) });
  const error = await refusalOf(plugin.validate(attempt));
  assert.equal(error.code, 'Forbidden');
  assert.equal(
    error.message,
    'pods "web" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
  );
  assert.equal(attempt.annotations.get('pod-security.kubernetes.io/enforce-policy'), 'restricted:latest');
  assert.deepEqual(attempt.warnings, []);
  const pinned = new PodSecurity(
    readerOf(labelled('baseline', { 'pod-security.kubernetes.io/enforce-version': 'v1.30' })),
    defaultPodSecurity,
  );
  assert.match(
    (await refusalOf(pinned.validate(request('pods', { object: object(pod({ hostPID: true })) })))).message,
    /PodSecurity "baseline:v1.30": host namespaces \(hostPID=true\)$/,
  );
});

test('a namespace without labels gets the default; kube-system is exempt; the default is an argument', async () => {
  const hostile = object(pod({ hostPID: true }));
  const plugin = new PodSecurity(readerOf(namespace('default'), namespace('kube-system')), defaultPodSecurity);
  assert.match(
    (await refusalOf(plugin.validate(request('pods', { object: hostile })))).message,
    /violates PodSecurity "baseline:latest"/,
  );
  await plugin.validate(request('pods', { object: hostile, namespace: 'kube-system' }));
  const lax = new PodSecurity(readerOf(namespace('default')), {
    ...defaultPodSecurity,
    defaults: { enforce: 'privileged', audit: 'privileged', warn: 'restricted' },
  });
  const warned = request('pods', { object: hostile });
  await lax.validate(warned);
  assert.equal(
    warned.warnings[0]?.startsWith('would violate PodSecurity "restricted:latest": host namespaces (hostPID=true)'),
    true,
  );
  assert.equal(
    (await refusalOf(plugin.validate(request('pods', { object: hostile, namespace: 'gone' })))).code,
    'InternalError',
  );
});

test('a workload is warned about, not refused; its pods are refused', async () => {
  const plugin = new PodSecurity(readerOf(namespace('default')), defaultPodSecurity);
  const template = { metadata: {}, spec: pod({ hostNetwork: true }) };
  const shapes: [string, Spec][] = [
    ['deployments.apps', { spec: { template } }],
    ['cronjobs.batch', { spec: { jobTemplate: { spec: { template } } } }],
    ['podtemplates', { template }],
  ];
  for (const [resource, body] of shapes) {
    const attempt = request(resource, { object: { metadata: { name: 'w' }, ...body } });
    await plugin.validate(attempt);
    assert.deepEqual(
      attempt.warnings,
      ['would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'],
      resource,
    );
  }
  await plugin.validate(request('replicationcontrollers', { object: { metadata: { name: 'w' }, spec: {} } }));
});

test('a debug container is checked; a label on an old pod is not', async () => {
  const plugin = new PodSecurity(readerOf(namespace('default')), defaultPodSecurity);
  const privileged = object(pod({}, { privileged: true }));
  const labelledPod = { ...privileged, metadata: { ...privileged.metadata, labels: { a: 'b' } } };
  await plugin.validate(request('pods', { operation: 'UPDATE', object: labelledPod, oldObject: privileged }));
  await plugin.validate(request('pods/status', { operation: 'UPDATE', object: labelledPod, oldObject: privileged }));
  const debug = object({ ...good, ephemeralContainers: [{ name: 'd', securityContext: { privileged: true } }] });
  const attempt = request('pods/ephemeralcontainers', { operation: 'UPDATE', object: debug, oldObject: object(good) });
  assert.match((await refusalOf(plugin.validate(attempt))).message, /privileged \(container "d"/);
  // A subresource that nobody knows yet is treated like the pod itself.
  assert.match((await refusalOf(plugin.validate(request('pods/new', { object: privileged })))).message, /privileged/);
});

test('a namespace with a label that cannot be read is invalid; a stricter level lists the pods that break it', async () => {
  const bad = namespace('default', { 'pod-security.kubernetes.io/enforce': 'strict' });
  const plugin = new PodSecurity(
    readerOf(object(pod({ hostPID: true }), 'b'), object(pod({ hostPID: true }), 'a'), object(good, 'c')),
    defaultPodSecurity,
  );
  const error = await refusalOf(plugin.validate(request('namespaces', { object: bad })));
  assert.equal(error.code, 'Invalid');
  assert.equal(
    error.message,
    'Namespace "default" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted',
  );
  // One that was stored so may still be changed otherwise.
  await plugin.validate(request('namespaces', { operation: 'UPDATE', object: bad, oldObject: bad }));
  const attempt = request('namespaces', {
    operation: 'UPDATE',
    object: labelled('baseline'),
    oldObject: labelled('privileged'),
  });
  await plugin.validate(attempt);
  assert.deepEqual(attempt.warnings, [
    'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
    'a (and 1 other pod): host namespaces',
  ]);
});
