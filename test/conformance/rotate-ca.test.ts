import assert from 'node:assert/strict';
import { copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { causeway, startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod } from '../support/pods.ts';
import type { CommandResult } from '../support/run.ts';

let cluster: TestCluster;
let old: string;

/** A workload that asks the apiserver all the time, and verifies it by what its volume holds at that moment. */
const ASKING = `d=/var/run/secrets/kubernetes.io/serviceaccount
while :; do
  curl -sS -o /dev/null --max-time 5 --cacert $d/ca.crt -H "Authorization: Bearer $(cat $d/token)" \\
    https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version && echo asked || echo LOST
  sleep 0.1
done`;

before(async () => {
  cluster = await startCluster();
  old = join(cluster.dataDirectory, '..', `${cluster.dataDirectory.split('/').at(-1)}-old.kubeconfig`);
  await copyFile(cluster.kubeconfig, old);
  await cluster.create(shellPod('asking', ASKING));
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/asking', '--timeout=20s']);
});
after(async () => {
  await cluster?.stop();
  await rm(old, { force: true });
});

const rotate = (...flags: string[]): Promise<CommandResult> =>
  causeway(['cert', 'rotate-ca', '--data-dir', cluster.dataDirectory, '--grace', '0', ...flags]);
const check = (): Promise<CommandResult> => causeway(['cert', 'check', '--data-dir', cluster.dataDirectory]);
const asOldAdmin = (args: readonly string[]): Promise<CommandResult> =>
  cluster.kubectl(args, { env: { KUBECONFIG: old } });

/** The workload goes on asking, and no answer was ever missing. */
async function asks(): Promise<void> {
  const log = (): Promise<string> => cluster.ok(['logs', 'asking']);
  const before = (await log()).length;
  const now = await cluster.until('the pod to ask again', async () => {
    const text = await log();
    return text.length > before + 'asked\n'.length && text;
  });
  assert.ok(!now.includes('LOST'), now);
}

/** Requests one after the other as who has only heard of the old authority, until they are stopped; answers what failed. */
function keepAsking(): () => Promise<{ asked: number; failed: string[] }> {
  let going = true;
  const done = (async () => {
    const failed: string[] = [];
    let asked = 0;
    for (; going; asked++) {
      const { code, stderr } = await asOldAdmin(['get', 'pods']);
      if (code !== 0) failed.push(stderr);
    }
    return { asked, failed };
  })();
  return () => {
    going = false;
    return done;
  };
}

it('shows every certificate, from the disk and from the connections', async () => {
  const { code, stdout, stderr } = await check();
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^NAME +SUBJECT +ISSUER +EXPIRES +RESIDUAL TIME +CHAIN$/m);
  assert.match(stdout, /^ca +CN=causeway-cluster-ca .* 365\dd +self-signed$/m);
  assert.match(stdout, /admin\.kubeconfig \(client\) +O=system:masters, CN=kubernetes-admin .* 364d +verified by its/);
  assert.match(stdout, /^scheduler-to-apiserver \(server\) +CN=kube-apiserver .* 6d +verified: cluster CA, name/m);
  assert.match(stdout, /^kubelet-to-apiserver\.\S+ \(client\) +O=system:nodes, CN=system:node:\S+, UID=/m);
});

it('refuses a phase whose turn it is not, and a directory without a control plane, in one line', async () => {
  const early = await rotate('--phase', 'drop');
  assert.deepEqual([early.code, early.stderr], [1, 'causeway: the next phase of the rotation is trust, not drop\n']);
  const nothing = await causeway(['cert', 'rotate-ca', '--data-dir', '/nonexistent']);
  assert.equal(nothing.code, 1);
  assert.equal(nothing.stderr, 'causeway: data directory /nonexistent holds no control plane\n');
});

it('rotates the authorities of a running cluster without a lost request', async () => {
  const follow = cluster.background(['logs', '-f', 'asking']);
  const stop = keepAsking();
  const trust = await rotate('--phase', 'trust');
  assert.equal(trust.code, 0, trust.stderr);
  const both = await cluster.ok(['get', 'configmap', 'kube-root-ca.crt', '-o', 'jsonpath={.data.ca\\.crt}']);
  assert.equal(both.match(/BEGIN CERTIFICATE/g)?.length, 2);
  const reissue = await rotate('--phase', 'reissue');
  assert.equal(reissue.code, 0, reissue.stderr);
  await cluster.ok(['exec', 'asking', '--', 'true']);
  const during = await check();
  assert.match(during.stdout, /^ca +CN=causeway-cluster-ca-2 .*self-signed, signs$/m);
  assert.match(during.stdout, /^ca +CN=causeway-cluster-ca .*self-signed, trusted only$/m);
  const { asked, failed } = await stop();
  assert.deepEqual(failed, []);
  assert.ok(asked > 10, `${asked} requests`);
  await asks();
  assert.equal(follow.child.exitCode, null, 'logs -f goes on');
  assert.match(follow.stdout, /^(asked\n)+$/);

  // What the server does next time it starts is the phase that was reached.
  await cluster.terminate();
  cluster = await startCluster({ dataDirectory: cluster.dataDirectory });
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/asking', '--timeout=20s']);
  await asks();
  const drop = await rotate();
  assert.equal(drop.code, 0, drop.stderr);
  const after = await check();
  assert.equal(after.code, 0, after.stderr);
  assert.ok(!/CN=causeway-cluster-ca(?!-2)/.test(after.stdout.replace(/^client-to-apiserver.*$/gm, '')), after.stdout);
  await asks();
  assert.match(await readFile(cluster.kubeconfig, 'utf8'), /client-certificate-data/);
  await cluster.ok(['exec', 'asking', '--', 'true']);
});

it('accepts nothing of the old authority any more', async () => {
  const refused = await asOldAdmin(['get', 'pods', `--server=${cluster.url}`]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /certificate signed by unknown authority|Unauthorized/);
});
