import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import type { ResourceDefinition, Scheme } from '../api/scheme.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { RbacReader } from '../authz/rbac/objects.ts';
import { RbacAuthorizer } from '../authz/rbac/rbac-authorizer.ts';
import { ProtocolError } from '../lib/errors.ts';
import { AdmissionChain } from './chain.ts';
import { type AdmissionDeps, defaultPlugins } from './default-plugins.ts';
import { defaultPodSecurity } from './pod-security/pod-security.ts';
import { systemPriorityClasses } from './priority.ts';
import { namespace, readerOf, refusalOf, request } from './testing/attributes.ts';

const allowed = new Set<string>();
const authorizer: Authorizer = {
  name: 'test',
  authorize: async (attributes) => {
    const { verb, resource, subresource, name } = attributes;
    const key = `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`} ${name}`;
    return { verdict: allowed.has(key) ? 'allow' : 'no-opinion', reason: '' };
  },
};

const noRoles: RbacReader = {
  generation: () => 1,
  clusterRoles: () => [],
  clusterRoleBindings: () => [],
  roles: () => [],
  roleBindings: () => [],
};

const scheme: Scheme = {
  resources: [],
  groups: [],
  find: () => undefined,
  findKind: (_group, _version, kind) =>
    kind === 'ReplicaSet' ? ({ plural: 'replicasets', namespaced: true } as ResourceDefinition) : undefined,
};

const priorityClass = (name: string, value: number, more: object = {}): KubeObject => ({
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  metadata: { name },
  value,
  ...more,
});

const reader = readerOf(
  namespace('default'),
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } },
  priorityClass('high', 1000, { preemptionPolicy: 'Never' }),
);

const deps: AdmissionDeps = {
  reader,
  liveReader: reader,
  authorizer,
  escalation: { rbac: new RbacAuthorizer(noRoles), authorizer },
  scheme,
  podSecurity: defaultPodSecurity,
  unsupportedPodFields: (pod) =>
    (pod['spec'] as { runtimeClassName?: string }).runtimeClassName ? ['spec.runtimeClassName'] : [],
  certificateRequestOrganizations: (text) => {
    if (text === 'broken') throw new ProtocolError('not a request');
    return [text];
  },
  randomSuffix: (length) => 'abcdefghij'.slice(0, length),
};
const chain = new AdmissionChain(defaultPlugins(deps));

const pod = (spec: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default' },
  spec: { containers: [{ name: 'c' }], ...spec },
});

async function made(object: KubeObject): Promise<NonNullable<Pod['spec']>> {
  await chain.run(request('pods', { object }));
  return (object as unknown as Pod).spec ?? { containers: [] };
}

const refusedPod = async (spec: object): Promise<string> =>
  (await refusalOf(chain.run(request('pods', { object: pod(spec) })))).message;

test('a plain pod comes out as Kubernetes stores it', async () => {
  const spec = await made(pod());
  assert.equal(spec.serviceAccountName, 'default');
  assert.equal(spec.priority, 0);
  assert.equal(spec.preemptionPolicy, 'PreemptLowerPriority');
  assert.equal(spec.priorityClassName, undefined);
  assert.deepEqual(spec.tolerations, [
    { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
  ]);
});

test('priority comes from the class alone', async () => {
  assert.equal((await made(pod({ priorityClassName: 'high' }))).priority, 1000);
  assert.equal((await made(pod({ priorityClassName: 'system-node-critical' }))).priority, 2_000_001_000);
  assert.equal(systemPriorityClasses.length, 2);
  assert.equal(
    await refusedPod({ priority: 2_000_001_000 }),
    'pods "web" is forbidden: the integer value of priority (2000001000) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
  );
  assert.match(
    await refusedPod({ priorityClassName: 'high', preemptionPolicy: 'PreemptLowerPriority' }),
    /the string value of PreemptionPolicy \(PreemptLowerPriority\) must not be provided/,
  );
  assert.equal(
    await refusedPod({ priorityClassName: 'none' }),
    'pods "web" is forbidden: no PriorityClass with name none was found',
  );
});

test('one priority class is the default', async () => {
  const first = priorityClass('first', 7, { globalDefault: true });
  reader.objects.push(first);
  try {
    const spec = await made(pod());
    assert.deepEqual([spec.priorityClassName, spec.priority], ['first', 7]);
    const target = 'priorityclasses.scheduling.k8s.io';
    const error = await refusalOf(
      chain.run(request(target, { namespace: '', object: priorityClass('second', 1, { globalDefault: true }) })),
    );
    assert.match(error.message, /PriorityClass first is already marked as default. Only one default can exist$/);
    await chain.run(request(target, { namespace: '', operation: 'UPDATE', object: first, oldObject: first }));
  } finally {
    reader.objects.pop();
  }
});

test('tolerations that are there already are not added again', async () => {
  const all = [{ operator: 'Exists' }];
  assert.deepEqual((await made(pod({ tolerations: all }))).tolerations, all);
  const one = [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoSchedule' }];
  assert.equal((await made(pod({ tolerations: one }))).tolerations?.length, 3);
});

test('a new node is tainted until it is ready', async () => {
  const object: KubeObject = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } };
  await chain.run(request('nodes', { object }));
  await chain.run(request('nodes', { object }));
  assert.deepEqual(object['spec'], { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] });
});

test('what would fail open is refused by name, and may be deleted', async () => {
  const kinds: [string, string, string][] = [
    ['networkpolicies.networking.k8s.io', 'NetworkPolicy', 'traffic would flow as if it were not there'],
    [
      'validatingwebhookconfigurations.admissionregistration.k8s.io',
      'ValidatingWebhookConfiguration',
      'requests would pass without the webhook',
    ],
    [
      'mutatingwebhookconfigurations.admissionregistration.k8s.io',
      'MutatingWebhookConfiguration',
      'objects would be stored without the webhook',
    ],
    [
      'validatingadmissionpolicies.admissionregistration.k8s.io',
      'ValidatingAdmissionPolicy',
      'requests would pass unchecked',
    ],
    [
      'validatingadmissionpolicybindings.admissionregistration.k8s.io',
      'ValidatingAdmissionPolicyBinding',
      'requests would pass unchecked',
    ],
    [
      'mutatingadmissionpolicies.admissionregistration.k8s.io',
      'MutatingAdmissionPolicy',
      'objects would be stored unchanged',
    ],
    [
      'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
      'MutatingAdmissionPolicyBinding',
      'objects would be stored unchanged',
    ],
    ['resourcequotas', 'ResourceQuota', 'nothing would be counted or limited'],
    ['limitranges', 'LimitRange', 'no default or limit would be applied'],
    ['flowschemas.flowcontrol.apiserver.k8s.io', 'FlowSchema', 'requests would not be classified by it'],
    [
      'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io',
      'PriorityLevelConfiguration',
      'requests would not be limited by it',
    ],
    ['customresourcedefinitions.apiextensions.k8s.io', 'CustomResourceDefinition', 'its resources would not be served'],
    ['apiservices.apiregistration.k8s.io', 'APIService', 'its group would not be served'],
  ];
  for (const [resource, kind, consequence] of kinds) {
    const object: KubeObject = { kind, metadata: { name: 'x' } };
    const error = await refusalOf(chain.run(request(resource, { kind, object })));
    assert.equal(
      error.message,
      `${resource} "x" is forbidden: ${kind} is not enforced by this cluster yet: ${consequence}`,
    );
    await refusalOf(chain.run(request(resource, { operation: 'UPDATE', kind, object, oldObject: object })));
    await chain.run(request(resource, { operation: 'DELETE', kind, oldObject: object }));
  }
  await chain.run(request('ingresses.networking.k8s.io', { object: { kind: 'Ingress', metadata: { name: 'x' } } }));
});

test('fields that restrict and are not enforced are refused by name', async () => {
  const service = (spec: object): KubeObject => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec });
  const ranges = service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8'] });
  const error = await refusalOf(chain.run(request('services', { object: ranges })));
  assert.equal(
    error.message,
    'services "s" is forbidden: spec.loadBalancerSourceRanges is not enforced by this cluster yet',
  );
  await chain.run(request('services', { operation: 'UPDATE', object: ranges, oldObject: ranges }));
  const plain = service({ type: 'LoadBalancer' });
  const annotations = { 'service.beta.kubernetes.io/load-balancer-source-ranges': '10.0.0.0/8' };
  const annotated = { ...plain, metadata: { ...plain.metadata, annotations } };
  const update = { operation: 'UPDATE', object: annotated, oldObject: plain } as const;
  assert.match(
    (await refusalOf(chain.run(request('services', update)))).message,
    /metadata\.annotations\[service\.beta\.kubernetes\.io\/load-balancer-source-ranges\] is not enforced/,
  );
});

test('external IPs are not added (CVE-2020-8554)', async () => {
  const service = (...externalIPs: string[]): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: { externalIPs },
  });
  const error = await refusalOf(chain.run(request('services', { object: service('1.2.3.4') })));
  assert.equal(error.message, 'services "s" is forbidden: Use of external IPs is denied by admission control.');
  const update = (now: KubeObject, before: KubeObject): Promise<void> =>
    chain.run(request('services', { operation: 'UPDATE', object: now, oldObject: before }));
  await update(service('1.2.3.4'), service('1.2.3.4', '5.6.7.8'));
  await refusalOf(update(service('1.2.3.4', '9.9.9.9'), service('1.2.3.4')));
});

test('a pod that the runtime cannot honour is refused; a workload of such pods is warned about', async () => {
  reader.objects.push({ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'gvisor' } });
  try {
    assert.equal(
      await refusedPod({ runtimeClassName: 'gvisor' }),
      'pods "web" is forbidden: the node runtime cannot honour spec.runtimeClassName',
    );
    const old = pod({ runtimeClassName: 'gvisor' });
    await chain.run(
      request('pods', {
        operation: 'UPDATE',
        object: { ...old, metadata: { ...old.metadata, labels: { a: 'b' } } },
        oldObject: old,
      }),
    );
    const template = { metadata: {}, spec: { containers: [{ name: 'c' }], runtimeClassName: 'gvisor' } };
    const attempt = request('deployments.apps', {
      object: { kind: 'Deployment', metadata: { name: 'd' }, spec: { template } },
    });
    await chain.run(attempt);
    assert.deepEqual(attempt.warnings, [
      'its pods would be refused: the node runtime cannot honour spec.runtimeClassName',
    ]);
  } finally {
    reader.objects.pop();
  }
  assert.match(await refusedPod({ runtimeClassName: 'none' }), /pod rejected: RuntimeClass "none" not found$/);
  assert.match(await refusedPod({ overhead: { cpu: '1' } }), /Pod Overhead set without corresponding RuntimeClass/);
});

test('owner references need the right to delete, blocking ones the right to hold up the owner', async () => {
  const owned = (blockOwnerDeletion: boolean, kind = 'ReplicaSet'): KubeObject => ({
    ...pod(),
    metadata: {
      name: 'web',
      namespace: 'default',
      ownerReferences: [{ apiVersion: 'apps/v1', kind, name: 'rs', uid: 'u', blockOwnerDeletion }],
    },
  });
  const attempt = (object: KubeObject): Promise<void> => chain.run(request('pods', { object }));
  assert.match(
    (await refusalOf(attempt(owned(false)))).message,
    /cannot set an ownerRef on a resource you can't delete/,
  );
  allowed.add('delete pods web');
  await attempt(owned(false));
  assert.match(
    (await refusalOf(attempt(owned(true)))).message,
    /cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on/,
  );
  allowed.add('update replicasets/finalizers rs');
  await attempt(owned(true));
  assert.match(
    (await refusalOf(attempt(owned(true, 'Unknown')))).message,
    /cannot find RESTMapping for APIVersion apps\/v1 Kind Unknown$/,
  );
  allowed.clear();
  const same = owned(true);
  await chain.run(request('pods', { operation: 'UPDATE', object: same, oldObject: structuredClone(same) }));
});

test('certificate requests: no superusers, and approving or signing needs the right for the signer', async () => {
  const target = 'certificatesigningrequests.certificates.k8s.io';
  const csr = (text: string, signerName = 'kubernetes.io/kube-apiserver-client', status: object = {}): KubeObject => ({
    kind: 'CertificateSigningRequest',
    metadata: { name: 'r' },
    spec: { request: text, signerName },
    status,
  });
  const error = await refusalOf(chain.run(request(target, { namespace: '', object: csr('system:masters') })));
  assert.equal(
    error.message,
    `${target} "r" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed`,
  );
  assert.match(
    (await refusalOf(chain.run(request(target, { namespace: '', object: csr('broken') })))).message,
    /failed to parse CSR: not a request$/,
  );
  const accepted = request(target, { namespace: '', object: csr('developers') });
  await chain.run(accepted);
  assert.deepEqual(accepted.warnings, []);
  const elsewhere = request(target, { namespace: '', object: csr('developers', 'example.com/s') });
  await chain.run(elsewhere);
  assert.deepEqual(elsewhere.warnings, [
    'CertificateSigningRequest is not acted on by this cluster itself: nothing is issued for the signer "example.com/s"',
  ]);

  const update = (sub: string, now: KubeObject, before: KubeObject): Promise<void> =>
    chain.run(
      request(`${target}/${sub}`, {
        namespace: '',
        operation: 'UPDATE',
        object: now,
        oldObject: before,
      }),
    );
  const approved = csr('developers', 'example.com/s', { conditions: [{ type: 'Approved' }] });
  const before = csr('developers', 'example.com/s');
  assert.match(
    (await refusalOf(update('approval', approved, before))).message,
    /user not permitted to approve requests with signerName "example.com\/s"$/,
  );
  allowed.add('approve signers example.com/*');
  await update('approval', approved, before);
  const signed = csr('developers', 'example.com/s', { certificate: 'x' });
  assert.match(
    (await refusalOf(update('status', signed, before))).message,
    /user not permitted to sign requests with signerName "example.com\/s"$/,
  );
  allowed.add('sign signers example.com/s');
  await update('status', signed, before);
  allowed.clear();
});

test('roles and bindings: nobody grants more than he holds, by create, update or a label', async () => {
  const target = (resource: string): string => `${resource}.rbac.authorization.k8s.io`;
  const role: KubeObject = {
    kind: 'Role',
    metadata: { name: 'r' },
    rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
  };
  const sentence =
    'roles.rbac.authorization.k8s.io "r" is forbidden: user "alice" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["get"]}';
  assert.equal((await refusalOf(chain.run(request(target('roles'), { object: role })))).message, sentence);
  const relabelled = {
    ...role,
    metadata: { name: 'r', labels: { 'rbac.authorization.k8s.io/aggregate-to-admin': 'true' } },
  };
  assert.equal(
    (await refusalOf(chain.run(request(target('roles'), { operation: 'UPDATE', object: relabelled, oldObject: role }))))
      .message,
    sentence,
  );
  // The garbage collector may take its finalizer off.
  const finalized = { ...role, metadata: { name: 'r', finalizers: ['foregroundDeletion'] } };
  await chain.run(request(target('roles'), { operation: 'UPDATE', object: role, oldObject: finalized }));
  await chain.run(request(target('roles'), { operation: 'DELETE', oldObject: role }));
  allowed.add('escalate roles r');
  await chain.run(request(target('roles'), { object: role }));
  allowed.clear();

  const aggregating: KubeObject = {
    kind: 'ClusterRole',
    metadata: { name: 'a' },
    aggregationRule: { clusterRoleSelectors: [{}] },
  };
  const cluster = await refusalOf(chain.run(request(target('clusterroles'), { namespace: '', object: aggregating })));
  assert.match(cluster.message, /must have cluster-admin privileges to use the aggregationRule$/);
  const binding: KubeObject = {
    kind: 'ClusterRoleBinding',
    metadata: { name: 'b' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'User', name: 'alice' }],
  };
  assert.equal(
    (await refusalOf(chain.run(request(target('clusterrolebindings'), { namespace: '', object: binding })))).code,
    'NotFound',
  );
  allowed.add('bind clusterroles cluster-admin');
  await chain.run(request(target('clusterrolebindings'), { namespace: '', object: binding }));
  allowed.clear();
});

test('the chain stops at the first refusal, and a plug-in that breaks refuses', async () => {
  const seen: string[] = [];
  const step = (name: string, fail?: Error): { name: string; admit(): Promise<void>; validate(): Promise<void> } => ({
    name,
    admit: async () => void seen.push(`admit ${name}`),
    validate: async () => {
      seen.push(`validate ${name}`);
      if (fail !== undefined) throw fail;
    },
  });
  const error = await refusalOf(
    new AdmissionChain([step('a'), step('b', new TypeError('secret detail')), step('c')]).run(request('pods')),
  );
  assert.equal(error.code, 'InternalError');
  assert.equal(error.message, 'admission plug-in b failed');
  assert.deepEqual(seen, ['admit a', 'admit b', 'admit c', 'validate a', 'validate b']);
});
