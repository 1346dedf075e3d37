import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';

/** What kubectl does with nodes. */

let cluster: TestCluster;
let node: string;
let manifests: string;

before(async () => {
  manifests = await mkdtemp(join(tmpdir(), 'causeway-test-manifests-'));
  await writeFile(join(manifests, 'static.json'), JSON.stringify(shellPod('static', WAIT)));
  cluster = await startCluster({ flags: ['--pod-manifest-path', manifests] });
  node = await cluster.ok(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}']);
});
after(async () => {
  await cluster?.stop();
  await rm(manifests, { recursive: true, force: true });
});

describe('kubectl drain', () => {
  const selector = { matchLabels: { app: 'web' } };

  before(async () => {
    await cluster.create(
      {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: { name: 'web' },
        spec: {
          replicas: 2,
          selector,
          template: { metadata: { labels: { app: 'web' } }, spec: shellPod('', WAIT).spec },
        },
      },
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { name: 'web' },
        spec: { minAvailable: 1, selector },
      },
    );
    await cluster.ok(['wait', '--for=jsonpath={.status.readyReplicas}=2', 'rs/web', '--timeout=20s']);
    await cluster.ok(['wait', '--for=jsonpath={.status.disruptionsAllowed}=1', 'pdb/web', '--timeout=20s']);
    await cluster.until(
      'the static pod to be shown',
      async () => (await cluster.kubectl(['get', 'pod', `static-${node}`, '-o', 'name'])).stdout,
    );
  });
  after(() => cluster.ok(['uncordon', node]));

  it('shows what a budget allows', async () => {
    assert.match(await cluster.ok(['get', 'pdb', 'web', '--no-headers']), /^web +1 +N\/A +1 +\d+s\n$/);
  });

  it('evicts what the budget lets go, is told to wait for the rest, and leaves mirror pods', async () => {
    const { code, stderr } = await cluster.kubectl(['drain', node, '--timeout=8s'], { timeoutMs: 30_000 });
    assert.notEqual(code, 0);
    assert.match(
      stderr,
      /error when evicting pods\/"web-\w+" -n "default" \(will retry after 5s\): Cannot evict pod as it would violate the pod's disruption budget\./,
    );
    const left = await cluster.ok(['get', 'pods', '--field-selector=status.phase=Running', '-o', 'name']);
    assert.match(left, new RegExp(`^pod/static-${node.replaceAll('.', '\\.')}\\npod/web-\\w+\\n$`));
    await cluster.ok(['delete', 'pdb', 'web']);
    assert.match(await cluster.ok(['drain', node, '--timeout=20s'], { timeoutMs: 30_000 }), / drained\n$/);
    assert.match(await cluster.ok(['get', 'pod', `static-${node}`, '--no-headers']), / Running /);
  });

  it('wants to be told to ignore pods of DaemonSets', async () => {
    const labels = { app: 'agent' };
    await cluster.create({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'agent' },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: shellPod('', WAIT).spec } },
    });
    const uid = await cluster.ok(['get', 'ds', 'agent', '-o', 'jsonpath={.metadata.uid}']);
    const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'agent', uid, controller: true };
    const pod = shellPod('agent-x', WAIT, { labels, spec: { nodeName: node, tolerations: [{ operator: 'Exists' }] } });
    await cluster.create({ ...pod, metadata: { ...pod.metadata, ownerReferences: [owner] } });
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/agent-x', '--timeout=20s']);
    assert.match(
      await cluster.refused(['drain', node, '--timeout=5s']),
      /cannot delete (cannot delete )?DaemonSet-managed Pods \(use --ignore-daemonsets to ignore\): default\/agent-x/,
    );
    const { code, stdout, stderr } = await cluster.kubectl(['drain', node, '--ignore-daemonsets', '--timeout=20s']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /ignoring DaemonSet-managed Pods: default\/agent-x/);
    assert.match(stdout, / drained\n$/);
    assert.match(await cluster.ok(['get', 'pod', 'agent-x', '--no-headers']), / Running /);
  });
});

describe('kubectl debug node', () => {
  const debug = (namespace: string, profile: string, command: string) => [
    ...['debug', `node/${node}`, '-n', namespace, '--image=none', `--profile=${profile}`],
    ...['--', 'sh', '-c', command],
  ];

  before(async () => {
    await cluster.ok(['create', 'namespace', 'support']);
    await cluster.ok(['label', 'namespace', 'support', 'pod-security.kubernetes.io/enforce=privileged']);
  });

  it('is refused by name in a namespace that is not for that', async () => {
    assert.match(
      await cluster.refused(debug('default', 'sysadmin', 'id')),
      /violates PodSecurity "baseline:latest": host namespaces \(hostNetwork=true, hostPID=true, hostIPC=true\), hostPath volumes \(volume "host-root"\), privileged/,
    );
  });

  it('is in the machine where the namespace is for that, and sees nothing of the keys', async (t) => {
    if (!cluster.isRoot) {
      t.skip('a node without root refuses hostPID and privileged containers by name');
      return;
    }
    const script = ['chroot /host id -u', `ls -A /host${cluster.dataDirectory} | grep -c pki`, 'cat /proc/1/comm'].join(
      '; ',
    );
    const said = await cluster.ok(debug('support', 'sysadmin', script));
    const pod = /pod (node-debugger-\S+)/.exec(said)?.[1] ?? '';
    await cluster.until('the pod to end', async () =>
      /Succeeded|Failed/.test(await cluster.ok(['get', 'pod', pod, '-n', 'support', '-o', 'jsonpath={.status.phase}'])),
    );
    const first = await readFile('/proc/1/comm', 'utf8');
    assert.equal(await cluster.ok(['logs', pod, '-n', 'support']), `0\n0\n${first}`);
  });
});
