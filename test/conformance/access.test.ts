import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import type { CommandOptions } from '../support/run.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
});
after(() => cluster?.stop());

const TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** A GET with a bearer token and the cluster's CA; answers the status code and the Status' message. */
async function withToken(token: string, path: string): Promise<{ code: number | undefined; body: string }> {
  const kubeconfig = await readFile(cluster.kubeconfig, 'utf8');
  const ca = Buffer.from(/certificate-authority-data: (\S+)/.exec(kubeconfig)?.[1] ?? '', 'base64');
  return new Promise((resolve, reject) => {
    const call = request(
      new URL(path, cluster.url),
      { ca, headers: { authorization: `Bearer ${token}` }, agent: false },
      (answer) => {
        let body = '';
        answer.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        answer.on('end', () => resolve({ code: answer.statusCode, body }));
      },
    );
    call.on('error', reject);
    call.end();
  });
}

describe('kubectl auth', () => {
  it('whoami says who asks', async () => {
    assert.equal(
      await cluster.ok(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}']),
      'kubernetes-admin',
    );
    assert.match(
      await cluster.ok(['auth', 'whoami']),
      /^ATTRIBUTE +VALUE\nUsername +kubernetes-admin\nGroups +\[system:masters system:authenticated\]\n/,
    );
  });

  it('can-i answers for oneself and for others', async () => {
    assert.equal(await cluster.ok(['auth', 'can-i', 'delete', 'nodes']), 'yes\n');
    await cluster.ok(['create', 'role', 'reader', '--verb=get,list', '--resource=pods', '--resource=pods/log']);
    await cluster.ok(['create', 'rolebinding', 'ann-reads', '--role=reader', '--user=ann']);
    const can = async (...args: string[]): Promise<string> =>
      (await cluster.kubectl(['auth', 'can-i', ...args])).stdout;
    assert.equal(await can('get', 'pods', '--as=ann'), 'yes\n');
    assert.equal(await can('get', 'pods', '--subresource=log', '--as=ann'), 'yes\n');
    assert.equal(await can('delete', 'pods', '--as=ann'), 'no\n');
    assert.equal(await can('get', 'pods', '--as=ann', '-n', 'kube-system'), 'no\n');
    assert.equal(await can('get', '/metrics', '--as=ann'), 'no\n');
    assert.equal(await can('get', '/version', '--as=ann', '--as-group=system:authenticated'), 'yes\n');
    assert.equal((await cluster.kubectl(['auth', 'can-i', 'create', 'pods', '--as=ann'])).code, 1);
    assert.match(
      await can('--list', '--as=ann'),
      /\npods +\[\] +\[\] +\[get list\]\npods\/log +\[\] +\[\] +\[get list\]\n|\npods\/log +\[\] +\[\] +\[get list\]\npods +\[\] +\[\] +\[get list\]\n/,
    );
    assert.match(await can('--list'), /\n\*\.\* +\[\] +\[\] +\[\*\]\n/);
  });

  it('impersonates users, groups and service accounts, and only with permission', async () => {
    assert.equal(await cluster.ok(['get', 'pods', '--as=ann', '-o', 'name']), '');
    assert.equal(
      await cluster.refused(['get', 'secrets', '--as=ann']),
      'Error from server (Forbidden): secrets is forbidden: User "ann" cannot list resource "secrets" in API group "" in the namespace "default"',
    );
    assert.equal(
      await cluster.refused(['get', 'nodes', '--as=ann']),
      'Error from server (Forbidden): nodes is forbidden: User "ann" cannot list resource "nodes" in API group "" at the cluster scope',
    );
    assert.equal(
      await cluster.refused(['delete', 'pod', 'x', '--as=ann']),
      'Error from server (Forbidden): pods "x" is forbidden: User "ann" cannot delete resource "pods" in API group "" in the namespace "default"',
    );
    assert.equal(
      await cluster.ok(['get', 'ns', 'default', '-o', 'name', '--as=eve', '--as-group=system:masters']),
      'namespace/default\n',
    );
    assert.equal(
      await cluster.ok([
        'auth',
        'whoami',
        '--as=system:serviceaccount:default:default',
        '-o',
        'jsonpath={.status.userInfo.groups}',
      ]),
      '["system:serviceaccounts","system:serviceaccounts:default","system:authenticated"]',
    );
    const nameless = ['--as=system:node:other', '--as-group=system:nodes'];
    assert.match(
      await cluster.refused(['get', 'pods', '--field-selector=spec.nodeName=other', ...nameless]),
      /the credential of node "other" does not name the UID of its Node object$/,
    );
    await cluster.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'other' } });
    const uid = await cluster.ok(['get', 'node', 'other', '-o', 'jsonpath={.metadata.uid}']);
    const asNode = [...nameless, `--as-uid=${uid}`];
    assert.match(
      await cluster.refused(['get', 'pods', '--field-selector=spec.nodeName=this', ...asNode]),
      /^Error from server \(Forbidden\): pods is forbidden: User "system:node:other" cannot list resource "pods" in API group "" in the namespace "default"/,
    );
    assert.equal(
      await cluster.ok(['get', 'pods', '-A', '--field-selector=spec.nodeName=other', '-o', 'name', ...asNode]),
      '',
    );
    await cluster.ok(['delete', 'node', 'other']);
    assert.match(
      await cluster.refused(['get', 'pods', '-A', '--field-selector=spec.nodeName=other', ...asNode]),
      /node "other" is no longer part of the cluster$/,
    );
  });

  it('refuses to give away more than one has', async () => {
    await cluster.ok(['create', 'role', 'granter', '--verb=create', '--resource=roles,rolebindings']);
    await cluster.ok(['create', 'rolebinding', 'ann-grants', '--role=granter', '--user=ann']);
    assert.match(
      await cluster.refused(['create', 'role', 'more', '--verb=get', '--resource=secrets', '--as=ann']),
      /is forbidden: user "ann" \(groups=\["system:authenticated"\]\) is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["secrets"\], Verbs:\["get"\]\}/,
    );
    assert.match(
      await cluster.refused(['create', 'rolebinding', 'b', '--clusterrole=cluster-admin', '--user=ann', '--as=ann']),
      /is attempting to grant RBAC permissions not currently held/,
    );
    assert.equal(
      await cluster.ok(['create', 'role', 'same', '--verb=get', '--resource=pods', '--as=ann']),
      'role.rbac.authorization.k8s.io/same created\n',
    );
  });

  it('shows what an aggregating role holds, also after a part came and went', async () => {
    const verbs = async (role: string): Promise<string> =>
      cluster.ok(['get', 'clusterrole', role, '-o', 'jsonpath={.rules[?(@.resources[0]=="widgets")].verbs}']);
    assert.match(await cluster.ok(['get', 'clusterrole', 'admin', '-o', 'yaml']), /\nrules:\n- apiGroups:\n/);
    await cluster.ok(['create', 'clusterrole', 'whole', '--aggregation-rule=example.test/part=true']);
    await cluster.create({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: {
        name: 'part',
        labels: { 'example.test/part': 'true', 'rbac.authorization.k8s.io/aggregate-to-view': 'true' },
      },
      rules: [{ apiGroups: ['example.test'], resources: ['widgets'], verbs: ['get'] }],
    });
    for (const role of ['whole', 'view', 'admin']) {
      await cluster.until(`${role} with the part`, async () => (await verbs(role)) === '["get"]');
    }
    await cluster.ok(['delete', 'clusterrole', 'part']);
    for (const role of ['whole', 'view', 'admin']) {
      await cluster.until(`${role} without the part`, async () => (await verbs(role)) === '');
    }
    await cluster.ok(['delete', 'clusterrole', 'whole']);
  });

  it('reconciles roles of a file', async () => {
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'reader', namespace: 'default' },
      rules: [{ apiGroups: [''], resources: ['services'], verbs: ['get'] }],
    };
    assert.match(
      await cluster.ok(['auth', 'reconcile', '-f', '-'], { stdin: JSON.stringify(role) }),
      /role\.rbac\.authorization\.k8s\.io\/reader reconciled/,
    );
    assert.equal((await cluster.kubectl(['auth', 'can-i', 'get', 'services', '--as=ann'])).stdout, 'yes\n');
  });
});

describe('credentials', () => {
  it('are needed, and the answer says no more', async () => {
    const none = await withToken('nonsense', '/api/v1/pods');
    assert.equal(none.code, 401);
    assert.deepEqual(JSON.parse(none.body), {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'Unauthorized',
      reason: 'Unauthorized',
      code: 401,
    });
  });
});

describe('a pod that calls the API', () => {
  /** What a pod does: its own address of the API, its own CA, its own token. */
  const CALL = `call() { curl -s -o /tmp/body -w '%{http_code}' --cacert /var/run/secrets/kubernetes.io/serviceaccount/ca.crt -H "Authorization: Bearer $(cat ${TOKEN})" "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT$1"; echo " $(cat /tmp/body)"; }`;
  const call = async (pod: string, path: string): Promise<{ code: string; body: string }> => {
    const text = await cluster.ok(['exec', pod, '--', 'bash', '-c', `${CALL}; call '${path}'`]);
    return { code: text.slice(0, 3), body: text.slice(4) };
  };

  it('is who its service account is, may what RBAC says, and its token dies with it', async () => {
    await cluster.ok(['create', 'sa', 'worker']);
    await cluster.create(shellPod('caller', WAIT, { spec: { serviceAccountName: 'worker' } }));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/caller', '--timeout=20s']);
    assert.equal(
      await cluster.ok(['exec', 'caller', '--', 'cat', '/var/run/secrets/kubernetes.io/serviceaccount/namespace']),
      'default',
    );
    const refusal = await call('caller', '/api/v1/namespaces/default/pods');
    assert.equal(refusal.code, '403', refusal.body);
    assert.equal(
      (JSON.parse(refusal.body) as { message: string }).message,
      'pods is forbidden: User "system:serviceaccount:default:worker" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    await cluster.ok([
      'create',
      'rolebinding',
      'workers-view',
      '--clusterrole=view',
      '--serviceaccount=default:worker',
    ]);
    const allowed = await cluster.until('the binding to count', async () => {
      const answer = await call('caller', '/api/v1/namespaces/default/pods');
      return answer.code === '200' && answer;
    });
    assert.match(allowed.body, /"name":\s*"caller"/);
    assert.equal((await call('caller', '/api/v1/namespaces/default/secrets')).code, '403');
    assert.equal((await call('caller', '/api/v1/namespaces/kube-system/pods')).code, '403');

    const token = await cluster.ok(['exec', 'caller', '--', 'cat', TOKEN]);
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      'kubernetes.io': { pod: { name: string }; node: { name: string } };
      exp: number;
    };
    assert.equal(claims['kubernetes.io'].pod.name, 'caller');
    assert.equal((await withToken(token, '/api/v1/namespaces/default/pods')).code, 200);
    await cluster.ok(['delete', 'pod', 'caller', '--now']);
    const dead = await withToken(token, '/api/v1/namespaces/default/pods');
    assert.equal(dead.code, 401, dead.body);
  });

  it('does so with a client library of Node, verifying the server', async () => {
    const script = `
const { readFileSync } = require('node:fs');
const dir = '/var/run/secrets/kubernetes.io/serviceaccount';
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
require('node:https').get({ host, port, path: '/version', ca: readFileSync(dir + '/ca.crt'), headers: { authorization: 'Bearer ' + readFileSync(dir + '/token', 'utf8') } }, (r) => {
  console.log('authorized', r.socket.authorized, r.socket.getProtocol(), r.statusCode);
  r.resume();
}).on('error', (e) => console.log(e.message));`;
    await cluster.create(
      shellPod('node', '', {
        spec: { restartPolicy: 'Never' },
        container: { command: [process.execPath, '-e', script] },
      }),
    );
    await cluster.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/node', '--timeout=20s']);
    assert.equal(await cluster.ok(['logs', 'node']), 'authorized true TLSv1.3 200\n');
  });

  it('gets no token when it wants none', async () => {
    await cluster.create(shellPod('tokenless', WAIT, { spec: { automountServiceAccountToken: false } }));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/tokenless', '--timeout=20s']);
    assert.equal(await cluster.ok(['get', 'pod', 'tokenless', '-o', 'jsonpath={.spec.volumes}']), '');
    assert.match(await cluster.refused(['exec', 'tokenless', '--', 'cat', TOKEN]), /No such file or directory/);
    assert.match(
      await cluster.refused([
        'run',
        'x',
        '--image=none',
        '--overrides={"spec":{"serviceAccountName":"nobody"}}',
        '--command',
        '--',
        'true',
      ]),
      /pods "x" is forbidden: error looking up service account default\/nobody: serviceaccount "nobody" not found/,
    );
  });

  it('cannot read the keys of the cluster, nor the token of another pod', async () => {
    await cluster.create(
      shellPod('owner', WAIT),
      shellPod('thief', WAIT, cluster.isRoot ? { container: { securityContext: { runAsUser: 0 } } } : {}),
    );
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/owner', 'pod/thief', '--timeout=20s']);
    const token = (await cluster.ok(['exec', 'owner', '--', 'cat', TOKEN])).trim();
    const look = await cluster.kubectl([
      'exec',
      'thief',
      '--',
      'sh',
      '-c',
      `id -u; ls -la ${cluster.dataDirectory} ${cluster.dataDirectory}/pki; cat ${cluster.kubeconfig}; ls /proc | grep -c '^[0-9]'; echo sought`,
    ]);
    assert.match(look.stdout, /sought\n$/);
    assert.ok(!/BEGIN|client-key-data|\.key|token/.test(look.stdout), look.stdout);
    const processes = Number(look.stdout.trim().split('\n').at(-2));
    assert.ok(processes < 12, `only its own processes, not ${processes}`);
    const grep = await cluster.kubectl(
      [
        'exec',
        'thief',
        '--',
        'sh',
        '-c',
        `grep -rlsF "${token.slice(-40)}" /tmp /run /var /proc/*/environ 2>/dev/null; echo over`,
      ],
      { timeoutMs: 60_000 },
    );
    assert.equal(grep.stdout, 'over\n');
  });
});

/** A certificate request for `CN=ann,O=devs`, made once; nobody has its key. */
const REQUEST =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWE1IOENBUUF3SFRFTk1Bc0dBMVVFQ2d3RVpHVjJjekVNTUFvR0ExVUVBd3dEWVc1dU1Ga3dFd1lIS29aSQp6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUVKUCt3Y2Raa3gzZ00yTWMyMTcvUTJnc1JMNFlrQW54dXpZMnZwWU56CmFUTkw3NGx6NFAzd1NoSUlFMmVjL0VTdDM1RWJBY1lUV1ZZV3UwL3lhb1NuQzZBQU1Bb0dDQ3FHU000OUJBTUMKQTBnQU1FVUNJUURHRjIvS01aZGVlSUQ2YVJzbmVYL2Z1K3NVMnBENjJMdXZ2MGpyeDM2cWFRSWdjaHBic3dHeQo4SDdBdXAyeWlqa3hrOUt6NVdhQWVTeEV0dXdScUxPMUNzRT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==';

/** The same for `O=system:masters`. */
const MASTERS_REQUEST =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIaU1JR0pBZ0VBTUNjeEZ6QVZCZ05WQkFvTURuTjVjM1JsYlRwdFlYTjBaWEp6TVF3d0NnWURWUVFEREFOaApibTR3V1RBVEJnY3Foa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVJmemVZS1lkaTB1MHk0Y3dNNEhQeHhpVkQrCk81dndndmJiNFZaS3BFVEFVcE16L2k0L3BQNUJISzZsVmREb2RGdGRQWXVCYkljdmNVcUR3WHM3Z01sQm9BQXcKQ2dZSUtvWkl6ajBFQXdJRFNBQXdSUUlnSHZqMDFhZmd2Rk1XTWRuazhOK29GdjFoUTl4OWpYUWt0cVIrK25hUgo5U3NDSVFEUVR6QmtTcGFjZlZINU8zalhyV2tSOVRKTVBzc1BaNTFjcEpXQ1I3TkhNQT09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=';

describe('kubectl certificate', () => {
  const conditions = (name: string): Promise<string> =>
    cluster.ok(['get', 'csr', name, '-o', 'jsonpath={.status.conditions[*].type} {.spec.username}']);

  it('approves and denies requests', async () => {
    for (const name of ['yes', 'no']) {
      await cluster.create({
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { name },
        spec: { request: REQUEST, signerName: 'example.test/own', usages: ['client auth'] },
      });
    }
    assert.match(
      await cluster.ok(['get', 'csr', 'yes', '--no-headers']),
      /^yes +\S+ +example\.test\/own +kubernetes-admin +<none> +Pending\n$/,
    );
    assert.equal(
      await cluster.ok(['certificate', 'approve', 'yes']),
      'certificatesigningrequest.certificates.k8s.io/yes approved\n',
    );
    assert.equal(
      await cluster.ok(['certificate', 'deny', 'no']),
      'certificatesigningrequest.certificates.k8s.io/no denied\n',
    );
    assert.equal(await conditions('yes'), 'Approved kubernetes-admin');
    assert.equal(await conditions('no'), 'Denied kubernetes-admin');
    const forClients = (request: string): CommandOptions => ({
      stdin: JSON.stringify({
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { name: 'client' },
        spec: { request, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] },
      }),
    });
    const { stderr } = await cluster.kubectl(['create', '-f', '-'], forClients(REQUEST));
    assert.equal(stderr, '');
    assert.match(
      await cluster.refused(['create', '-f', '-'], forClients(MASTERS_REQUEST)),
      /"client" is forbidden: use of kubernetes\.io\/kube-apiserver-client signer with system:masters group is not allowed/,
    );
    assert.match(
      await cluster.refused(['create', '-f', '-'], forClients(Buffer.from('no request').toString('base64'))),
      /"client" is invalid: spec\.request: Invalid value: .*PEM block type must be CERTIFICATE REQUEST/,
    );
  });
});
