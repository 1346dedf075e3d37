import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { kubeconfig } from '../../src/pki/kubeconfig.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { startTarget, type Target } from './support/target.ts';

/** Somebody has taken over a node's machine, with its certificate: what kubectl gets with that, and for how long. */

/** Ms in which all that a removed node has ends. */
const SOON_MS = 5_000;

let target: Target;
let directory: string;

before(async () => {
  target = await startTarget({ flags: ['--token-auth-file', await tokenFile()] });
  for (const name of ['own-secret', 'other-secret']) {
    await target.cluster.ok(['create', 'secret', 'generic', name, '--from-literal=key=value']);
  }
  await target.cluster.ok(['create', 'serviceaccount', 'robot']);
  await target.cluster.create(
    shellPod('honest', WAIT, {
      spec: { nodeName: target.nodeName, serviceAccountName: 'robot' },
      container: { envFrom: [{ secretRef: { name: 'other-secret' } }] },
    }),
  );
});
after(async () => {
  await target?.close();
  await rm(directory, { recursive: true, force: true });
});

async function tokenFile(): Promise<string> {
  directory = await mkdtemp(join(tmpdir(), 'causeway-test-node-'));
  const path = join(directory, 'tokens.csv');
  const lines = [
    '"nameless-token","system:node:fixed","","system:nodes"',
    '"uid-token","system:node:fixed","1","system:nodes"',
  ];
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return path;
}

interface Stolen {
  readonly name: string;
  readonly uid: string;
  /** For kubectl with the node's certificate. */
  readonly env: Readonly<Record<string, string>>;
  readonly identity: ReturnType<Target['pki']['issueClient']>;
}

/** A node of which the attacker has the certificate, and a pod on it. */
async function stealNode(name: string): Promise<Stolen> {
  const { cluster, pki } = target;
  await cluster.create({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
  await cluster.create(
    shellPod(`on-${name}`, WAIT, {
      spec: { nodeName: name, tolerations: [{ operator: 'Exists' }] },
      container: { envFrom: [{ secretRef: { name: 'own-secret' } }] },
    }),
  );
  const uid = await cluster.ok(['get', 'node', name, '-o', 'jsonpath={.metadata.uid}']);
  const identity = pki.issueClient({ user: `system:node:${name}`, groups: ['system:nodes'], uid });
  const path = join(directory, `${name}.kubeconfig`);
  const caPem = pki.clusterCa.certificatePem;
  await writeFile(path, kubeconfig({ server: target.cluster.url, caPem, identity }), { mode: 0o600 });
  return { name, uid, identity, env: { KUBECONFIG: path } };
}

async function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${SOON_MS / 1000} s: ${what}`)), SOON_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

describe('kubectl with the certificate of a node', () => {
  let stolen: Stolen;
  before(async () => {
    stolen = await stealNode('stolen');
  });

  it('reads and writes what is its own', async () => {
    const { env } = stolen;
    const ok = (args: readonly string[]) => target.cluster.ok(args, { env });
    assert.match(await ok(['get', 'node', 'stolen', '-o', 'name']), /^node\/stolen\n$/);
    assert.match(
      await ok(['get', 'pods', '-A', '--field-selector=spec.nodeName=stolen', '-o', 'name']),
      /^pod\/on-stolen\n$/,
    );
    assert.match(await ok(['get', 'secret', 'own-secret', '-o', 'name']), /^secret\/own-secret\n$/);
    assert.match(await ok(['label', 'node', 'stolen', 'team=a']), /labeled/);
    assert.match(await ok(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.uid}']), new RegExp(`^${stolen.uid}$`));
  });

  it('is refused all that is not', async () => {
    const { env } = stolen;
    const other = target.nodeName;
    const mirror = (over: object, spec: object) => ({
      ...shellPod('planted', WAIT),
      metadata: {
        name: 'planted',
        annotations: { 'kubernetes.io/config.mirror': 'x' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'stolen', uid: stolen.uid, controller: true }],
        ...over,
      },
      spec: { nodeName: 'stolen', containers: [{ name: 'c', image: 'none' }], ...spec },
    });
    const create = (object: object): [readonly string[], string] => [
      ['create', '--validate=false', '-f', '-'],
      JSON.stringify(object),
    ];
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
    const owner = '[{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"00000000-0000-4000-8000-000000000000"}]';
    const patch = (what: string): readonly string[] => ['patch', 'node', 'stolen', '--type=merge', '-p', what];
    const attempts: readonly (readonly [args: readonly string[], says: RegExp, stdin?: string])[] = [
      [['get', 'secret', 'other-secret'], /cannot get resource "secrets".*no relationship found between node 'stolen'/],
      [['get', 'secrets'], /cannot list resource "secrets"/],
      [['get', 'pods', '-A'], /can only list\/watch pods with spec\.nodeName field selector/],
      [['get', 'pods', '-A', `--field-selector=spec.nodeName=${other}`], /can only list\/watch pods with/],
      [['get', 'node', other], new RegExp(`node 'stolen' cannot read '${other}', only its own Node object`)],
      [['get', 'nodes'], /node 'stolen' cannot read all nodes, only its own Node object/],
      [
        ['label', 'node', 'stolen', 'node-restriction.kubernetes.io/tier=1'],
        /not allowed to modify labels: node-restr/,
      ],
      [
        ['label', 'node', 'stolen', 'node-role.kubernetes.io/control-plane='],
        /not allowed to modify labels: node-role/,
      ],
      [['taint', 'node', 'stolen', 'a=b:NoSchedule'], /node "stolen" is not allowed to modify taints/],
      [patch('{"spec":{"unschedulable":true}}'), /node "stolen" is not allowed to modify unschedulable/],
      [patch(`{"metadata":{"ownerReferences":${owner}}}`), /node "stolen" is not allowed to modify ownerReferences/],
      [patch('{"metadata":{"finalizers":["evil.example/stay"]}}'), /is not allowed to modify finalizers/],
      [
        ['annotate', 'node', 'stolen', 'causeway.dev/allowed-addresses=10.0.0.1'],
        /modify annotations of causeway\.dev/,
      ],
      [['patch', 'node', other, '--type=merge', '-p', '{"metadata":{"labels":{"a":"b"}}}'], /stolen/],
      [['delete', 'node', other], /cannot delete resource "nodes"/],
      [['delete', 'pod', 'honest', '--wait=false'], /can only delete pods with spec\.nodeName set to itself/],
      [['create', 'token', 'robot'], /no relationship found between node 'stolen' and this object/],
      [['create', 'token', 'default'], /node requested token not bound to a pod/],
      [['exec', 'honest', '--', 'id'], /pods "honest" is forbidden/],
      [['get', 'configmap', '-n', 'kube-system', 'anything'], /no relationship found/],
    ];
    const written: readonly (readonly [object, RegExp])[] = [
      [mirror({}, { nodeName: other }), /can only create pods with spec\.nodeName set to itself/],
      [mirror({ annotations: {} }, {}), /can only create mirror pods/],
      [
        mirror({}, { volumes: [{ name: 'v', secret: { secretName: 'other-secret' } }] }),
        /can not create pods that reference secrets/,
      ],
      [
        mirror({}, { containers: [{ name: 'c', image: 'none', envFrom: [{ configMapRef: { name: 'x' } }] }] }),
        /can not create pods that reference configmaps/,
      ],
      [mirror({}, { serviceAccountName: 'robot' }), /can not create pods that reference a service account/],
      [
        { ...lease, metadata: { name: other, namespace: 'kube-node-lease' }, spec: {} },
        /can only access node lease with the same name as the requesting node/,
      ],
      [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'third' } }, /not allowed to modify node "third"/],
      [
        {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name: 'honest', namespace: 'default' },
        },
        /can only evict pods with spec\.nodeName set to itself/,
      ],
    ];
    for (const [args, says] of attempts)
      assert.match(await target.cluster.refused(args, { env }), says, args.join(' '));
    for (const [object, says] of written) {
      const eviction = (object as { kind?: string }).kind === 'Eviction';
      const [args, stdin] = eviction
        ? [['create', '--raw', '/api/v1/namespaces/default/pods/honest/eviction', '-f', '-'], JSON.stringify(object)]
        : create(object);
      assert.match(await target.cluster.refused(args, { env, stdin }), says);
    }
  });
});

describe('a node that was removed', () => {
  it('loses its rights, its watches and the tokens bound to it at once', async () => {
    const { cluster } = target;
    const { env, name } = await stealNode('removed');
    const token = await cluster.ok([
      'create',
      'token',
      'robot',
      '--bound-object-kind=Node',
      `--bound-object-name=${name}`,
    ]);
    const withToken = target.client({ token: token.trim() });
    assert.equal((await withToken.send('/version')).status, 200);
    const watch = cluster.background(['get', '--raw', `/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D${name}`]);
    const own = cluster.background([
      '--kubeconfig',
      env['KUBECONFIG'] ?? '',
      'get',
      '--raw',
      `/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D${name}`,
    ]);
    await own.until(/"ADDED"/);
    await watch.until(/"ADDED"/);
    await cluster.ok(['delete', 'node', name]);
    await soon('the watch ends', own.ended);
    assert.equal(watch.child.exitCode, null, 'the watch of somebody else goes on');
    await watch.stop();
    for (const args of [
      ['get', 'node', name],
      ['get', 'secret', 'own-secret'],
      ['get', '--raw', '/version'],
    ]) {
      assert.match(await cluster.refused(args, { env }), /node "removed" is no longer part of the cluster/);
    }
    assert.equal((await withToken.send('/version')).status, 401);
    // Another machine with its name is another node.
    await cluster.create({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
    assert.match(
      await cluster.refused(['get', 'node', name], { env }),
      /node "removed" was removed from the cluster, and another one has its name/,
    );
  });

  it('loses them also when its deletion waits for a finalizer', async () => {
    const { cluster } = target;
    const { env, name } = await stealNode('held');
    await cluster.ok(['patch', 'node', name, '--type=merge', '-p', '{"metadata":{"finalizers":["example.com/hold"]}}']);
    await cluster.ok(['get', 'node', name], { env });
    await cluster.ok(['delete', 'node', name, '--wait=false']);
    assert.match(await cluster.refused(['get', 'node', name], { env }), /node "held" is no longer part of the cluster/);
    await cluster.ok(['patch', 'node', name, '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
  });

  it('writes nothing by a request whose body comes late', async () => {
    const { cluster } = target;
    const { name, identity } = await stealNode('slow');
    const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases`;
    const body = JSON.stringify({ metadata: { name }, spec: { holderIdentity: 'evil' } });
    const socket: TLSSocket = connect({ host: '127.0.0.1', port: target.port, ...target.tls(identity) });
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    const head = [`POST ${path} HTTP/1.1`, 'host: x', 'content-type: application/json', 'connection: close'];
    socket.write(`${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`);
    // The body is asked for once the caller is known to be allowed.
    await cluster.until('the body to be asked for', async () => answer.includes('100 Continue'));
    await cluster.ok(['delete', 'node', name]);
    await cluster.create({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
    socket.write(body);
    await ended;
    assert.match(answer, /HTTP\/1\.1 403 /);
    assert.match(answer, /node \\"slow\\" was removed from the cluster, and another one has its name/);
  });

  it('is nothing by a token either, nor by somebody who speaks for it, without the UID', async () => {
    const { cluster } = target;
    await cluster.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'fixed' } });
    const uid = await cluster.ok(['get', 'node', 'fixed', '-o', 'jsonpath={.metadata.uid}']);
    const nameless = /the credential of node "fixed" does not name the UID of its Node object/;
    const another = /node "fixed" was removed from the cluster, and another one has its name/;
    for (const [token, says] of [
      ['nameless-token', nameless],
      ['uid-token', another],
    ] as const) {
      const client = target.client({ token });
      const answer = await client.send('/api/v1/nodes/fixed');
      assert.equal(answer.status, 403, answer.text);
      assert.match(answer.json.message, says);
    }
    const as = ['--as=system:node:fixed', '--as-group=system:nodes'];
    assert.match(await cluster.refused(['get', 'node', 'fixed', ...as]), nameless);
    assert.match(await cluster.refused(['get', 'node', 'fixed', ...as, '--as-uid=1']), another);
    await cluster.ok(['get', 'node', 'fixed', ...as, `--as-uid=${uid}`]);
  });
});

describe("the cluster's own node", () => {
  it('is left by every stream when somebody deletes it, and comes back by itself as another one', async () => {
    const { cluster, nodeName, nodeUid } = target;
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/honest', '--timeout=20s']);
    const streams = [
      cluster.background(['exec', 'honest', '--', 'sh', '-c', 'echo begun; sleep 60']),
      cluster.background(['logs', '-f', 'honest']),
      cluster.background(['port-forward', 'pod/honest', ':80']),
    ];
    await streams[0]?.until(/begun/);
    await streams[2]?.until(/Forwarding from/);
    await cluster.ok(['delete', 'node', nodeName]);
    for (const stream of streams) await soon('a stream ends', stream.ended);
    await cluster.until(
      'another Node object that is Ready',
      async () => {
        const args = [
          'get',
          'node',
          nodeName,
          '-o',
          'jsonpath={.metadata.uid} {.status.conditions[?(@.type=="Ready")].status}',
        ];
        const { stdout } = await cluster.kubectl(args);
        return stdout.endsWith(' True') && !stdout.startsWith(nodeUid);
      },
      40_000,
    );
    await cluster.create(shellPod('after', WAIT, { spec: { nodeName } }));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/after', '--timeout=30s']);
    assert.equal(await cluster.ok(['exec', 'after', '--', 'echo', 'works']), 'works\n');
  });
});
