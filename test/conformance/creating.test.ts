import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { servingFor, testAuthority } from '../../src/pki/testing/test-peers.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';

let cluster: TestCluster;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-files-'));
  cluster = await startCluster();
});
after(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Creates with `kubectl create …`, and answers the parts of the object that `path` names. */
async function created(args: readonly string[], says: string, path: string): Promise<unknown> {
  assert.equal(await cluster.ok(['create', ...args]), `${says} created\n`);
  const object = says.split(' ')[0] as string;
  return JSON.parse(await cluster.ok(['get', object, '-o', `jsonpath=${path}`]));
}

describe('kubectl create', () => {
  it('makes config maps of literals, files and env files', async () => {
    await writeFile(join(folder, 'app.conf'), 'a = b\n');
    await writeFile(join(folder, 'bytes.bin'), Buffer.from([0, 255, 1, 254]));
    await writeFile(join(folder, 'vars.env'), 'ONE=1\n# no\nTWO=two words\n');
    assert.deepEqual(
      await created(
        [
          'configmap',
          'files',
          `--from-file=${folder}/app.conf`,
          `--from-file=raw=${folder}/bytes.bin`,
          '--from-literal=x=y',
        ],
        'configmap/files',
        '[{.data},{.binaryData}]',
      ),
      [{ 'app.conf': 'a = b\n', x: 'y' }, { raw: 'AP8B/g==' }],
    );
    assert.deepEqual(
      await created(['configmap', 'envs', `--from-env-file=${folder}/vars.env`], 'configmap/envs', '{.data}'),
      { ONE: '1', TWO: 'two words' },
    );
  });

  it('makes secrets: generic, TLS, of a registry', async () => {
    assert.deepEqual(
      await created(['secret', 'generic', 'plain', '--from-literal=k=v'], 'secret/plain', '[{.data},"{.type}"]'),
      [{ k: 'dg==' }, 'Opaque'],
    );
    const { certificatePem, privateKeyPem } = servingFor(testAuthority('example.test'));
    const keyPem = privateKeyPem.reveal();
    await writeFile(join(folder, 'tls.crt'), certificatePem);
    await writeFile(join(folder, 'tls.key'), keyPem);
    assert.deepEqual(
      await created(
        ['secret', 'tls', 'pair', `--cert=${folder}/tls.crt`, `--key=${folder}/tls.key`],
        'secret/pair',
        '[{.data},"{.type}"]',
      ),
      [
        {
          'tls.crt': Buffer.from(certificatePem).toString('base64'),
          'tls.key': Buffer.from(keyPem).toString('base64'),
        },
        'kubernetes.io/tls',
      ],
    );
    const [data, type] = (await created(
      ['secret', 'docker-registry', 'pull', '--docker-server=r.test', '--docker-username=u', '--docker-password=p'],
      'secret/pull',
      '[{.data},"{.type}"]',
    )) as [Record<string, string>, string];
    assert.equal(type, 'kubernetes.io/dockerconfigjson');
    assert.deepEqual(JSON.parse(Buffer.from(data['.dockerconfigjson'] ?? '', 'base64').toString()), {
      auths: { 'r.test': { username: 'u', password: 'p', auth: 'dTpw' } },
    });
  });

  it('makes namespaces and service accounts, with what belongs to them', async () => {
    assert.equal(await created(['namespace', 'team'], 'namespace/team', '"{.status.phase}"'), 'Active');
    await cluster.ok(['wait', '--for=create', 'sa/default', '-n', 'team', '--timeout=10s']);
    await cluster.ok(['wait', '--for=create', 'cm/kube-root-ca.crt', '-n', 'team', '--timeout=10s']);
    assert.equal(await cluster.ok(['create', 'sa', 'robot', '-n', 'team']), 'serviceaccount/robot created\n');
    assert.equal(
      await cluster.refused(['create', 'ns', 'Team_1']),
      "The Namespace \"Team_1\" is invalid: metadata.name: Invalid value: \"Team_1\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    );
    assert.equal(
      await cluster.refused(['create', 'cm', 'x', '-n', 'nowhere']),
      'error: failed to create configmap: namespaces "nowhere" not found',
    );
  });

  it('makes deployments', async () => {
    assert.deepEqual(
      await created(
        [
          'deployment',
          'web',
          '--image=none',
          '--replicas=2',
          '--port=80',
          '--',
          'sh',
          '-c',
          "trap 'exit 0' TERM; sleep 1000 & wait",
        ],
        'deployment.apps/web',
        '[{.spec.replicas},{.spec.selector.matchLabels},{.spec.template.spec.containers[0].ports},{.spec.strategy}]',
      ),
      [
        2,
        { app: 'web' },
        [{ containerPort: 80, protocol: 'TCP' }],
        { rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' }, type: 'RollingUpdate' },
      ],
    );
    await cluster.ok(['rollout', 'status', 'deploy/web', '--timeout=20s']);
    await cluster.ok(['delete', 'deploy', 'web']);
  });

  it('makes services of each type', async () => {
    const [ip, type, ports] = (await created(
      ['service', 'clusterip', 'inner', '--tcp=80:8080'],
      'service/inner',
      '["{.spec.clusterIP}","{.spec.type}",{.spec.ports}]',
    )) as unknown[];
    assert.match(String(ip), /^10\.96\.\d+\.\d+$/);
    assert.equal(type, 'ClusterIP');
    assert.deepEqual(ports, [{ name: '80-8080', port: 80, protocol: 'TCP', targetPort: 8080 }]);
    assert.equal(
      await created(
        ['service', 'clusterip', 'headless', '--clusterip=None', '--tcp=80'],
        'service/headless',
        '"{.spec.clusterIP}"',
      ),
      'None',
    );
    assert.equal(
      await created(
        ['service', 'nodeport', 'outer', '--tcp=80', '--node-port=31234'],
        'service/outer',
        '{.spec.ports[0].nodePort}',
      ),
      31234,
    );
    const free = await created(
      ['service', 'nodeport', 'free', '--tcp=80'],
      'service/free',
      '{.spec.ports[0].nodePort}',
    );
    assert.ok(Number(free) >= 30000 && Number(free) <= 32767, String(free));
    assert.equal(
      await cluster.refused(['create', 'service', 'nodeport', 'twice', '--tcp=80', '--node-port=31234']),
      'error: failed to create NodePort service: Service "twice" is invalid: spec.ports[0].nodePort: Invalid value: 31234: provided port is already allocated',
    );
    assert.equal(
      await created(
        ['service', 'externalname', 'away', '--external-name=a.test'],
        'service/away',
        '"{.spec.externalName}"',
      ),
      'a.test',
    );
    assert.equal(
      await created(['service', 'loadbalancer', 'lb', '--tcp=80'], 'service/lb', '"{.spec.type}"'),
      'LoadBalancer',
    );
  });

  it('makes roles and bindings', async () => {
    assert.deepEqual(
      await created(
        ['role', 'reader', '--verb=get,list', '--resource=pods,deployments.apps'],
        'role.rbac.authorization.k8s.io/reader',
        '{.rules}',
      ),
      [
        { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
        { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get', 'list'] },
      ],
    );
    assert.deepEqual(
      await created(
        ['clusterrole', 'metrics', '--verb=get', '--non-resource-url=/metrics'],
        'clusterrole.rbac.authorization.k8s.io/metrics',
        '{.rules}',
      ),
      [{ nonResourceURLs: ['/metrics'], verbs: ['get'] }],
    );
    assert.deepEqual(
      await created(
        ['rolebinding', 'readers', '--role=reader', '--user=ann', '--serviceaccount=team:robot'],
        'rolebinding.rbac.authorization.k8s.io/readers',
        '[{.roleRef},{.subjects}]',
      ),
      [
        { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
        [
          { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'ann' },
          { kind: 'ServiceAccount', name: 'robot', namespace: 'team' },
        ],
      ],
    );
    assert.deepEqual(
      await created(
        ['clusterrolebinding', 'all', '--clusterrole=metrics', '--group=g'],
        'clusterrolebinding.rbac.authorization.k8s.io/all',
        '{.subjects}',
      ),
      [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'g' }],
    );
  });

  it('makes the kinds that are served without behaviour yet', async () => {
    assert.equal(
      await created(
        ['job', 'once', '--image=none', '--', 'true'],
        'job.batch/once',
        '"{.spec.template.spec.restartPolicy}"',
      ),
      'Never',
    );
    assert.equal(
      await created(
        ['cronjob', 'often', '--image=none', '--schedule=*/5 * * * *', '--', 'true'],
        'cronjob.batch/often',
        '"{.spec.schedule}"',
      ),
      '*/5 * * * *',
    );
    assert.equal(
      await created(
        ['ingress', 'door', '--rule=a.test/*=inner:80'],
        'ingress.networking.k8s.io/door',
        '"{.spec.rules[0].http.paths[0].pathType}"',
      ),
      'Prefix',
    );
    assert.equal(
      await created(['priorityclass', 'high', '--value=1000'], 'priorityclass.scheduling.k8s.io/high', '{.value}'),
      1000,
    );
  });

  it('refuses by name what would not be enforced', async () => {
    assert.equal(
      await cluster.refused(['create', 'quota', 'q', '--hard=pods=1']),
      'error: failed to create quota: resourcequotas "q" is forbidden: ResourceQuota is not enforced by this cluster yet: nothing would be counted or limited',
    );
    const policy = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'deny' },
      spec: { podSelector: {} },
    };
    assert.match(
      await cluster.refused(['create', '-f', '-'], { stdin: JSON.stringify(policy) }),
      /networkpolicies\.networking\.k8s\.io "deny" is forbidden: NetworkPolicy is not enforced by this cluster yet: /,
    );
    for (const kind of ['quota', 'networkpolicies']) assert.equal(await cluster.ok(['get', kind, '-o', 'name']), '');
  });

  it('makes what a file says, with names made by the server', async () => {
    const file = join(folder, 'two.yaml');
    await writeFile(
      file,
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: made-\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: two\n',
    );
    assert.match(
      await cluster.ok(['create', '-f', file]),
      /^configmap\/made-[a-z0-9]{5} created\nserviceaccount\/two created\n$/,
    );
    assert.match(
      await cluster.refused(['create', '-f', '-'], {
        stdin: 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: odd\ndatum: {}\n',
      }),
      /^Error from server \(BadRequest\): error when creating "STDIN": ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "datum"$/,
    );
    assert.match(
      await cluster.refused(['create', '-f', '-'], {
        stdin: 'apiVersion: no.such/v1\nkind: Thing\nmetadata:\n  name: odd\n',
      }),
      /no matches for kind "Thing" in version "no\.such\/v1"/,
    );
  });
});

describe('kubectl create token', () => {
  it('gives a token that is the service account, for the audience and time asked for', async () => {
    await cluster.ok(['create', 'sa', 'bot']);
    const token = (await cluster.ok(['create', 'token', 'bot', '--duration=1h'])).trim();
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
      string,
      unknown
    >;
    assert.equal(claims['sub'], 'system:serviceaccount:default:bot');
    assert.equal(Number(claims['exp']) - Number(claims['iat']), 3600);
    // A client certificate would go before the token: use a kubeconfig without one.
    const bare = join(folder, 'bare.kubeconfig');
    const config = (await cluster.ok(['config', 'view', '--raw', '--flatten', '--minify']))
      .replace(/client-certificate-data: .*/, '')
      .replace(/client-key-data: .*/, `token: ${token}`);
    await writeFile(bare, config, { mode: 0o600 });
    const who = await cluster.ok(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'], {
      env: { KUBECONFIG: bare },
    });
    assert.equal(who, 'system:serviceaccount:default:bot');
    assert.equal(
      await cluster.refused(['get', 'pods'], { env: { KUBECONFIG: bare } }),
      'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:default:bot" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    await cluster.ok(['delete', 'sa', 'bot']);
    assert.equal(
      await cluster.refused(['get', 'pods'], { env: { KUBECONFIG: bare } }),
      'error: You must be logged in to the server (Unauthorized)',
    );
    assert.match(await cluster.refused(['create', 'token', 'bot']), /serviceaccounts "bot" not found/);
  });
});
