import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/object.ts';
import type { Authorizer } from '../../authz/authorizer.ts';
import type { AdmissionAttributes } from '../plugin.ts';
import { node, readerOf, refusalOf, request } from '../testing/attributes.ts';
import { NodeRestriction } from './node-restriction.ts';

const nobody: Authorizer = { name: 'none', authorize: async () => ({ verdict: 'no-opinion', reason: '' }) };

const storedNode: KubeObject = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', uid: 'uid-n1' } };
const tokenVolume = (audience?: string): object => ({
  name: 'kube-api-access-x',
  projected: { sources: [{ serviceAccountToken: { path: 'token', ...(audience === undefined ? {} : { audience }) } }] },
});

function pod(name: string, nodeName: string, spec: object = {}, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, ...metadata },
    spec: {
      nodeName,
      serviceAccountName: 'robot',
      containers: [{ name: 'c' }],
      volumes: [tokenVolume(), tokenVolume('vault')],
      ...spec,
    },
  };
}

const plugin = new NodeRestriction(readerOf(storedNode, pod('mine', 'n1'), pod('theirs', 'n2')), nobody);
const asN1 = (target: string, over: Partial<AdmissionAttributes>): Promise<void> =>
  plugin.admit(request(target, { user: node('n1'), ...over }));
const refused = async (target: string, over: Partial<AdmissionAttributes>): Promise<string> =>
  (await refusalOf(asN1(target, over))).message;

test('users that are no nodes are not spoken of; a node without a name is refused', async () => {
  await plugin.admit(request('pods', { object: pod('x', 'n1') }));
  await plugin.admit(request('nodes', { user: { username: 'system:node:n1', groups: [] }, object: storedNode }));
  const error = await refusalOf(plugin.admit(request('nodes', { user: node(''), object: storedNode })));
  assert.equal(error.message, 'nodes "n1" is forbidden: could not determine node from user "system:node:"');
});

test('a node writes its own Node only', async () => {
  await asN1('nodes', { object: storedNode });
  const other = { ...storedNode, metadata: { name: 'n2' } };
  assert.equal(
    await refused('nodes', { object: other }),
    'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
  );
  assert.match(
    await refused('nodes/status', { operation: 'UPDATE', object: other, oldObject: other }),
    /not allowed to modify node "n2"$/,
  );
  assert.match(
    await refused('nodes', { operation: 'DELETE', name: 'n2', oldObject: other }),
    /not allowed to modify node "n2"$/,
  );
});

test('a node cannot draw work to itself by labels or taints, nor have itself deleted', async () => {
  const withLabels = (labels: Record<string, string>): KubeObject => ({
    ...storedNode,
    metadata: { ...storedNode.metadata, labels },
  });
  const allowed = {
    'kubernetes.io/hostname': 'n1',
    'node.kubernetes.io/x': '1',
    'a.kubelet.kubernetes.io/y': '1',
    'topology.kubernetes.io/zone': 'z',
    team: 'a',
    'example.com/x': '1',
  };
  await asN1('nodes', { object: withLabels(allowed) });
  await asN1('nodes', { operation: 'UPDATE', object: withLabels(allowed), oldObject: storedNode });
  const evil = {
    'node-restriction.kubernetes.io/pci': 'true',
    'x.node-restriction.kubernetes.io/a': '1',
    'node-role.kubernetes.io/control-plane': '',
    'evil.k8s.io/x': '1',
    'notkubelet.kubernetes.io/x': '1',
  };
  assert.equal(
    await refused('nodes', { object: withLabels(evil) }),
    `nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: ${Object.keys(evil).sort().join(', ')}`,
  );
  const update = (now: KubeObject, before: KubeObject): Partial<AdmissionAttributes> => ({
    operation: 'UPDATE',
    object: now,
    oldObject: before,
  });
  assert.match(
    await refused('nodes', update(withLabels(evil), storedNode)),
    /: is not allowed to modify labels: evil.k8s.io\/x, /,
  );
  assert.match(await refused('nodes/status', update(withLabels(evil), storedNode)), /is not allowed to modify labels/);
  assert.match(
    await refused('nodes', update(storedNode, withLabels({ 'node-restriction.kubernetes.io/a': '1' }))),
    /modify labels: node-restriction.kubernetes.io\/a$/,
  );
  // Labels that an administrator set stay where they are.
  await asN1(
    'nodes',
    update(
      withLabels({ 'node-restriction.kubernetes.io/a': '1', b: '2' }),
      withLabels({ 'node-restriction.kubernetes.io/a': '1' }),
    ),
  );

  const tainted = { ...storedNode, spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } };
  assert.match(await refused('nodes', update(storedNode, tainted)), /node "n1" is not allowed to modify taints$/);
  await asN1('nodes', { object: tainted });

  const owned = {
    ...storedNode,
    metadata: {
      ...storedNode.metadata,
      ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'x' }],
    },
  };
  assert.match(
    await refused('nodes', update(owned, storedNode)),
    /node "n1" is not allowed to modify ownerReferences$/,
  );
  assert.match(await refused('nodes', { object: owned }), /node "n1" is not allowed to set ownerReferences$/);
});

test('a node keeps neither itself in the cluster nor work coming, and gives itself no rights', async () => {
  const changed = (metadata: object, spec?: object): Partial<AdmissionAttributes> => ({
    operation: 'UPDATE',
    object: {
      ...storedNode,
      metadata: { ...storedNode.metadata, ...metadata },
      ...(spec === undefined ? {} : { spec }),
    },
    oldObject: storedNode,
  });
  await asN1('nodes', changed({ annotations: { 'volumes.kubernetes.io/x': 'true' } }, { podCIDR: '10.0.0.0/24' }));
  for (const target of ['nodes', 'nodes/status']) {
    const cases: [Partial<AdmissionAttributes>, RegExp][] = [
      [changed({ finalizers: ['evil.example/stay'] }), /node "n1" is not allowed to modify finalizers$/],
      [
        changed({ annotations: { 'causeway.dev/allowed-addresses': '10.0.0.1' } }),
        /node "n1" is not allowed to modify annotations of causeway.dev$/,
      ],
      [changed({ labels: { 'causeway.dev/trusted': '' } }), /is not allowed to modify labels: causeway.dev\/trusted$/],
      [changed({}, { unschedulable: true }), /not allowed to modify unschedulable: a cordoned node stays so$/],
      [
        changed({}, { configSource: { configMap: { name: 'c' } } }),
        /update configSource to a new non-nil configSource$/,
      ],
    ];
    for (const [attempt, expected] of cases) assert.match(await refused(target, attempt), expected);
  }
  const annotated = { annotations: { 'causeway.dev/allowed-addresses': '10.0.0.1' } };
  const given = { ...storedNode, metadata: { ...storedNode.metadata, ...annotated } };
  await asN1('nodes/status', { operation: 'UPDATE', object: given, oldObject: given });
  assert.match(
    await refused('nodes', { operation: 'UPDATE', object: storedNode, oldObject: given }),
    /annotations of causeway.dev$/,
  );
});

test('a node writes nothing once its Node is gone, going or another one: its request may be older than that', async () => {
  const asked = request('leases.coordination.k8s.io', {
    namespace: 'kube-node-lease',
    object: { metadata: { name: 'n1' } },
    user: node('n1'),
  });
  const going = { ...storedNode, metadata: { ...storedNode.metadata, deletionTimestamp: '2026-11-24T10:00:00Z' } };
  const other = { ...storedNode, metadata: { ...storedNode.metadata, uid: 'other' } };
  const cases: [KubeObject[], RegExp][] = [
    [[], /node "n1" is no longer part of the cluster$/],
    [[going], /node "n1" is no longer part of the cluster$/],
    [[other], /node "n1" was removed from the cluster, and another one has its name$/],
  ];
  for (const [stored, expected] of cases) {
    const error = await refusalOf(new NodeRestriction(readerOf(...stored), nobody).admit(asked));
    assert.equal(error.code, 'Forbidden');
    assert.match(error.message, expected);
  }
});

test('the status of its own pods only, and nothing else by it', async () => {
  const mine = pod('mine', 'n1');
  const status = { ...mine, status: { phase: 'Running' } };
  await asN1('pods/status', { operation: 'UPDATE', object: status, oldObject: mine });
  const theirs = pod('theirs', 'n2');
  assert.equal(
    await refused('pods/status', { operation: 'UPDATE', object: pod('theirs', 'n1'), oldObject: theirs }),
    'pods "theirs" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
  );
  const relabelled = { ...mine, metadata: { ...mine.metadata, labels: { app: 'web' } } };
  assert.match(
    await refused('pods/status', { operation: 'UPDATE', object: relabelled, oldObject: mine }),
    /cannot update labels through pod status$/,
  );
  for (const metadata of [
    { finalizers: [] },
    { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'gone', uid: 'x' }] },
    { annotations: { 'kubernetes.io/config.mirror': 'x' } },
  ]) {
    assert.match(
      await refused('pods/status', {
        operation: 'UPDATE',
        object: { ...mine, metadata: { ...mine.metadata, ...metadata } },
        oldObject: { ...mine, metadata: { ...mine.metadata, finalizers: ['batch.kubernetes.io/job-tracking'] } },
      }),
      /cannot update metadata through pod status$/,
    );
  }
  const claims = { ...mine, status: { resourceClaimStatuses: [{ name: 'a', resourceClaimName: 'gpu' }] } };
  assert.match(
    await refused('pods/status', { operation: 'UPDATE', object: claims, oldObject: mine }),
    /cannot update resource claim statuses$/,
  );
  assert.match(
    await refused('pods', { operation: 'UPDATE', object: mine, oldObject: mine }),
    /unexpected operation "UPDATE", node "n1" can only create and delete mirror pods$/,
  );
  assert.match(
    await refused('pods/binding', { name: 'mine' }),
    /unexpected pod subresource "binding", only 'status' and 'eviction' are allowed$/,
  );
});

test('deleting and evicting: its own pods only', async () => {
  await asN1('pods', { operation: 'DELETE', name: 'mine' });
  assert.match(
    await refused('pods', { operation: 'DELETE', name: 'theirs' }),
    /can only delete pods with spec.nodeName set to itself$/,
  );
  await asN1('pods/eviction', { name: 'mine' });
  assert.match(
    await refused('pods/eviction', { name: 'theirs' }),
    /can only evict pods with spec.nodeName set to itself$/,
  );
  assert.equal((await refusalOf(asN1('pods', { operation: 'DELETE', name: 'none' }))).code, 'NotFound');
});

test('a mirror pod: on itself, owned by its Node, and leading to nothing', async () => {
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'uid-n1', controller: true };
  const mirror = (spec: object = {}, metadata: object = {}, nodeName = 'n1'): Partial<AdmissionAttributes> => ({
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'm',
        namespace: 'default',
        annotations: { 'kubernetes.io/config.mirror': 'h' },
        ownerReferences: [owner],
        ...metadata,
      },
      spec: { nodeName, containers: [{ name: 'c' }], ...spec },
    },
  });
  await asN1('pods', mirror());
  const cases: [Partial<AdmissionAttributes>, RegExp][] = [
    [
      mirror({}, { annotations: {} }),
      /pod does not have "kubernetes.io\/config.mirror" annotation, node "n1" can only create mirror pods$/,
    ],
    [mirror({}, {}, 'n2'), /can only create pods with spec.nodeName set to itself$/],
    [mirror({}, { ownerReferences: [] }), /can only create pods with an owner reference set to itself$/],
    [mirror({}, { ownerReferences: [owner, owner] }), /single owner reference/],
    [mirror({}, { ownerReferences: [{ ...owner, name: 'n2' }] }), /owner reference set to itself$/],
    [mirror({}, { ownerReferences: [{ ...owner, controller: false }] }), /controller owner reference/],
    [mirror({}, { ownerReferences: [{ ...owner, blockOwnerDeletion: true }] }), /must not set blockOwnerDeletion/],
    [mirror({}, { ownerReferences: [{ ...owner, uid: 'other' }] }), /node n1 UID mismatch: expected other got uid-n1$/],
    [mirror({ serviceAccountName: 'admin' }), /can not create pods that reference a service account$/],
    [mirror({ serviceAccount: 'admin' }), /can not create pods that reference a service account$/],
    [mirror({ volumes: [{ name: 'v', secret: { secretName: 's' } }] }), /reference secrets$/],
    [mirror({ containers: [{ name: 'c', envFrom: [{ secretRef: { name: 's' } }] }] }), /reference secrets$/],
    [mirror({ imagePullSecrets: [{ name: 's' }] }), /reference secrets$/],
    [mirror({ volumes: [{ name: 'v', configMap: { name: 'c' } }] }), /reference configmaps$/],
    [
      mirror({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }),
      /reference persistentvolumeclaims$/,
    ],
    [mirror({ volumes: [tokenVolume()] }), /reference service account tokens$/],
    [mirror({ resourceClaims: [{ name: 'r', resourceClaimName: 'gpu' }] }), /reference resourceclaims$/],
  ];
  for (const [attempt, expected] of cases) assert.match(await refused('pods', attempt), expected);
});

test('tokens: bound to a pod of its own, for the account that the pod runs as, for an audience that it uses', async () => {
  const token = (spec: object, name = 'robot'): Partial<AdmissionAttributes> => ({
    name,
    object: { kind: 'TokenRequest', metadata: {}, spec },
  });
  const mine = { apiVersion: 'v1', kind: 'Pod', name: 'mine', uid: 'uid-mine' };
  await asN1('serviceaccounts/token', token({ boundObjectRef: mine }));
  await asN1('serviceaccounts/token', token({ boundObjectRef: mine, audiences: ['vault'] }));
  const cases: [Partial<AdmissionAttributes>, RegExp][] = [
    [token({}), /node requested token not bound to a pod$/],
    [
      token({ boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 's', uid: 'u' } }),
      /node requested token not bound to a pod$/,
    ],
    [
      token({ boundObjectRef: { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'uid-n1' } }),
      /node requested token not bound to a pod$/,
    ],
    [token({ boundObjectRef: { ...mine, uid: '' } }), /pod binding without a uid$/],
    [
      token({ boundObjectRef: { ...mine, uid: 'old' } }),
      /the UID in the bound object reference \(old\) does not match the UID in record/,
    ],
    [
      token({ boundObjectRef: { ...mine, name: 'theirs', uid: 'uid-theirs' } }),
      /bound to a pod scheduled on a different node$/,
    ],
    [token({ boundObjectRef: mine }, 'admin'), /for a service account that its pod does not run as$/],
    [token({ boundObjectRef: mine, audiences: ['bank'] }), /audience "bank" not found in pod spec volume$/],
    [token({ boundObjectRef: mine, audiences: ['', 'bank'] }), /node may only request 0 or 1 audiences$/],
  ];
  for (const [attempt, expected] of cases) assert.match(await refused('serviceaccounts/token', attempt), expected);
  assert.equal(
    (await refusalOf(asN1('serviceaccounts/token', token({ boundObjectRef: { ...mine, name: 'none' } })))).code,
    'NotFound',
  );
});

test('leases, CSI nodes, slices, claims: its own', async () => {
  const named = (name: string): KubeObject => ({ metadata: { name }, spec: { nodeName: name } });
  const lease = 'leases.coordination.k8s.io';
  await asN1(lease, { namespace: 'kube-node-lease', object: named('n1') });
  assert.match(
    await refused(lease, { namespace: 'kube-node-lease', object: named('n2') }),
    /same name as the requesting node$/,
  );
  assert.match(
    await refused(lease, { namespace: 'kube-system', object: named('n1') }),
    /"kube-node-lease" system namespace$/,
  );
  assert.match(await refused('csinodes.storage.k8s.io', { object: named('n2') }), /CSINode with the same name/);
  await asN1('resourceslices.resource.k8s.io', { object: named('n1') });
  assert.match(
    await refused('resourceslices.resource.k8s.io', { object: named('n2') }),
    /can only create ResourceSlice/,
  );
  assert.match(
    await refused('resourceslices.resource.k8s.io', { operation: 'DELETE', oldObject: named('n2') }),
    /can only delete ResourceSlice/,
  );
  const claim: KubeObject = { metadata: { name: 'd' }, spec: {}, status: { phase: 'Bound' } };
  await asN1('persistentvolumeclaims/status', {
    operation: 'UPDATE',
    object: { ...claim, status: { phase: 'Bound', capacity: { storage: '1Gi' } } },
    oldObject: claim,
  });
  assert.match(
    await refused('persistentvolumeclaims/status', {
      operation: 'UPDATE',
      object: { ...claim, metadata: { name: 'd', labels: { a: 'b' } } },
      oldObject: claim,
    }),
    /not allowed to update fields other than/,
  );
  assert.match(
    await refused('persistentvolumeclaims', { operation: 'UPDATE', object: claim, oldObject: claim }),
    /may only update PVC status$/,
  );
});
