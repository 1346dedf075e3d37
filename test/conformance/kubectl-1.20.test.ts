import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { servingFor, testAuthority } from '../../src/pki/testing/test-peers.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import type { CommandOptions } from '../support/run.ts';

/** kubectl of 2021: legacy discovery, OpenAPI v2 in protobuf, JSON bodies. Its SPDY streams are in the tests of exec, attach, cp and port-forward. */
let cluster: TestCluster;
let folder: string;

const OLD = { version: '1.20' } as const;
const ok = (args: readonly string[], options: CommandOptions = {}): Promise<string> =>
  cluster.ok(args, { ...options, ...OLD });
const refused = (args: readonly string[], options: CommandOptions = {}): Promise<string> =>
  cluster.refused(args, { ...options, ...OLD });

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-files-'));
  cluster = await startCluster();
});
after(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('kubectl 1.20', () => {
  it('runs a pod, gets it in each form, watches, describes and deletes it', async () => {
    const watch = cluster.background(['get', 'pods', '-w'], '1.20');
    assert.equal(
      await ok([
        'run',
        'web',
        '--image=none',
        '--labels=app=web',
        '--command',
        '--',
        'sh',
        '-c',
        `trap 'exit 0' TERM; echo hello; ${WAIT}`,
      ]),
      'pod/web created\n',
    );
    assert.equal(await ok(['wait', '--for=condition=Ready', 'pod/web', '--timeout=20s']), 'pod/web condition met\n');
    assert.match(
      await ok(['get', 'pods', '-o', 'wide']),
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\nweb +1\/1 +Running +0 /,
    );
    assert.match(await ok(['get', 'pod', 'web', '-o', 'yaml']), /^apiVersion: v1\nkind: Pod\n/);
    assert.equal((JSON.parse(await ok(['get', 'pod', 'web', '-o', 'json'])) as { kind: string }).kind, 'Pod');
    assert.equal(await ok(['get', 'pods', '-l', 'app=web', '-o', 'name']), 'pod/web\n');
    assert.equal(await ok(['get', 'pods', '-o', 'jsonpath={.items[0].status.phase}']), 'Running');
    assert.equal(
      await ok([
        'get',
        'pods',
        '-A',
        '--field-selector=metadata.name=web',
        '--sort-by=.metadata.name',
        '--no-headers',
      ]).then((t) => t.split(/ +/)[1]),
      'web',
    );
    assert.match(
      await ok(['describe', 'pod', 'web']),
      /\nEvents:\n[\s\S]*Scheduled[\s\S]*Successfully assigned default\/web to/,
    );
    assert.match(await ok(['describe', 'node']), /\n {2}default +web +0 \(0%\)/);
    await cluster.until('the log', async () => (await ok(['logs', 'web'])) === 'hello\n');
    const following = cluster.background(['logs', '-f', 'web'], '1.20');
    await following.until(/hello/);
    assert.equal(await ok(['delete', 'pod', 'web']), 'pod "web" deleted\n');
    assert.equal(await following.ended, 0);
    await watch.until(/^web +1\/1 +Running [\s\S]*web +\d\/1 +(Terminating|Completed)/m);
    await watch.stop();
    assert.equal(await refused(['get', 'pod', 'web']), 'Error from server (NotFound): pods "web" not found');
  });

  it('knows what there is', async () => {
    assert.match(
      await ok(['api-resources']),
      /^NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND\n[\s\S]*\npods +po +v1 +true +Pod\n[\s\S]*\ndeployments +deploy +apps\/v1 +true +Deployment\n/,
    );
    assert.ok((await ok(['api-versions'])).split('\n').includes('rbac.authorization.k8s.io/v1'));
    assert.match(
      await ok(['explain', 'pod.spec.containers.image']),
      /^KIND: +Pod\nVERSION: +v1\n\nFIELD: +image <string>\n\nDESCRIPTION:\n {5}Container image name\./,
    );
    assert.match(
      await ok(['explain', 'deployment', '--recursive']),
      /\n {3}spec\t<Object>\n[\s\S]*\n {6}replicas\t<integer>\n/,
    );
    assert.match(await ok(['version', '--short']), /Server Version: v1\./);
    assert.match(await ok(['cluster-info']), /Kubernetes (control plane|master).* is running at/);
    assert.equal(await ok(['get', '--raw', '/healthz']), 'ok');
    assert.match(await ok(['get', 'paths']), /^NAME +FROM +TO +TRANSPORT +TLS +VERDICT +LAST SEEN\n/);
    assert.match(await ok(['top', 'nodes']), /^NAME +CPU\(cores\) +CPU% +MEMORY\(bytes\) +MEMORY% *\n\S+ +\d+m /);
  });

  it('creates each kind', async () => {
    const { certificatePem, privateKeyPem } = servingFor(testAuthority('old'));
    await writeFile(join(folder, 'c.pem'), certificatePem);
    await writeFile(join(folder, 'k.pem'), privateKeyPem.reveal());
    for (const [args, says] of [
      ['configmap cm --from-literal=a=b', 'configmap/cm'],
      ['secret generic s --from-literal=a=b', 'secret/s'],
      [`secret tls t --cert=${folder}/c.pem --key=${folder}/k.pem`, 'secret/t'],
      ['secret docker-registry d --docker-username=u --docker-password=p', 'secret/d'],
      ['namespace ns1', 'namespace/ns1'],
      ['serviceaccount sa', 'serviceaccount/sa'],
      ['deployment dep --image=none --replicas=2 -- sh', 'deployment.apps/dep'],
      ['service clusterip s1 --tcp=80:8080', 'service/s1'],
      ['service nodeport s2 --tcp=80', 'service/s2'],
      ['service externalname s3 --external-name=a.test', 'service/s3'],
      ['role r --verb=get --resource=pods', 'role.rbac.authorization.k8s.io/r'],
      ['clusterrole cr --verb=get --resource=nodes', 'clusterrole.rbac.authorization.k8s.io/cr'],
      ['rolebinding rb --role=r --user=ann', 'rolebinding.rbac.authorization.k8s.io/rb'],
      ['clusterrolebinding crb --clusterrole=cr --user=ann', 'clusterrolebinding.rbac.authorization.k8s.io/crb'],
      ['job j --image=none -- true', 'job.batch/j'],
      ['ingress i --rule=a.test/*=s1:80', 'ingress.networking.k8s.io/i'],
      ['priorityclass pc --value=5', 'priorityclass.scheduling.k8s.io/pc'],
    ] as const) {
      assert.equal(await ok(['create', ...args.split(' ')]), `${says} created\n`);
    }
    assert.match(
      await refused(['create', 'quota', 'q', '--hard=pods=1']),
      /resourcequotas "q" is forbidden: ResourceQuota is not enforced/,
    );
    assert.equal(await ok(['delete', 'deploy', 'dep']), 'deployment.apps "dep" deleted\n');
  });

  it('applies, patches, edits, labels and replaces', async () => {
    const object = (a: string): string =>
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { a } });
    assert.equal(await ok(['apply', '-f', '-'], { stdin: object('1') }), 'configmap/c created\n');
    assert.equal(await ok(['apply', '-f', '-'], { stdin: object('1') }), 'configmap/c unchanged\n');
    assert.equal(await ok(['apply', '-f', '-'], { stdin: object('2') }), 'configmap/c configured\n');
    // It validates with the OpenAPI document that it got as protobuf.
    assert.match(
      await refused(['apply', '-f', '-'], { stdin: object('1').replace('"data"', '"datum"') }),
      /error validating data: ValidationError\(ConfigMap\): unknown field "datum" in io\.k8s\.api\.core\.v1\.ConfigMap/,
    );
    const diff = await cluster.kubectl(['diff', '-f', '-'], { stdin: object('3'), ...OLD });
    assert.equal(diff.code, 1, diff.stderr);
    assert.match(diff.stdout, /^\+ {2}a: "3"$/m);
    assert.equal(await ok(['patch', 'cm', 'c', '-p', '{"data":{"b":"2"}}']), 'configmap/c patched\n');
    assert.equal(await ok(['patch', 'cm', 'c', '--type=merge', '-p', '{"data":{"b":null}}']), 'configmap/c patched\n');
    assert.equal(
      await ok(['patch', 'cm', 'c', '--type=json', '-p', '[{"op":"add","path":"/data/z","value":"9"}]']),
      'configmap/c patched\n',
    );
    const editor = join(folder, 'editor.sh');
    await writeFile(editor, '#!/bin/sh\nsed -i \'s/z: "9"/z: "10"/\' "$1"\n');
    await chmod(editor, 0o755);
    assert.equal(await ok(['edit', 'cm', 'c'], { env: { KUBE_EDITOR: editor } }), 'configmap/c edited\n');
    assert.equal(await ok(['label', 'cm', 'c', 'x=y']), 'configmap/c labeled\n');
    assert.equal(await ok(['annotate', 'cm', 'c', 'n=m']), 'configmap/c annotated\n');
    assert.deepEqual(JSON.parse(await ok(['get', 'cm', 'c', '-o', 'jsonpath={.data}'])), { a: '2', z: '10' });
    assert.equal(await ok(['replace', '-f', '-'], { stdin: object('7') }), 'configmap/c replaced\n');
  });

  it('scales, rolls out, undoes and drains', async () => {
    const template = { metadata: { labels: { app: 'd' } }, spec: shellPod('', WAIT).spec };
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd' },
      spec: { replicas: 1, selector: { matchLabels: { app: 'd' } }, template },
    };
    await ok(['apply', '-f', '-'], { stdin: JSON.stringify(deployment) });
    assert.match(
      await ok(['rollout', 'status', 'deploy/d', '--timeout=20s']),
      /deployment "d" successfully rolled out\n$/,
    );
    assert.equal(await ok(['scale', 'deploy', 'd', '--replicas=2']), 'deployment.apps/d scaled\n');
    assert.equal(await ok(['set', 'image', 'deploy/d', 'main=other']), 'deployment.apps/d image updated\n');
    assert.match(await ok(['rollout', 'status', 'deploy/d', '--timeout=30s']), /successfully rolled out\n$/);
    assert.equal(await ok(['rollout', 'undo', 'deploy/d']), 'deployment.apps/d rolled back\n');
    assert.match(await ok(['rollout', 'status', 'deploy/d', '--timeout=30s']), /successfully rolled out\n$/);
    assert.match(await ok(['rollout', 'history', 'deploy/d']), /\n2 +<none>\n3 +<none>\n/);
    assert.equal(await ok(['expose', 'deploy', 'd', '--port=80']), 'service/d exposed\n');
    assert.equal(
      await ok(['autoscale', 'deploy', 'd', '--max=3']),
      'horizontalpodautoscaler.autoscaling/d autoscaled\n',
    );
    const node = (await ok(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}'])).trim();
    assert.match(
      await ok(['drain', node, '--timeout=20s'], { timeoutMs: 40_000 }),
      /pod\/d-[a-z0-9]+-[a-z0-9]+ evicted\n[\s\S]*evicted\n$/,
    );
    assert.equal(await ok(['uncordon', node]), `node/${node} uncordoned\n`);
    assert.equal(await ok(['taint', 'node', node, 'a=b:NoSchedule']), `node/${node} tainted\n`);
    assert.equal(await ok(['taint', 'node', node, 'a-']), `node/${node} untainted\n`);
    assert.equal(await ok(['delete', 'deploy', 'd']), 'deployment.apps "d" deleted\n');
  });

  it('asks what it may, and is told', async () => {
    assert.equal(await ok(['auth', 'can-i', 'create', 'pods']), 'yes\n');
    assert.equal((await cluster.kubectl(['auth', 'can-i', 'create', 'pods', '--as=ann'], OLD)).stdout, 'no\n');
    assert.match(await ok(['auth', 'can-i', '--list']), /\n\*\.\* +\[\] +\[\] +\[\*\]\n/);
    assert.equal(
      await refused(['get', 'secrets', '--as=bob']),
      'Error from server (Forbidden): secrets is forbidden: User "bob" cannot list resource "secrets" in API group "" in the namespace "default"',
    );
  });
});
