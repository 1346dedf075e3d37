import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  await cluster.ok(['create', 'namespace', 'other']);
  await cluster.create(
    shellPod('web', WAIT, { labels: { app: 'web', tier: 'front' } }),
    shellPod('db', WAIT, { labels: { app: 'db' }, annotations: { rank: '2' } }),
    shellPod('far', WAIT, { namespace: 'other', labels: { app: 'web' } }),
    ...Array.from({ length: 25 }, (_, i) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: `cm-${String(i).padStart(2, '0')}`,
        namespace: 'other',
        labels: { parity: i % 2 === 0 ? 'even' : 'odd' },
      },
      data: { rank: String(24 - i).padStart(2, '0') },
    })),
  );
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/web', 'pod/db', '--timeout=20s']);
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/far', '-n', 'other', '--timeout=20s']);
});
after(() => cluster?.stop());

/** The rows of a table that kubectl printed, each as its columns. */
function rows(table: string): string[][] {
  return table
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/).map((cell) => cell.trim()));
}

describe('kubectl run', () => {
  it('makes a pod with the label, image and command that it was given', async () => {
    assert.equal(
      await cluster.ok([
        'run',
        'made',
        '--image=busybox',
        '--restart=Never',
        '--env=A=b',
        '-l',
        'x=y',
        '--command',
        '--',
        'true',
      ]),
      'pod/made created\n',
    );
    const pod = await cluster.json<{
      spec: { containers: unknown[]; restartPolicy: string };
      metadata: { labels: unknown };
    }>(['get', 'pod', 'made']);
    assert.deepEqual(pod.metadata.labels, { x: 'y' });
    assert.equal(pod.spec.restartPolicy, 'Never');
    await cluster.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/made', '--timeout=10s']);
    assert.equal(rows(await cluster.ok(['get', 'pod', 'made']))[1]?.[2], 'Completed');
    assert.equal(
      await cluster.refused(['run', 'made', '--image=busybox', '--command', '--', 'true']),
      'Error from server (AlreadyExists): pods "made" already exists',
    );
    assert.equal(await cluster.ok(['delete', 'pod', 'made']), 'pod "made" deleted from default namespace\n');
  });

  it('runs one command with its output and its exit code', async () => {
    const result = await cluster.kubectl(
      [
        'run',
        'once',
        '--image=none',
        '--restart=Never',
        '--rm',
        '-i',
        '--quiet',
        '--command',
        '--',
        'sh',
        '-c',
        'read a; echo "got $a"; exit 4',
      ],
      { stdin: 'word\n' },
    );
    assert.match(result.stdout, /^got word\n/);
    assert.equal(result.code, 4, result.stderr);
    assert.equal(await cluster.refused(['get', 'pod', 'once']), 'Error from server (NotFound): pods "once" not found');
  });

  it('prints what it would make', async () => {
    const client = await cluster.ok(['run', 'dry', '--image=none', '--dry-run=client', '-o', 'name']);
    const server = await cluster.ok([
      'run',
      'dry',
      '--image=none',
      '--dry-run=server',
      '-o',
      'jsonpath={.metadata.uid}',
    ]);
    assert.equal(client, 'pod/dry\n');
    assert.match(server, /^[0-9a-f-]{36}$/);
    assert.match(await cluster.refused(['get', 'pod', 'dry']), /NotFound/);
  });
});

describe('kubectl get', () => {
  it('prints the columns of Kubernetes', async () => {
    const [head, ...pods] = rows(await cluster.ok(['get', 'pods']));
    assert.deepEqual(head, ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE']);
    assert.deepEqual(
      pods.map((row) => row.slice(0, 4)),
      [
        ['db', '1/1', 'Running', '0'],
        ['web', '1/1', 'Running', '0'],
      ],
    );
    const [wide, pod] = rows(await cluster.ok(['get', 'pods', 'web', '-o', 'wide']));
    assert.deepEqual(wide, [
      'NAME',
      'READY',
      'STATUS',
      'RESTARTS',
      'AGE',
      'IP',
      'NODE',
      'NOMINATED NODE',
      'READINESS GATES',
    ]);
    assert.match(pod?.[5] ?? '', /^\d+\.\d+\.\d+\.\d+$/);
    assert.equal(rows(await cluster.ok(['get', 'pods', '-A']))[0]?.[0], 'NAMESPACE');
    assert.deepEqual(
      rows(await cluster.ok(['get', 'pods', '-A', '--no-headers'])).map((row) => row.slice(0, 2)),
      [
        ['default', 'db'],
        ['default', 'web'],
        ['other', 'far'],
      ],
    );
    assert.equal(
      await cluster
        .ok(['get', 'pods', '--show-labels', '-L', 'tier', '--no-headers', 'web'])
        .then((t) => rows(t)[0]?.slice(5).join(' ')),
      'front app=web,tier=front',
    );
    assert.deepEqual(rows(await cluster.ok(['get', 'nodes']))[0], ['NAME', 'STATUS', 'ROLES', 'AGE', 'VERSION']);
    assert.equal(rows(await cluster.ok(['get', 'nodes']))[1]?.[1], 'Ready');
    const [service, kubernetes] = rows(await cluster.ok(['get', 'svc']));
    assert.deepEqual(service, ['NAME', 'TYPE', 'CLUSTER-IP', 'EXTERNAL-IP', 'PORT(S)', 'AGE']);
    assert.deepEqual(kubernetes?.slice(0, 5), ['kubernetes', 'ClusterIP', '10.96.0.1', '<none>', '443/TCP']);
    assert.deepEqual(rows(await cluster.ok(['get', 'sa', 'default']))[0], ['NAME', 'SECRETS', 'AGE']);
    assert.deepEqual(
      rows(await cluster.ok(['get', 'cm', '-n', 'other', 'cm-00'])).map((r) => r.slice(0, 2)),
      [
        ['NAME', 'DATA'],
        ['cm-00', '1'],
      ],
    );
    assert.deepEqual(
      rows(await cluster.ok(['get', 'ns', 'other'])).map((r) => r.slice(0, 2)),
      [
        ['NAME', 'STATUS'],
        ['other', 'Active'],
      ],
    );
  });

  it('prints YAML, JSON, names, JSONPath, templates and custom columns', async () => {
    assert.match(await cluster.ok(['get', 'pod', 'web', '-o', 'yaml']), /^apiVersion: v1\nkind: Pod\nmetadata:\n/);
    const list = await cluster.json<{
      kind: string;
      items: { kind: string; metadata: { name: string; managedFields?: unknown } }[];
    }>(['get', 'pods']);
    assert.equal(list.kind, 'List');
    assert.deepEqual(
      list.items.map((p) => `${p.kind} ${p.metadata.name}`),
      ['Pod db', 'Pod web'],
    );
    assert.equal(await cluster.ok(['get', 'pods,sa', '-o', 'name']), 'pod/db\npod/web\nserviceaccount/default\n');
    assert.equal(
      await cluster.ok(['get', 'pods', '-o', 'jsonpath={range .items[*]}{.metadata.name}:{.status.phase}{"\\n"}{end}']),
      'db:Running\nweb:Running\n',
    );
    assert.equal(await cluster.ok(['get', 'pod', 'db', '-o', 'go-template={{.metadata.annotations.rank}}']), '2');
    assert.deepEqual(
      rows(await cluster.ok(['get', 'pods', '-o', 'custom-columns=N:.metadata.name,A:.metadata.labels.app'])),
      [
        ['N', 'A'],
        ['db', 'db'],
        ['web', 'web'],
      ],
    );
  });

  it('selects by label and by field', async () => {
    assert.equal(await cluster.ok(['get', 'pods', '-l', 'app=web', '-o', 'name']), 'pod/web\n');
    assert.equal(await cluster.ok(['get', 'pods', '-l', 'app!=web', '-o', 'name']), 'pod/db\n');
    assert.equal(await cluster.ok(['get', 'pods', '-l', 'app in (web,db),!tier', '-o', 'name']), 'pod/db\n');
    assert.equal(await cluster.ok(['get', 'pods', '-l', 'tier', '-o', 'name']), 'pod/web\n');
    assert.equal(
      await cluster.ok(['get', 'pods', '-A', '--field-selector', 'metadata.namespace!=default', '-o', 'name']),
      'pod/far\n',
    );
    assert.equal(
      await cluster.ok([
        'get',
        'pods',
        '-A',
        '--field-selector',
        'status.phase=Running,metadata.name=far',
        '-o',
        'name',
      ]),
      'pod/far\n',
    );
    const refusal = await cluster.refused(['get', 'pods', '--field-selector', 'spec.nonsense=1']);
    assert.match(refusal, /^Error from server \(BadRequest\): .*field label not supported: spec\.nonsense/);
    const result = await cluster.kubectl(['get', 'pods', '-l', 'app=none']);
    assert.equal(result.stderr, 'No resources found in default namespace.\n');
    assert.equal(result.code, 0);
  });

  it('sorts, and lists in chunks', async () => {
    const sorted = await cluster.ok([
      'get',
      'cm',
      '-n',
      'other',
      '-l',
      'parity=even',
      '--sort-by',
      '.data.rank',
      '-o',
      'name',
    ]);
    assert.deepEqual(sorted.trim().split('\n').slice(0, 2), ['configmap/cm-24', 'configmap/cm-22']);
    const table = rows(await cluster.ok(['get', 'cm', '-n', 'other', '--sort-by=.data.rank', '--no-headers']));
    assert.equal(table.filter(([name]) => name?.startsWith('cm-'))[0]?.[0], 'cm-24');
    const chunked = await cluster.kubectl(['get', 'cm', '-n', 'other', '--chunk-size=10', '-o', 'name', '-v=6']);
    assert.equal(chunked.stdout.trim().split('\n').length, 26);
    assert.equal(chunked.stderr.match(/configmaps\?[^ ]*limit=10/g)?.length, 3, chunked.stderr);
  });

  it('reads one object of many kinds, and says what it does not know', async () => {
    assert.equal(await cluster.ok(['get', 'po/web', 'svc/kubernetes', '-o', 'name']), 'pod/web\nservice/kubernetes\n');
    assert.equal(
      await cluster.refused(['get', 'nonsense']),
      'error: the server doesn\'t have a resource type "nonsense"',
    );
    assert.equal(
      await cluster.refused(['get', 'pod', 'nobody']),
      'Error from server (NotFound): pods "nobody" not found',
    );
    assert.equal(
      await cluster.refused(['get', 'deploy', 'nobody']),
      'Error from server (NotFound): deployments.apps "nobody" not found',
    );
    assert.equal((await cluster.kubectl(['get', 'pod', 'nobody', '--ignore-not-found'])).code, 0);
    assert.match(await cluster.ok(['get', 'all']), /pod\/web[\s\S]*service\/kubernetes/);
  });

  it('watches', async () => {
    const watch = cluster.background(['get', 'pods', '-w']);
    const only = cluster.background(['get', 'pods', '--watch-only', '-o', 'name']);
    const events = cluster.background(['get', 'pods', '-w', '--output-watch-events', '-l', 'run=seen']);
    await watch.until(/^db .*\nweb /m);
    // A watch says nothing at its start: give it a first event.
    await cluster.until('the watch to begin', async () => {
      await cluster.ok(['annotate', 'pod', 'db', '--overwrite', `at=${Date.now()}`]);
      return only.stdout.includes('pod/db');
    });
    await cluster.ok(['run', 'seen', '--image=none', '--command', '--', 'sh', '-c', `trap 'exit 0' TERM; ${WAIT}`]);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/seen', '--timeout=10s']);
    await cluster.ok(['delete', 'pod', 'seen']);
    await events.until(/^DELETED +seen /m);
    await watch.until(/^seen +1\/1 +Running +0 +\S+\n[\s\S]*seen +1\/1 +Terminating/m);
    await only.until(/pod\/seen/);
    assert.match(events.stdout, /^EVENT +NAME +READY +STATUS +RESTARTS +AGE\nADDED +seen +0\/1 +Pending/);
    assert.match(events.stdout, /^MODIFIED +seen +1\/1 +Running/m);
    assert.ok(!only.stdout.includes('pod/web'), only.stdout);
    await Promise.all([watch.stop(), only.stop(), events.stop()]);
  });
});

describe('kubectl describe', () => {
  it('describes a pod with its events', async () => {
    const text = await cluster.until('the Started event', async () => {
      const found = await cluster.ok(['describe', 'pod', 'web']);
      return found.includes('Container started') && found;
    });
    assert.match(
      text,
      /^Name: +web\nNamespace: +default\nPriority: +0\nService Account: +default\nNode: +\S+\/127\.0\.0\.1\n/,
    );
    assert.match(text, /\nStatus: +Running\nIP: +\d+\.\d+\.\d+\.\d+\n/);
    assert.match(text, /\n {4}State: +Running\n {6}Started: +\w+, /);
    assert.match(text, /\n {6}\/var\/run\/secrets\/kubernetes\.io\/serviceaccount from kube-api-access-\w{5} \(ro\)\n/);
    assert.match(text, /\nQoS Class: +BestEffort\n/);
    assert.match(text, /\n {2}Normal +Scheduled +\S+ +default-scheduler +Successfully assigned default\/web to \S+\n/);
    assert.match(text, /\n {2}Normal +Started +\S+ +kubelet +.*Container started/);
  });

  it('describes a node with what it has and who uses it', async () => {
    const name = (await cluster.ok(['get', 'nodes', '-o', 'name'])).trim();
    const text = await cluster.ok(['describe', name]);
    assert.match(text, /\nTaints: +<none>\nUnschedulable: +false\nLease:\n {2}HolderIdentity: +\S+\n/);
    assert.match(text, /\n {2}Ready +True +.*KubeletReady/);
    assert.match(text, /\nCapacity:\n {2}cpu: +\d+\n {2}ephemeral-storage: +\d+\S*\n/);
    assert.match(text, /\n {2}default +web +0 \(0%\)/);
    assert.match(text, /\nAllocated resources:\n/);
  });

  it('describes the other kinds', async () => {
    await cluster.ok(['create', 'secret', 'generic', 'key', '--from-literal=a=12345']);
    const secret = await cluster.ok(['describe', 'secret', 'key']);
    assert.match(secret, /\nType: +Opaque\n\nData\n====\na: +5 bytes\n$/);
    assert.ok(!secret.includes('12345'));
    assert.match(
      await cluster.ok(['describe', 'svc', 'kubernetes']),
      /\nType: +ClusterIP\n[\s\S]*\nIP: +10\.96\.0\.1\n[\s\S]*\nEndpoints: +127\.0\.0\.1:\d+\n/,
    );
    assert.match(await cluster.ok(['describe', 'sa', 'default']), /^Name: +default\nNamespace: +default\n/);
    assert.match(
      await cluster.ok(['describe', 'ns', 'other']),
      /\nStatus: +Active\n\nNo resource quota\.\n\nNo LimitRange resource\.\n$/,
    );
    assert.match(await cluster.ok(['describe', 'cm', 'cm-03', '-n', 'other']), /\nData\n====\nrank:\n----\n21\n/);
    assert.match(
      await cluster.ok(['describe', 'clusterrole', 'view']),
      /\nPolicyRule:\n {2}Resources +Non-Resource URLs +Resource Names +Verbs\n[\s\S]*\n {2}pods +\[\] +\[\] +\[get list watch\]\n/,
    );
    assert.match(await cluster.ok(['describe', 'clusterrolebinding', 'cluster-admin']), /\n {2}Group +system:masters/);
  });
});

describe('discovery', () => {
  it('explains kinds and fields with full descriptions', async () => {
    assert.match(
      await cluster.ok(['explain', 'pod.spec.containers.image']),
      /^KIND: +Pod\nVERSION: +v1\n\nFIELD: image <string>\n\n\nDESCRIPTION:\n {4}Container image name\. More info:\n/,
    );
    const deployment = await cluster.ok(['explain', 'deployments', '--recursive']);
    assert.match(deployment, /^GROUP: +apps\nKIND: +Deployment\nVERSION: +v1\n/);
    assert.match(deployment, /\n {2}spec\t<DeploymentSpec>\n[\s\S]*\n {4}replicas\t<integer>\n/);
    assert.match(deployment, /\n +imagePullPolicy\t<string>\n +enum: Always, IfNotPresent, Never\n/);
    assert.match(await cluster.ok(['explain', 'hpa', '--api-version=autoscaling/v1']), /VERSION: +v1\n/);
    assert.equal(await cluster.refused(['explain', 'pod.nonsense']), 'error: field "nonsense" does not exist');
    assert.match(await cluster.ok(['explain', 'communicationpaths']), /KIND: +CommunicationPath\n/);
  });

  it('lists resources and versions', async () => {
    const lines = rows(await cluster.ok(['api-resources']));
    assert.deepEqual(lines[0], ['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND']);
    const find = (name: string, version: string): string[] | undefined =>
      lines.find((r) => r[0] === name && r.includes(version));
    assert.deepEqual(find('pods', 'v1'), ['pods', 'po', 'v1', 'true', 'Pod']);
    assert.deepEqual(find('deployments', 'apps/v1'), ['deployments', 'deploy', 'apps/v1', 'true', 'Deployment']);
    assert.deepEqual(find('communicationpaths', 'paths.causeway.dev/v1'), [
      'communicationpaths',
      'paths',
      'paths.causeway.dev/v1',
      'false',
      'CommunicationPath',
    ]);
    assert.deepEqual(find('certificatesigningrequests', 'certificates.k8s.io/v1'), [
      'certificatesigningrequests',
      'csr',
      'certificates.k8s.io/v1',
      'false',
      'CertificateSigningRequest',
    ]);
    const verbs = await cluster.ok(['api-resources', '--verbs=list,watch', '--api-group=apps', '-o', 'name']);
    assert.deepEqual(verbs.trim().split('\n').sort(), [
      'controllerrevisions.apps',
      'daemonsets.apps',
      'deployments.apps',
      'replicasets.apps',
      'statefulsets.apps',
    ]);
    const versions = (await cluster.ok(['api-versions'])).trim().split('\n');
    for (const version of [
      'v1',
      'apps/v1',
      'batch/v1',
      'rbac.authorization.k8s.io/v1',
      'events.k8s.io/v1',
      'storage.k8s.io/v1',
      'paths.causeway.dev/v1',
    ]) {
      assert.ok(versions.includes(version), version);
    }
  });

  it('gets and explains every kind that it lists', { timeout: 60_000 }, async () => {
    const kinds = rows(await cluster.ok(['api-resources', '--verbs=list', '--no-headers', '--sort-by=name']));
    // A kind without short names has a column less.
    const names = kinds.map((row) => ({ name: row[0] ?? '', apiVersion: row.at(-3) ?? '' }));
    assert.ok(names.length >= 60, `${names.length} kinds`);
    const full = (await cluster.ok(['api-resources', '--verbs=list', '-o', 'name'])).trim().split('\n').join(',');
    const all = await cluster.kubectl(['get', full, '-A', '-o', 'wide']);
    assert.equal(all.code, 0, all.stderr);
    const queue = names[Symbol.iterator]();
    const explain = async (): Promise<void> => {
      for (const { name, apiVersion } of queue) {
        const text = await cluster.ok(['explain', name, `--api-version=${apiVersion}`]);
        assert.match(text, /DESCRIPTION:\n {4}\S/, name);
      }
    };
    await Promise.all([explain(), explain(), explain()]);
  });

  it('says where the control plane is, which version it has and how it is', async () => {
    assert.match(
      await cluster.ok(['cluster-info']),
      new RegExp(`Kubernetes control plane.* is running at .*${cluster.url}`),
    );
    assert.match(await cluster.ok(['version']), /\nServer Version: v1\.\d+\.\d+\S*\n$/);
    assert.equal(await cluster.ok(['get', '--raw', '/readyz']), 'ok');
    assert.match(await cluster.ok(['get', '--raw', '/livez?verbose']), /^\[\+\]ping ok\n[\s\S]*livez check passed\n$/);
    assert.equal(
      (JSON.parse(await cluster.ok(['get', '--raw', '/api/v1/namespaces/default/pods/web'])) as { kind: string }).kind,
      'Pod',
    );
    assert.equal(
      await cluster.refused(['get', '--raw', '/nonsense']),
      'Error from server (NotFound): the server could not find the requested resource',
    );
    const statuses = rows(await cluster.ok(['get', 'componentstatuses', '--no-headers'])).map((r) =>
      r.slice(0, 2).join(' '),
    );
    assert.deepEqual(statuses.sort(), ['controller-manager Healthy', 'etcd-0 Healthy', 'scheduler Healthy']);
  });

  it('says plainly what it has not', async () => {
    assert.match(
      await cluster.refused(['debug', 'web', '--image=none', '--profile=general', '--', 'sh']),
      /Error from server .*ephemeralcontainers/,
    );
    assert.match(
      await cluster.refused(['apply', '--server-side', '-f', '-'], {
        stdin: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}',
      }),
      /^error: Server-side apply not available on the server: /,
    );
  });
});

describe('kubectl events', () => {
  it('lists the events of an object', async () => {
    const text = await cluster.ok(['events', '--for', 'pod/web']);
    assert.deepEqual(rows(text)[0], ['LAST SEEN', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE']);
    assert.match(text, /Normal +Scheduled +Pod\/web +Successfully assigned default\/web to /);
    assert.match(
      await cluster.ok(['get', 'events', '--field-selector', 'involvedObject.name=web,reason=Started']),
      /pod\/web +Container started/,
    );
  });
});

describe('kubectl wait', () => {
  it('waits for conditions, values and ends', async () => {
    assert.equal(await cluster.ok(['wait', '--for=condition=Ready', 'pod/web']), 'pod/web condition met\n');
    assert.equal(
      await cluster.ok(['wait', '--for=jsonpath={.status.phase}=Running', 'pod', '--all']),
      'pod/db condition met\npod/web condition met\n',
    );
    assert.equal(
      await cluster.refused(['wait', '--for=condition=Nonsense', 'pod/web', '--timeout=300ms']),
      'error: timed out waiting for the condition on pods/web',
    );
    await cluster.create(shellPod('gone', WAIT));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/gone']);
    const waiting = cluster.ok(['wait', '--for=delete', 'pod/gone', '--timeout=10s']);
    await cluster.ok(['delete', 'pod', 'gone', '--wait=false']);
    assert.equal(await waiting, 'pod/gone condition met\n');
    const created = cluster.ok(['wait', '--for=create', 'cm/later', '--timeout=10s']);
    await cluster.ok(['create', 'cm', 'later']);
    assert.equal(await created, 'configmap/later condition met\n');
  });
});
