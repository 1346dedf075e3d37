import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';

interface CommunicationPath {
  metadata: { name: string };
  spec: { path: string; from: string; to: string; purpose: string };
  status: {
    transport?: string;
    tlsVersion?: string;
    tlsGroup?: string;
    serverVerifiedBy?: string;
    clientVerifiedBy?: string;
    serverCertificate?: { subject: string; issuer: string; notAfter: string };
    clientCertificate?: { subject: string; issuer: string; notAfter: string };
    authorisation?: string;
    connections: { active: number; total: number; failed: number };
    verdict: string;
    reason?: string;
  };
}

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  await cluster.create(shellPod('box', `echo hello; ${WAIT}`));
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/box', '--timeout=20s']);
});
after(() => cluster?.stop());

const list = async (): Promise<CommunicationPath[]> =>
  (await cluster.json<{ items: CommunicationPath[] }>(['get', 'communicationpaths'])).items;

describe('communication paths', () => {
  it('have evidence once they were used, and all that were used are safe', async () => {
    await cluster.ok(['logs', 'box']);
    await cluster.ok(['exec', 'box', '--', 'true']);
    await cluster.ok([
      'exec',
      'box',
      '--',
      'bash',
      '-c',
      'curl -s --cacert /var/run/secrets/kubernetes.io/serviceaccount/ca.crt -H "Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)" https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version',
    ]);
    const node = await cluster.ok(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}']);
    const paths = await list();
    const find = (name: string): CommunicationPath => {
      const path = paths.find((p) => p.metadata.name === name);
      assert.ok(path, `${name} in ${paths.map((p) => p.metadata.name).join(', ')}`);
      return path;
    };
    for (const name of [
      'client-to-apiserver.kubernetes-admin',
      `apiserver-to-kubelet.${node}`,
      `kubelet-to-apiserver.${node}`,
      'scheduler-to-apiserver',
      'controller-manager-to-apiserver',
    ]) {
      const { status } = find(name);
      assert.equal(status.verdict, 'Safe', name);
      assert.equal(status.transport, 'tls', name);
      assert.equal(status.tlsVersion, 'TLSv1.3', name);
      assert.match(status.serverVerifiedBy ?? '', /\S/, name);
      assert.match(status.clientVerifiedBy ?? '', /\S/, name);
      assert.ok(status.connections.total > 0, name);
    }
    const certificates = [`apiserver-to-kubelet.${node}`, `kubelet-to-apiserver.${node}`].map((name) => {
      const { serverCertificate: server, clientCertificate: client } = find(name).status;
      assert.ok(Date.parse(server?.notAfter ?? '') > Date.now() && Date.parse(client?.notAfter ?? '') > Date.now());
      return [server?.subject, server?.issuer, client?.subject.replace(/, UID=[0-9a-f-]{36}$/, ''), client?.issuer];
    });
    const [kubelet, apiserver] = [`O=system:nodes, CN=system:node:${node}`, 'CN=system:kube-apiserver'];
    assert.deepEqual(certificates, [
      [kubelet, 'CN=causeway-cluster-ca', apiserver, 'CN=causeway-kubelet-client-ca'],
      ['CN=kube-apiserver', 'CN=causeway-cluster-ca', kubelet, 'CN=causeway-cluster-ca'],
    ]);
    assert.equal(find('client-to-apiserver.kubernetes-admin').status.tlsGroup, 'X25519MLKEM768');
    assert.match(find('client-to-apiserver.kubernetes-admin').status.authorisation ?? '', /\S/);
    const pod = paths.filter((p) => p.spec.path === 'pod-to-apiserver');
    assert.deepEqual(
      pod.map((p) => [p.spec.from, p.status.verdict]),
      [['system:serviceaccount:default:default', 'Safe']],
    );
    for (const path of paths) {
      assert.ok(['Safe', 'Unused'].includes(path.status.verdict), `${path.metadata.name}: ${path.status.reason}`);
    }
  });

  it('are shown as a table, one by one, and to those who may', async () => {
    const [head, ...rows] = (await cluster.ok(['get', 'paths']))
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    assert.deepEqual(head, ['NAME', 'FROM', 'TO', 'TRANSPORT', 'TLS', 'VERDICT', 'LAST SEEN']);
    assert.equal(rows.length, (await list()).length);
    assert.equal(
      await cluster.ok(['get', 'paths', 'scheduler-to-apiserver', '-o', 'jsonpath={.spec.from}']),
      'system:kube-scheduler',
    );
    assert.match(
      await cluster
        .ok(['describe', 'path', 'scheduler-to-apiserver'])
        .catch(() => cluster.ok(['describe', 'paths', 'scheduler-to-apiserver'])),
      /Verdict: +Safe/,
    );
    assert.match(
      await cluster.refused(['get', 'paths', '--as=ann']),
      /communicationpaths\.paths\.causeway\.dev is forbidden: User "ann" cannot list/,
    );
  });

  it('cannot be written', async () => {
    assert.match(await cluster.refused(['delete', 'paths', 'scheduler-to-apiserver']), /MethodNotAllowed/);
    assert.match(await cluster.refused(['annotate', 'paths', 'scheduler-to-apiserver', 'a=b']), /MethodNotAllowed/);
  });

  it('show a failure', async () => {
    const bad = await fetch(`${cluster.url.replace('https:', 'http:')}/version`).catch(() => undefined);
    assert.ok(bad === undefined || bad.status >= 400);
    const watch = cluster.background(['get', 'paths', '-w']);
    await watch.until(/scheduler-to-apiserver/);
    await cluster.ok(['get', '--raw', '/version']);
    await watch.until(/client-to-apiserver\.kubernetes-admin[\s\S]*client-to-apiserver\.kubernetes-admin/);
    await watch.stop();
  });
});
