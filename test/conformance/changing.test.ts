import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';

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

function configMap(name: string, data: Record<string, string>, labels?: Record<string, string>): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, ...(labels ? { labels } : {}) },
    data,
  });
}

const field = (object: string, path: string): Promise<string> => cluster.ok(['get', object, '-o', `jsonpath=${path}`]);

describe('kubectl apply', () => {
  it('creates, leaves, changes and removes what the file has or no longer has', async () => {
    const apply = (stdin: string): Promise<string> => cluster.ok(['apply', '-f', '-'], { stdin });
    assert.equal(await apply(configMap('c', { a: '1', b: '2' })), 'configmap/c created\n');
    const version = await field('cm/c', '{.metadata.resourceVersion}');
    assert.equal(await apply(configMap('c', { a: '1', b: '2' })), 'configmap/c unchanged\n');
    assert.equal(await field('cm/c', '{.metadata.resourceVersion}'), version);
    await cluster.ok(['patch', 'cm', 'c', '--type=merge', '-p', '{"data":{"mine":"kept"}}']);
    assert.equal(await apply(configMap('c', { a: 'one' })), 'configmap/c configured\n');
    assert.deepEqual(JSON.parse(await field('cm/c', '{.data}')), { a: 'one', mine: 'kept' });
    assert.match(await cluster.ok(['apply', 'view-last-applied', 'cm/c', '-o', 'json']), /"a": "one"/);
  });

  it('merges lists of a pod template by their keys', async () => {
    const deployment = (env: object[], port: number): string =>
      JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'd' },
        spec: {
          replicas: 0,
          selector: { matchLabels: { app: 'd' } },
          template: {
            metadata: { labels: { app: 'd' } },
            spec: {
              containers: [{ name: 'one', image: 'none', command: ['true'], env, ports: [{ containerPort: port }] }],
            },
          },
        },
      });
    await cluster.ok(['apply', '-f', '-'], {
      stdin: deployment(
        [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
        ],
        80,
      ),
    });
    // Somebody else's container and variable stay; what the file had and lost goes.
    await cluster.ok(['set', 'env', 'deploy/d', 'X=theirs']);
    await cluster.ok([
      'patch',
      'deploy',
      'd',
      '-p',
      '{"spec":{"template":{"spec":{"containers":[{"name":"two","image":"none","command":["true"]}]}}}}',
    ]);
    assert.equal(
      await cluster.ok(['apply', '-f', '-'], { stdin: deployment([{ name: 'B', value: '3' }], 81) }),
      'deployment.apps/d configured\n',
    );
    const containers = JSON.parse(await field('deploy/d', '{.spec.template.spec.containers}')) as {
      name: string;
      env?: { name: string; value: string }[];
      ports?: { containerPort: number }[];
    }[];
    assert.deepEqual(containers.map((c) => c.name).sort(), ['one', 'two']);
    const one = containers.find((c) => c.name === 'one');
    assert.deepEqual(
      one?.env?.sort((a, b) => a.name.localeCompare(b.name)),
      [
        { name: 'B', value: '3' },
        { name: 'X', value: 'theirs' },
      ],
    );
    assert.deepEqual(
      one?.ports?.map((p) => p.containerPort),
      [81],
    );
  });

  it('prunes, and takes a folder and a kustomization', async () => {
    const some = join(folder, 'some');
    await rm(some, { recursive: true, force: true });
    await mkdir(some);
    await writeFile(join(some, 'a.json'), configMap('pa', { a: '1' }, { set: 'p' }));
    await writeFile(join(some, 'b.json'), configMap('pb', { b: '1' }, { set: 'p' }));
    assert.equal(await cluster.ok(['apply', '-f', some]), 'configmap/pa created\nconfigmap/pb created\n');
    await rm(join(some, 'b.json'));
    assert.match(
      await cluster.ok(['apply', '-f', some, '--prune', '-l', 'set=p', '--prune-allowlist=core/v1/ConfigMap']),
      /configmap\/pa unchanged\nconfigmap\/pb pruned\n/,
    );
    await writeFile(join(some, 'kustomization.yaml'), 'resources: [a.json]\nnamePrefix: k-\n');
    assert.equal(await cluster.ok(['apply', '-k', some]), 'configmap/k-pa created\n');
  });

  it('refuses to change what cannot be changed', async () => {
    await cluster.ok(['apply', '-f', '-'], {
      stdin: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"fixed"},"immutable":true,"data":{"a":"1"}}',
    });
    assert.match(
      await cluster.refused(['patch', 'cm', 'fixed', '-p', '{"data":{"a":"2"}}']),
      /^The ConfigMap "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set$/,
    );
    assert.match(
      await cluster.refused(['patch', 'deploy', 'd', '-p', '{"spec":{"selector":{"matchLabels":{"app":"e"}}}}']),
      /^The Deployment "d" is invalid: [\s\S]*spec\.selector: Invalid value: .*field is immutable/,
    );
    await cluster.create(shellPod('fixed', WAIT));
    assert.match(
      await cluster.refused([
        'patch',
        'pod',
        'fixed',
        '-p',
        '{"spec":{"containers":[{"name":"main","command":["true"]}]}}',
      ]),
      /^The Pod "fixed" is invalid: spec: Forbidden: pod updates may not change fields other than `spec\.containers\[\*\]\.image`,/,
    );
    await cluster.ok(['delete', 'pod', 'fixed', '--now']);
  });
});

describe('kubectl diff', () => {
  it('shows what apply would change, and changes nothing', async () => {
    await cluster.ok(['apply', '-f', '-'], { stdin: configMap('df', { a: '1' }) });
    assert.equal((await cluster.kubectl(['diff', '-f', '-'], { stdin: configMap('df', { a: '1' }) })).code, 0);
    const { code, stdout } = await cluster.kubectl(['diff', '-f', '-'], { stdin: configMap('df', { a: '2' }) });
    assert.equal(code, 1);
    assert.match(stdout, /^- {2}a: "1"\n\+ {2}a: "2"$/m);
    assert.equal(await field('cm/df', '{.data.a}'), '1');
  });
});

describe('kubectl replace', () => {
  it('puts a whole object in place of another', async () => {
    await cluster.ok(['create', '-f', '-'], { stdin: configMap('r', { a: '1', b: '2' }) });
    assert.equal(
      await cluster.ok(['replace', '-f', '-'], { stdin: configMap('r', { c: '3' }) }),
      'configmap/r replaced\n',
    );
    assert.deepEqual(JSON.parse(await field('cm/r', '{.data}')), { c: '3' });
    const stale = JSON.parse(configMap('r', { d: '4' })) as { metadata: Record<string, string> };
    stale.metadata['resourceVersion'] = '1';
    assert.match(
      await cluster.refused(['replace', '-f', '-'], { stdin: JSON.stringify(stale) }),
      /^Error from server \(Conflict\): error when replacing "STDIN": Operation cannot be fulfilled on configmaps "r": the object has been modified; please apply your changes to the latest version and try again$/,
    );
    const uid = await field('cm/r', '{.metadata.uid}');
    assert.match(
      await cluster.ok(['replace', '--force', '-f', '-'], { stdin: configMap('r', {}) }),
      /"r" deleted[\s\S]*configmap\/r replaced\n$/,
    );
    assert.notEqual(await field('cm/r', '{.metadata.uid}'), uid);
    assert.match(
      await cluster.refused(['replace', '-f', '-'], { stdin: configMap('none', {}) }),
      /configmaps "none" not found/,
    );
  });
});

describe('kubectl patch', () => {
  it('patches in three ways', async () => {
    await cluster.ok(['create', '-f', '-'], { stdin: configMap('p', { a: '1' }) });
    assert.equal(await cluster.ok(['patch', 'cm', 'p', '-p', '{"data":{"b":"2"}}']), 'configmap/p patched\n');
    assert.equal(
      await cluster.ok(['patch', 'cm', 'p', '--type=merge', '-p', '{"data":{"a":null}}']),
      'configmap/p patched\n',
    );
    assert.equal(
      await cluster.ok([
        'patch',
        'cm',
        'p',
        '--type=json',
        '-p',
        '[{"op":"test","path":"/data/b","value":"2"},{"op":"add","path":"/data/c","value":"3"}]',
      ]),
      'configmap/p patched\n',
    );
    assert.deepEqual(JSON.parse(await field('cm/p', '{.data}')), { b: '2', c: '3' });
    assert.equal(
      await cluster.ok(['patch', 'cm', 'p', '-p', '{"data":{"b":"2"}}']),
      'configmap/p patched (no change)\n',
    );
    assert.match(
      await cluster.refused(['patch', 'cm', 'p', '--type=json', '-p', '[{"op":"test","path":"/data/b","value":"x"}]']),
      /test failed|testing value .* failed/i,
    );
    assert.match(
      await cluster.refused(['patch', 'cm', 'p', '--type=merge', '-p', '{"data":{"b":7}}']),
      /cannot unmarshal number|must be string|invalid/i,
    );
  });

  it('patches a subresource', async () => {
    const node = (await cluster.ok(['get', 'nodes', '-o', 'name'])).trim();
    const patch = '{"status":{"conditions":[{"type":"Tested","status":"True","reason":"Test","message":"m"}]}}';
    assert.equal(await cluster.ok(['patch', node, '--subresource=status', '-p', patch]), `${node} patched\n`);
    assert.equal(await field(node, '{.status.conditions[?(@.type=="Tested")].status}'), 'True');
    assert.equal(await field(node, '{.status.conditions[?(@.type=="Ready")].status}'), 'True');
    assert.equal(
      await cluster.ok(['get', 'deploy', 'd', '--subresource=scale', '-o', 'jsonpath={.spec.replicas}']),
      '0',
    );
  });
});

describe('kubectl edit', () => {
  it('sends what the editor changed, and asks again when it was wrong', async () => {
    await cluster.ok(['create', '-f', '-'], { stdin: configMap('e', { a: 'before' }) });
    const editor = join(folder, 'editor.sh');
    await writeFile(editor, '#!/bin/sh\nsed -i "s/before/after/" "$1"\n');
    await chmod(editor, 0o755);
    assert.equal(await cluster.ok(['edit', 'cm', 'e'], { env: { KUBE_EDITOR: editor } }), 'configmap/e edited\n');
    assert.equal(await field('cm/e', '{.data.a}'), 'after');
    assert.match(
      (await cluster.kubectl(['edit', 'cm', 'e'], { env: { KUBE_EDITOR: 'true' } })).stdout,
      /Edit cancelled, no changes made\.|^$/,
    );
    // First a key that is not allowed; then, when the file comes back with the complaint, without it.
    await writeFile(
      editor,
      `#!/bin/sh
if grep -q 'bad key' "$1"; then cp "$1" ${folder}/complaint; sed -i '/^  bad key/d;s/after/last/' "$1"
else sed -i 's/^data:/data:\\n  bad key: x/' "$1"; fi
`,
    );
    assert.equal(await cluster.ok(['edit', 'cm', 'e'], { env: { KUBE_EDITOR: editor } }), 'configmap/e edited\n');
    assert.equal(await field('cm/e', '{.data.a}'), 'last');
    assert.match(
      await readFile(join(folder, 'complaint'), 'utf8'),
      /# configmaps "e" was not valid:\n# \* data\[bad key\]: Invalid value: "bad key": a valid config key must consist of/,
    );
  });
});

describe('kubectl label and annotate', () => {
  it('add, change with permission, and take away', async () => {
    await cluster.ok(['create', 'cm', 'l']);
    assert.equal(await cluster.ok(['label', 'cm', 'l', 'a=1', 'b=2']), 'configmap/l labeled\n');
    assert.match(
      await cluster.refused(['label', 'cm', 'l', 'a=2']),
      /'a' already has a value \(1\), and --overwrite is false/,
    );
    assert.equal(await cluster.ok(['label', 'cm', 'l', '--overwrite', 'a=2', 'b-']), 'configmap/l labeled\n');
    assert.equal(await cluster.ok(['label', 'cm', 'l', '--list']), 'a=2\n');
    assert.equal(
      await cluster.ok(['label', 'cm', 'l', 'nothing-']),
      'label "nothing" not found.\nconfigmap/l not labeled\n',
    );
    assert.match(
      await cluster.refused(['label', 'cm', 'l', 'x=no spaces']),
      /a valid label must be an empty string or consist of alphanumeric characters/,
    );
    assert.equal(await cluster.ok(['annotate', 'cm', 'l', 'note=any text at all']), 'configmap/l annotated\n');
    assert.equal(await field('cm/l', '{.metadata.annotations.note}'), 'any text at all');
    assert.equal(await cluster.ok(['annotate', 'cm', 'l', 'note-']), 'configmap/l annotated\n');
    assert.equal(
      await cluster
        .ok(['label', 'ns', '--all', 'seen=yes', '--dry-run=server', '-o', 'name'])
        .then((t) => t.includes('namespace/default')),
      true,
    );
  });
});

describe('kubectl delete', () => {
  it('deletes by name, by file, by label and all', async () => {
    for (const name of ['x1', 'x2', 'x3', 'x4'])
      await cluster.ok(['create', '-f', '-'], { stdin: configMap(name, {}, { del: name === 'x4' ? 'b' : 'a' }) });
    assert.equal(await cluster.ok(['delete', 'cm', 'x1']), 'configmap "x1" deleted from default namespace\n');
    assert.equal(
      await cluster.ok(['delete', '-f', '-'], { stdin: configMap('x2', {}) }),
      'configmap "x2" deleted from default namespace\n',
    );
    assert.equal(await cluster.ok(['delete', 'cm', '-l', 'del=a']), 'configmap "x3" deleted from default namespace\n');
    assert.equal(
      await cluster.ok(['delete', 'cm', 'x4', '--dry-run=server']),
      'configmap "x4" deleted from default namespace (server dry run)\n',
    );
    assert.equal(await cluster.ok(['get', 'cm', 'x4', '-o', 'name']), 'configmap/x4\n');
    assert.equal(
      await cluster.refused(['delete', 'cm', 'x1']),
      'Error from server (NotFound): configmaps "x1" not found',
    );
    assert.equal((await cluster.kubectl(['delete', 'cm', 'x1', '--ignore-not-found'])).code, 0);
    await cluster.ok(['create', 'ns', 'bag']);
    await cluster.ok(['create', 'secret', 'generic', 'b1', '-n', 'bag']);
    assert.equal(
      await cluster.ok(['delete', 'secret', '--all', '-n', 'bag']),
      'secret "b1" deleted from bag namespace\n',
    );
  });

  it('waits for finalizers', async () => {
    await cluster.ok(['create', '-f', '-'], {
      stdin: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"held","finalizers":["example.test/hold"]}}',
    });
    const deleting = cluster.ok(['delete', 'cm', 'held', '--timeout=10s']);
    await cluster.until('deletionTimestamp', () =>
      field('cm/held', '{.metadata.deletionTimestamp}').then((t) => t !== ''),
    );
    assert.match(
      await cluster.refused([
        'patch',
        'cm',
        'held',
        '--type=merge',
        '-p',
        '{"metadata":{"finalizers":["example.test/hold","example.test/more"]}}',
      ]),
      /metadata\.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers \[\]string\{"example\.test\/more"\}/,
    );
    await cluster.ok(['patch', 'cm', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
    assert.equal(await deleting, 'configmap "held" deleted from default namespace\n');
  });

  it('gives a pod its grace period, less, or none', async () => {
    const stubborn = (name: string): object =>
      shellPod(name, `trap '' TERM\n${WAIT}`, { spec: { terminationGracePeriodSeconds: 120 } });
    await cluster.create(
      stubborn('g1'),
      stubborn('g2'),
      stubborn('g3'),
      shellPod('g4', `trap 'sleep 0.3; echo bye; exit 0' TERM\n${WAIT}`),
    );
    await cluster.ok(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=20s']);
    const started = Date.now();
    await Promise.all([
      cluster.ok(['delete', 'pod', 'g1', '--grace-period=1']),
      cluster.ok(['delete', 'pod', 'g2', '--now']),
      cluster.ok(['delete', 'pod', 'g3', '--force', '--grace-period=0']),
      cluster.ok(['delete', 'pod', 'g4']),
    ]);
    const took = Date.now() - started;
    assert.ok(took < 25_000, `took ${took} ms`);
    assert.equal(await cluster.ok(['get', 'pods', '-o', 'name']), '');
    await cluster.create(stubborn('g5'));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/g5', '--timeout=20s']);
    await cluster.ok(['delete', 'pod', 'g5', '--wait=false']);
    assert.equal(await field('pod/g5', '{.metadata.deletionGracePeriodSeconds}'), '120');
    assert.match(await cluster.ok(['get', 'pod', 'g5']), / Terminating /);
    await cluster.ok(['delete', 'pod', 'g5', '--now', '--timeout=8s']);
  });

  it('takes dependents along, before or after, or leaves them', async () => {
    const replicaSet = (name: string): object => ({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name },
      spec: {
        replicas: 1,
        selector: { matchLabels: { rs: name } },
        template: { metadata: { labels: { rs: name } }, spec: shellPod('', WAIT).spec },
      },
    });
    await cluster.create(replicaSet('bg'), replicaSet('fg'), replicaSet('or'));
    for (const name of ['bg', 'fg', 'or']) {
      await cluster.ok(['wait', '--for=jsonpath={.status.readyReplicas}=1', `rs/${name}`, '--timeout=20s']);
    }
    const pods = (name: string): Promise<string> =>
      cluster.ok(['get', 'pods', '-l', `rs=${name}`, '-o', 'jsonpath={.items[*].metadata.ownerReferences}']);
    await cluster.ok(['delete', 'rs', 'fg', '--cascade=foreground', '--timeout=15s']);
    assert.equal(await pods('fg'), '', 'foreground: the pods are gone before their owner is');
    await cluster.ok(['delete', 'rs', 'bg']);
    await cluster.until('the pods of bg to go', () =>
      cluster.ok(['get', 'pods', '-l', 'rs=bg', '-o', 'name']).then((t) => t === ''),
    );
    await cluster.ok(['delete', 'rs', 'or', '--cascade=orphan']);
    const left = await cluster.json<{
      items: { metadata: { ownerReferences?: unknown[]; deletionTimestamp?: string } }[];
    }>(['get', 'pods', '-l', 'rs=or']);
    assert.equal(left.items.length, 1);
    assert.deepEqual(left.items[0]?.metadata.ownerReferences ?? [], []);
    assert.equal(left.items[0]?.metadata.deletionTimestamp, undefined);
    await cluster.ok(['delete', 'pod', '--all', '--now']);
  });
});
