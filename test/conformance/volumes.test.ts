import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shell, shellPod, WAIT } from '../support/pods.ts';

let cluster: TestCluster;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-host-'));
  cluster = await startCluster();
  await cluster.ok([
    'create',
    'configmap',
    'conf',
    '--from-literal=color=red',
    '--from-literal=size=big',
    '--from-literal=not.a_name=x',
  ]);
  await cluster.ok([
    'create',
    'secret',
    'generic',
    'keys',
    '--from-literal=password=s3cret',
    '--from-literal=user=ann',
  ]);
});
after(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

const sh = (pod: string, script: string): Promise<string> =>
  cluster.ok(['exec', pod, '-c', 'main', '--', 'sh', '-c', script]);

async function ready(...names: string[]): Promise<void> {
  await cluster.ok(['wait', '--for=condition=Ready', ...names.map((n) => `pod/${n}`), '--timeout=30s']);
}

describe('volumes', { concurrency: 4 }, () => {
  it('config maps and secrets are files, whole or by key, with modes', async () => {
    await cluster.create(
      shellPod('files', WAIT, {
        spec: {
          volumes: [
            { name: 'all', configMap: { name: 'conf' } },
            {
              name: 'some',
              configMap: {
                name: 'conf',
                items: [{ key: 'color', path: 'deep/er/colour', mode: 0o440 }],
                defaultMode: 0o400,
              },
            },
            { name: 'secret', secret: { secretName: 'keys', defaultMode: 0o400 } },
            { name: 'maybe', secret: { secretName: 'absent', optional: true } },
          ],
          ...(cluster.isRoot ? { securityContext: { fsGroup: 4321 } } : {}),
        },
        container: {
          volumeMounts: [
            { name: 'all', mountPath: '/all' },
            { name: 'some', mountPath: '/some' },
            { name: 'secret', mountPath: '/secret' },
            { name: 'maybe', mountPath: '/maybe' },
            { name: 'all', mountPath: '/one/size', subPath: 'size' },
          ],
        },
      }),
    );
    await ready('files');
    assert.equal(await sh('files', 'ls /all; cat /all/color /all/size'), 'color\nnot.a_name\nsize\nredbig');
    assert.equal(
      await sh('files', 'cat /some/deep/er/colour; stat -L -c %a /some/deep/er/colour; ls /maybe'),
      'red440\n',
    );
    assert.equal(
      await sh('files', 'cat /secret/password /one/size; stat -L -c "%a %g" /secret/password'),
      cluster.isRoot ? 's3cretbig440 4321\n' : `s3cretbig400 ${process.getgid?.()}\n`,
    );
    assert.match(
      (await cluster.kubectl(['exec', 'files', '--', 'sh', '-c', 'echo x > /all/color'])).stderr,
      /Read-only file system|Permission denied/,
    );
  });

  it('the projected token, CA and namespace are there, and the token is bound to the pod', async () => {
    await cluster.create(
      shellPod('projected', WAIT, {
        labels: { app: 'p' },
        spec: {
          volumes: [
            {
              name: 'mix',
              projected: {
                sources: [
                  { serviceAccountToken: { path: 'vault', audience: 'vault', expirationSeconds: 600 } },
                  { configMap: { name: 'conf', items: [{ key: 'color', path: 'c' }] } },
                  { secret: { name: 'keys', items: [{ key: 'user', path: 'u' }] } },
                  { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
                ],
              },
            },
          ],
        },
        container: { volumeMounts: [{ name: 'mix', mountPath: '/mix' }] },
      }),
    );
    await ready('projected');
    const dir = '/var/run/secrets/kubernetes.io/serviceaccount';
    assert.equal(await sh('projected', `ls ${dir}; cat ${dir}/namespace`), 'ca.crt\nnamespace\ntoken\ndefault');
    assert.equal(
      await sh('projected', `cat ${dir}/ca.crt`),
      await cluster.ok(['get', 'cm', 'kube-root-ca.crt', '-o', 'jsonpath={.data.ca\\.crt}']),
    );
    const token = await sh('projected', 'cat /mix/vault');
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      aud: string[];
      exp: number;
      iat: number;
    };
    assert.deepEqual(claims.aud, ['vault']);
    assert.equal(claims.exp - claims.iat, 600);
    assert.equal(await sh('projected', 'cat /mix/c /mix/u; echo; cat /mix/labels'), 'redann\napp="p"');
  });

  it('config maps that change are changed in running pods', { timeout: 120_000 }, async () => {
    await cluster.ok(['create', 'configmap', 'live', '--from-literal=k=old']);
    const mounted = (name: string): object =>
      shellPod(name, WAIT, {
        spec: { volumes: [{ name: 'v', configMap: { name: 'live' } }] },
        container: {
          volumeMounts: [
            { name: 'v', mountPath: '/v' },
            { name: 'v', mountPath: '/fixed', subPath: 'k' },
          ],
        },
      });
    await cluster.create(mounted('patient'), mounted('touched'));
    await ready('patient', 'touched');
    await cluster.ok(['patch', 'cm', 'live', '-p', '{"data":{"k":"new"}}']);
    // A change of the pod makes its volumes fresh at once; without it they are within a minute or so.
    await cluster.ok(['annotate', 'pod', 'touched', 'see=again']);
    await cluster.until('the new value', async () => (await sh('touched', 'cat /v/k')) === 'new', 5_000);
    assert.equal(await sh('touched', 'cat /fixed'), 'old', 'a subPath stays as it was');
    // This takes a minute.
    if (process.env['CAUSEWAY_SOAK'] === undefined) return;
    const look = ['sh', '-c', 'until grep -q new /v/k; do sleep 0.5; done'];
    await cluster.ok(['exec', 'patient', '--', ...look], { timeoutMs: 90_000 });
  });

  it('the downward API tells a pod of itself, in files and variables', async () => {
    await cluster.create(
      shellPod('downward', WAIT, {
        labels: { a: '1', b: '2' },
        annotations: { note: 'with "quotes"' },
        spec: {
          volumes: [
            {
              name: 'd',
              downwardAPI: {
                items: [
                  { path: 'name', fieldRef: { fieldPath: 'metadata.name' } },
                  { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
                  { path: 'note', fieldRef: { fieldPath: "metadata.annotations['note']" } },
                  {
                    path: 'limit',
                    resourceFieldRef: { containerName: 'main', resource: 'limits.memory', divisor: '1Mi' },
                  },
                ],
              },
            },
          ],
        },
        container: {
          resources: cluster.hasLimits ? { limits: { memory: '64Mi', cpu: '500m' } } : {},
          volumeMounts: [{ name: 'd', mountPath: '/d' }],
          env: [
            { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'HOST_IP', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
            { name: 'SA', valueFrom: { fieldRef: { fieldPath: 'spec.serviceAccountName' } } },
            { name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a']" } } },
            { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
          ],
        },
      }),
    );
    await ready('downward');
    assert.equal(
      await sh('downward', 'for f in name labels note; do cat /d/$f; echo; done'),
      'downward\na="1"\nb="2"\nwith "quotes"\n',
    );
    // Without a limit of its own a container has the node's.
    const [limit, cpu] = (await sh('downward', 'cat /d/limit; echo " $CPU"')).trim().split(' ').map(Number);
    if (cluster.hasLimits) assert.deepEqual([limit, cpu], [64, 500]);
    else assert.ok((limit ?? 0) > 64 && (cpu ?? 0) >= 1000, `${limit} ${cpu}`);
    const [node, ip] = (
      await cluster.ok(['get', 'pod', 'downward', '-o', 'jsonpath={.spec.nodeName} {.status.podIP}'])
    ).split(' ');
    assert.equal(await sh('downward', 'echo $NODE $IP $HOST_IP $SA $A'), `${node} ${ip} 127.0.0.1 default 1\n`);
    await cluster.ok(['label', 'pod', 'downward', 'a=9', '--overwrite']);
    await cluster.until('the new label', async () => (await sh('downward', 'cat /d/labels')) === 'a="9"\nb="2"', 5_000);
  });

  it('emptyDir is shared by the containers and goes with the pod', async () => {
    const mount = [{ name: 'e', mountPath: '/e' }];
    await cluster.create(
      shellPod('empty', '', {
        spec: {
          volumes: [
            { name: 'e', emptyDir: {} },
            { name: 'm', emptyDir: {} },
          ],
          containers: [
            shell(`echo from one > /e/f; ${WAIT}`, { volumeMounts: mount }),
            shell(WAIT, { name: 'other', volumeMounts: [...mount, { name: 'm', mountPath: '/m' }] }),
          ],
        },
      }),
    );
    await ready('empty');
    assert.equal(
      await cluster.ok([
        'exec',
        'empty',
        '-c',
        'other',
        '--',
        'sh',
        '-c',
        'until cat /e/f 2>/dev/null; do sleep 0.05; done; echo more >> /e/f',
      ]),
      'from one\n',
    );
    const kill = await cluster.kubectl(['exec', 'empty', '-c', 'main', '--', 'sh', '-c', 'cat /e/f; kill -TERM 1']);
    assert.equal(kill.stdout, 'from one\nmore\n');
    await cluster.until(
      'the restart',
      async () =>
        (await cluster.ok([
          'get',
          'pod',
          'empty',
          '-o',
          'jsonpath={.status.containerStatuses[?(@.name=="main")].restartCount}',
        ])) === '1',
    );
    await cluster.until(
      'more',
      async () => (await cluster.kubectl(['exec', 'empty', '-c', 'main', '--', 'cat', '/e/f'])).stdout === 'from one\n',
    );
    await cluster.ok(['delete', 'pod', 'empty', '--now']);
  });

  it('hostPath is for namespaces that allow it, and of the type it says', async () => {
    await mkdir(join(folder, 'there'));
    await writeFile(join(folder, 'there', 'f'), 'host file');
    const pod = (name: string, namespace: string, path: string, type: 'Directory' | 'DirectoryOrCreate' | ''): object =>
      shellPod(name, WAIT, {
        namespace,
        spec: { volumes: [{ name: 'h', hostPath: { path, type } }] },
        container: {
          ...(cluster.isRoot ? { securityContext: { runAsUser: 0 } } : {}),
          volumeMounts: [{ name: 'h', mountPath: '/h' }],
        },
      });
    assert.equal(
      await cluster.refused(['create', '-f', '-'], { stdin: JSON.stringify(pod('h', 'default', folder, 'Directory')) }),
      'Error from server (Forbidden): error when creating "STDIN": pods "h" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes (volume "h")',
    );
    await cluster.ok(['create', 'ns', 'trusted']);
    await cluster.ok(['label', 'ns', 'trusted', 'pod-security.kubernetes.io/enforce=privileged']);
    await cluster.ok(['wait', '--for=create', 'sa/default', '-n', 'trusted', '--timeout=10s']);
    await cluster.create(
      pod('host', 'trusted', join(folder, 'there'), 'Directory'),
      pod('made', 'trusted', join(folder, 'new'), 'DirectoryOrCreate'),
      pod('wrong', 'trusted', join(folder, 'absent'), 'Directory'),
      pod('theft', 'trusted', cluster.dataDirectory, ''),
    );
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/host', 'pod/made', '-n', 'trusted', '--timeout=20s']);
    assert.equal(
      await cluster.ok(['exec', '-n', 'trusted', 'host', '--', 'sh', '-c', 'cat /h/f; echo written > /h/g']),
      'host file',
    );
    assert.equal(await readFile(join(folder, 'there', 'g'), 'utf8'), 'written\n');
    await cluster.until('FailedMount', async () =>
      (await cluster.ok(['get', 'events', '-n', 'trusted'])).includes(
        `MountVolume.SetUp failed for volume "h" : hostPath type check failed: ${join(folder, 'absent')} is not a directory`,
      ),
    );
    await cluster.ok(['delete', 'pod', '--all', '-n', 'trusted', '--now']);
  });
});

describe('environment', { concurrency: 4 }, () => {
  it('comes from values, config maps, secrets and services', async () => {
    await cluster.ok(['create', 'service', 'clusterip', 'my-svc', '--tcp=80:8080']);
    await cluster.create(
      shellPod('env', WAIT, {
        container: {
          envFrom: [
            { configMapRef: { name: 'conf' } },
            { prefix: 'S_', secretRef: { name: 'keys' } },
            { configMapRef: { name: 'absent', optional: true } },
          ],
          env: [
            { name: 'PLAIN', value: 'text' },
            { name: 'REFERS', value: '$(PLAIN) $(color) $$(PLAIN) $(UNKNOWN)' },
            { name: 'color', value: 'blue' },
            { name: 'SIZE', valueFrom: { configMapKeyRef: { name: 'conf', key: 'size' } } },
            { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'keys', key: 'password' } } },
            { name: 'NONE', valueFrom: { secretKeyRef: { name: 'keys', key: 'none', optional: true } } },
          ],
        },
      }),
    );
    await ready('env');
    assert.equal(
      await sh('env', 'echo "$PLAIN|$REFERS|$color|$SIZE|$PASSWORD|$NONE|$S_user|$size"'),
      'text|text red $(PLAIN) $(UNKNOWN)|blue|big|s3cret||ann|big\n',
    );
    assert.match(await sh('env', 'env'), /^KUBERNETES_SERVICE_HOST=\d+\.\d+\.\d+\.\d+$/m);
    assert.match(await sh('env', 'env'), /^KUBERNETES_SERVICE_PORT=\d+$/m);
    const ip = await cluster.ok(['get', 'svc', 'my-svc', '-o', 'jsonpath={.spec.clusterIP}']);
    assert.equal(
      await sh('env', 'echo $MY_SVC_SERVICE_HOST $MY_SVC_SERVICE_PORT $MY_SVC_PORT_80_TCP_ADDR'),
      `${ip} 80 ${ip}\n`,
    );
    assert.equal(await sh('env', 'echo $HOSTNAME; hostname; cat /etc/hostname'), 'env\nenv\nenv\n');
    if (!cluster.isRoot) return; // Then its network and names are the host's.
    const ipOfPod = await cluster.ok(['get', 'pod', 'env', '-o', 'jsonpath={.status.podIP}']);
    assert.match(await sh('env', 'cat /etc/hosts'), new RegExp(`^${ipOfPod.replaceAll('.', '\\.')}\\s+env$`, 'm'));
  });

  it('expands in command and args, with a working directory', async () => {
    await cluster.create(
      shellPod('args', '', {
        spec: { restartPolicy: 'Never' },
        container: {
          command: ['sh', '-c', 'echo "$0 $1"; pwd'],
          args: ['$(WORD)', '$$(WORD)'],
          env: [{ name: 'WORD', value: 'said' }],
          workingDir: '/usr',
        },
      }),
    );
    await cluster.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/args', '--timeout=20s']);
    assert.equal(await cluster.ok(['logs', 'args']), 'said $(WORD)\n/usr\n');
  });
});
