import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/object.ts';
import type { UserInfo } from '../../api/user-info.ts';
import type { Attributes, Decision } from '../authorizer.ts';
import { parseFieldSelector } from '../field-selector.ts';
import { NodeAuthorizer } from './node-authorizer.ts';
import { NodeGraph } from './node-graph.ts';
import type { NodeUids } from './node-identity.ts';

const uids = new Map([
  ['n1', 'uid-1'],
  ['n2', 'uid-2'],
]);
const nodeUser = (name: string, uid = uids.get(name)): UserInfo => ({
  username: `system:node:${name}`,
  groups: ['system:nodes', 'system:authenticated'],
  ...(uid === undefined ? {} : { uid }),
});
const n1 = nodeUser('n1');
const n2 = nodeUser('n2');

/** A list of Nodes that is up to date. */
function nodesOf(known: ReadonlyMap<string, string>, stored = known): NodeUids {
  return { uidOf: (node) => known.get(node), readUid: async (node) => stored.get(node) };
}

function pod(name: string, nodeName: string, spec: object = {}, metadata: object = {}): KubeObject {
  return {
    metadata: { namespace: 'default', name, uid: `uid-${name}`, ...metadata },
    spec: { nodeName, containers: [{ name: 'c' }], serviceAccountName: 'default', ...spec },
  };
}

/** A pod that refers to a secret and a config map in each way there is. */
const references = {
  imagePullSecrets: [{ name: 's-pull' }],
  initContainers: [{ name: 'i', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's-init', key: 'k' } } }] }],
  containers: [
    {
      name: 'c',
      env: [
        { name: 'A', valueFrom: { secretKeyRef: { name: 's-env', key: 'k' } } },
        { name: 'B', valueFrom: { configMapKeyRef: { name: 'c-env', key: 'k' } } },
      ],
      envFrom: [{ secretRef: { name: 's-from' } }, { configMapRef: { name: 'c-from' } }],
    },
  ],
  volumes: [
    { name: 'a', secret: { secretName: 's-vol' } },
    { name: 'b', configMap: { name: 'c-vol' } },
    { name: 'c', projected: { sources: [{ secret: { name: 's-proj' } }, { configMap: { name: 'c-proj' } }] } },
    { name: 'd', persistentVolumeClaim: { claimName: 'p-claim' } },
    { name: 'e', ephemeral: {} },
    { name: 'f', csi: { driver: 'd', nodePublishSecretRef: { name: 's-csi' } } },
  ],
};

function setup(...pods: KubeObject[]): {
  graph: NodeGraph;
  ask: (user: UserInfo, what: string, over?: Partial<Attributes>) => Promise<Decision>;
} {
  const graph = new NodeGraph();
  for (const one of pods) graph.set('pods', one.metadata.namespace ?? '', one.metadata.name ?? '', one);
  const node = new NodeAuthorizer(graph, nodesOf(uids));
  const ask = (user: UserInfo, what: string, over: Partial<Attributes> = {}): Promise<Decision> => {
    const [verb = '', target = '', name = ''] = what.split(' ');
    const [resource = '', subresource = ''] = target.split('/');
    const base = { user, verb, resource, subresource, name, apiGroup: '', apiVersion: 'v1', namespace: 'default' };
    return node.authorize({ ...base, resourceRequest: true, path: '', ...over });
  };
  return { graph, ask };
}

const unrelated = (node: string): Decision => ({
  verdict: 'no-opinion',
  reason: `no relationship found between node '${node}' and this object`,
});

test('a node reads what its own pods refer to, in every way a pod can refer to it', async () => {
  const { ask } = setup(pod('web', 'n1', references));
  for (const name of ['s-pull', 's-init', 's-env', 's-from', 's-vol', 's-proj', 's-csi']) {
    assert.equal((await ask(n1, `get secrets ${name}`)).verdict, 'allow', name);
    assert.deepEqual(await ask(n2, `get secrets ${name}`), unrelated('n2'), name);
  }
  for (const name of ['c-env', 'c-from', 'c-vol', 'c-proj'])
    assert.equal((await ask(n1, `watch configmaps ${name}`)).verdict, 'allow', name);
  for (const name of ['p-claim', 'web-e'])
    assert.equal((await ask(n1, `get persistentvolumeclaims ${name}`)).verdict, 'allow', name);
});

test("another node's secrets, all secrets at once, and writing any are refused", async () => {
  const { ask } = setup(
    pod('web', 'n1', references),
    pod('other', 'n2', { volumes: [{ name: 'v', secret: { secretName: 'theirs' } }] }),
  );
  assert.deepEqual(await ask(n1, 'get secrets theirs'), unrelated('n1'));
  assert.equal((await ask(n2, 'get secrets theirs')).verdict, 'allow');
  assert.deepEqual(await ask(n1, 'get secrets s-env', { namespace: 'kube-system' }), unrelated('n1'));
  assert.deepEqual(await ask(n1, 'list secrets'), { verdict: 'no-opinion', reason: 'No Object name found' });
  assert.deepEqual(await ask(n1, 'list secrets', { namespace: '' }), {
    verdict: 'no-opinion',
    reason: 'can only read namespaced object of this type',
  });
  assert.deepEqual(await ask(n1, 'update secrets s-env'), {
    verdict: 'no-opinion',
    reason: 'can only read resources of this type',
  });
  assert.deepEqual(await ask(n1, 'get secrets/x s-env'), { verdict: 'no-opinion', reason: 'cannot read subresource' });
});

test('what a pod opened closes when the pod goes, moves or is replaced, and not before the last pod', async () => {
  const withSecret = { volumes: [{ name: 'v', secret: { secretName: 's' } }] };
  const { graph, ask } = setup(pod('a', 'n1', withSecret), pod('b', 'n1', withSecret));
  graph.set('pods', 'default', 'a', undefined);
  assert.equal((await ask(n1, 'get secrets s')).verdict, 'allow', 'pod b still refers to it');
  graph.set('pods', 'default', 'b', pod('b', 'n2', withSecret, { uid: 'again' }));
  assert.deepEqual(await ask(n1, 'get secrets s'), unrelated('n1'));
  assert.equal((await ask(n2, 'get secrets s')).verdict, 'allow');
  graph.set('pods', 'default', 'b', pod('b', '', withSecret, { uid: 'third' }));
  assert.deepEqual(await ask(n2, 'get secrets s'), unrelated('n2'));
});

test('a debug container added later opens what it refers to', async () => {
  const { graph, ask } = setup(pod('a', 'n1'));
  const ephemeralContainers = [{ name: 'd', envFrom: [{ secretRef: { name: 's' } }] }];
  graph.set('pods', 'default', 'a', pod('a', 'n1', { ephemeralContainers }));
  assert.equal((await ask(n1, 'get secrets s')).verdict, 'allow');
});

test('a mirror pod, which its node makes itself, opens nothing', async () => {
  const { ask } = setup(pod('a', 'n1', references, { annotations: { 'kubernetes.io/config.mirror': 'x' } }));
  assert.deepEqual(await ask(n1, 'get secrets s-env'), unrelated('n1'));
  assert.deepEqual(await ask(n1, 'create serviceaccounts/token default'), unrelated('n1'));
  assert.equal((await ask(n1, 'get pods a')).verdict, 'allow');
});

test('a volume opens its secrets to the nodes whose pods use its claim', async () => {
  const { graph, ask } = setup(
    pod('a', 'n1', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] }),
  );
  const volume = (claim: string): KubeObject => ({
    metadata: { name: 'pv1' },
    spec: {
      claimRef: { namespace: 'default', name: claim },
      csi: {
        driver: 'd',
        volumeHandle: 'h',
        nodeStageSecretRef: { namespace: 'storage', name: 'stage' },
        controllerPublishSecretRef: { namespace: 'storage', name: 'controller' },
      },
    },
  });
  graph.set('persistentvolumes', '', 'pv1', volume('data'));
  assert.equal((await ask(n1, 'get persistentvolumes pv1', { namespace: '' })).verdict, 'allow');
  assert.deepEqual(await ask(n2, 'get persistentvolumes pv1', { namespace: '' }), unrelated('n2'));
  assert.equal((await ask(n1, 'get secrets stage', { namespace: 'storage' })).verdict, 'allow');
  assert.deepEqual(await ask(n1, 'get secrets controller', { namespace: 'storage' }), unrelated('n1'));
  graph.set('persistentvolumes', '', 'pv1', volume('other'));
  assert.deepEqual(await ask(n1, 'get secrets stage', { namespace: 'storage' }), unrelated('n1'));
});

test("tokens are made only for service accounts of the node's own pods", async () => {
  const { ask } = setup(pod('a', 'n1', { serviceAccountName: 'robot' }));
  assert.equal((await ask(n1, 'create serviceaccounts/token robot')).verdict, 'allow');
  assert.deepEqual(await ask(n2, 'create serviceaccounts/token robot'), unrelated('n2'));
  assert.deepEqual(await ask(n1, 'create serviceaccounts/token admin'), unrelated('n1'));
  assert.equal(
    (await ask(n1, 'create serviceaccounts')).reason,
    'can only create tokens for individual service accounts',
  );
  assert.equal((await ask(n1, 'delete serviceaccounts robot')).verdict, 'no-opinion');
});

test('a node reads only its own Node and lists only its own pods', async () => {
  const { ask } = setup(pod('a', 'n1'), pod('b', 'n2'));
  const here = { namespace: '' };
  assert.equal((await ask(n1, 'get nodes n1', here)).verdict, 'allow');
  assert.equal((await ask(n1, 'get nodes n2', here)).reason, "node 'n1' cannot read 'n2', only its own Node object");
  assert.equal((await ask(n1, 'list nodes', here)).reason, "node 'n1' cannot read all nodes, only its own Node object");
  assert.equal((await ask(n1, 'delete nodes n1', here)).verdict, 'no-opinion');
  assert.equal((await ask(n1, 'create nodes', here)).verdict, 'allow');
  assert.equal((await ask(n1, 'patch nodes/status n1', here)).verdict, 'allow');
  assert.equal((await ask(n1, 'get nodes/proxy n2', here)).verdict, 'no-opinion');

  const selecting = (text: string): Partial<Attributes> => {
    const fieldSelector = parseFieldSelector(text);
    return { namespace: '', ...(fieldSelector === undefined ? {} : { fieldSelector }) };
  };
  assert.equal((await ask(n1, 'list pods', selecting('spec.nodeName=n1'))).verdict, 'allow');
  assert.equal((await ask(n1, 'watch pods', selecting('status.phase!=Failed,spec.nodeName==n1'))).verdict, 'allow');
  for (const wrong of ['', 'spec.nodeName=n2', 'spec.nodeName!=n1', 'spec.nodeName=n1=x', 'spec.nodeName']) {
    assert.equal(
      (await ask(n1, 'list pods', selecting(wrong))).reason,
      'can only list/watch pods with spec.nodeName field selector',
      wrong,
    );
  }
  assert.equal((await ask(n1, 'get pods a')).verdict, 'allow');
  assert.deepEqual(await ask(n1, 'get pods b'), unrelated('n1'));
  assert.equal((await ask(n1, 'create pods/exec a')).verdict, 'no-opinion');
  assert.equal((await ask(n1, 'create pods/eviction a')).verdict, 'allow');
});

test('leases and CSI nodes: its own, in the one namespace', async () => {
  const { ask } = setup();
  const lease = { apiGroup: 'coordination.k8s.io', namespace: 'kube-node-lease' };
  assert.equal((await ask(n1, 'update leases n1', lease)).verdict, 'allow');
  assert.equal(
    (await ask(n1, 'update leases n2', lease)).reason,
    'can only access node lease with the same name as the requesting node',
  );
  assert.equal(
    (await ask(n1, 'update leases n1', { ...lease, namespace: 'kube-system' })).reason,
    'can only access leases in the "kube-node-lease" system namespace',
  );
  assert.equal(
    (await ask(n1, 'list leases', lease)).reason,
    'can only get, create, update, patch, or delete a node lease',
  );
  const csi = { apiGroup: 'storage.k8s.io', namespace: '' };
  assert.equal((await ask(n1, 'get csinodes n1', csi)).verdict, 'allow');
  assert.equal((await ask(n1, 'get csinodes n2', csi)).verdict, 'no-opinion');
});

test('attachments and slices belong to the node that they name', async () => {
  const { graph, ask } = setup();
  graph.set('volumeattachments', '', 'va', { metadata: { name: 'va' }, spec: { nodeName: 'n1' } });
  graph.set('resourceslices', '', 'rs', { metadata: { name: 'rs' }, spec: { nodeName: 'n1' } });
  const va = { apiGroup: 'storage.k8s.io', namespace: '' };
  assert.equal((await ask(n1, 'get volumeattachments va', va)).verdict, 'allow');
  assert.deepEqual(await ask(n2, 'get volumeattachments va', va), unrelated('n2'));
  const rs = { apiGroup: 'resource.k8s.io', namespace: '' };
  assert.equal((await ask(n1, 'delete resourceslices rs', rs)).verdict, 'allow');
  assert.deepEqual(await ask(n2, 'delete resourceslices rs', rs), unrelated('n2'));
});

test('requests for certificates of pods: makes them, and reads its own', async () => {
  const { graph, ask } = setup();
  const request = { metadata: { name: 'r' }, spec: { nodeName: 'n1' } };
  graph.set('podcertificaterequests', 'default', 'r', request);
  const over = { apiGroup: 'certificates.k8s.io', apiVersion: 'v1beta1' };
  const verdict = async (user: UserInfo, what: string, more: Partial<Attributes> = {}): Promise<string> =>
    (await ask(user, what, { ...over, ...more })).verdict;
  assert.equal(await verdict(n1, 'create podcertificaterequests'), 'allow');
  assert.equal(await verdict(n1, 'get podcertificaterequests r'), 'allow');
  assert.deepEqual(await ask(n2, 'get podcertificaterequests r', over), unrelated('n2'));
  assert.equal(await verdict(n1, 'get podcertificaterequests r', { namespace: 'other' }), 'no-opinion');
  const fieldSelector = parseFieldSelector('spec.nodeName=n1') ?? [];
  assert.equal(await verdict(n1, 'list podcertificaterequests', { fieldSelector }), 'allow');
  assert.equal(await verdict(n2, 'list podcertificaterequests', { fieldSelector }), 'no-opinion');
  assert.equal(await verdict(n1, 'list podcertificaterequests'), 'no-opinion');
  for (const what of ['update podcertificaterequests/status r', 'delete podcertificaterequests r']) {
    assert.equal(await verdict(n1, what), 'no-opinion', what);
  }
  assert.equal(await verdict(n1, 'watch clustertrustbundles', { namespace: '' }), 'allow');
  assert.equal(await verdict(n1, 'create clustertrustbundles', { namespace: '' }), 'no-opinion');
});

test('other resources follow the node rules; nobody but a node is spoken of', async () => {
  const { ask } = setup(pod('a', 'n1', references));
  assert.equal((await ask(n1, 'watch services', { namespace: '' })).verdict, 'allow');
  assert.equal(
    (await ask(n1, 'create tokenreviews', { apiGroup: 'authentication.k8s.io', namespace: '' })).verdict,
    'allow',
  );
  assert.equal(
    (await ask(n1, 'create subjectaccessreviews', { apiGroup: 'authorization.k8s.io', namespace: '' })).verdict,
    'allow',
  );
  assert.equal((await ask(n1, 'create deployments', { apiGroup: 'apps' })).verdict, 'no-opinion');
  assert.equal((await ask(n1, 'get clusterroles x', { apiGroup: 'rbac.authorization.k8s.io' })).verdict, 'no-opinion');

  // The name without the group, the group without the name, and a user that only looks like a node.
  for (const user of [
    { username: 'system:node:n1', groups: ['system:authenticated'] },
    { username: 'n1', groups: ['system:nodes'] },
    { username: 'System:node:n1', groups: ['system:nodes'] },
  ]) {
    assert.deepEqual(await ask(user, 'get secrets s-env'), { verdict: 'no-opinion', reason: '' });
  }
  assert.deepEqual(await ask(nodeUser(''), 'watch services'), {
    verdict: 'deny',
    reason: 'unknown node for user "system:node:"',
  });
});

test('a node is denied everything once its Node object is gone, whatever others would allow', async () => {
  const { ask } = setup(pod('web', 'n1', references));
  const asks = [
    'get nodes n1',
    'create nodes',
    'patch nodes/status n1',
    'get secrets s-env',
    'watch services',
    'create certificatesigningrequests',
    'create selfsubjectreviews',
    'get configmaps causeway-trust',
  ];
  const cases: readonly [user: UserInfo, reason: string][] = [
    [nodeUser('n3', 'uid-3'), 'node "n3" is no longer part of the cluster'],
    [nodeUser('n1', 'uid-0'), 'node "n1" was removed from the cluster, and another one has its name'],
    [nodeUser('n1', 'uid-2'), 'node "n1" was removed from the cluster, and another one has its name'],
    [
      { username: 'system:node:n1', groups: ['system:nodes'] },
      'the credential of node "n1" does not name the UID of its Node object',
    ],
    [nodeUser('n1', ''), 'the credential of node "n1" does not name the UID of its Node object'],
  ];
  for (const [user, reason] of cases) {
    for (const what of asks) assert.deepEqual(await ask(user, what), { verdict: 'deny', reason }, what);
    const path = await ask(user, 'get', { resourceRequest: false, path: '/version' });
    assert.deepEqual(path, { verdict: 'deny', reason });
  }
});

test('a node that was made this very moment is not denied', async () => {
  const node = new NodeAuthorizer(new NodeGraph(), nodesOf(new Map(), uids));
  const attributes = { verb: 'get', resourceRequest: true, namespace: '', apiGroup: '', apiVersion: 'v1' };
  const own = { ...attributes, resource: 'nodes', subresource: '', name: 'n1', path: '' };
  assert.equal((await node.authorize({ user: n1, ...own })).verdict, 'allow');
  assert.equal((await node.authorize({ user: nodeUser('n1', 'uid-0'), ...own })).verdict, 'deny');
});
