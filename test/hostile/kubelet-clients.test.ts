import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import type { IssuedCertificate } from '../../src/pki/issued-certificate.ts';
import { testAuthority } from '../../src/pki/testing/test-peers.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { ApiClient } from './support/api-client.ts';
import { answersIn, RawConnection } from './support/raw-connection.ts';
import { startTarget, type Target } from './support/target.ts';

let target: Target;

before(async () => {
  target = await startTarget();
  await target.cluster.create(shellPod('victim', WAIT));
  await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/victim', '--timeout=20s']);
});
after(() => target?.close());

const clients: ApiClient[] = [];
after(() => {
  for (const client of clients) client.close();
});

function kubelet(identity?: IssuedCertificate, headers: Record<string, string> = {}): ApiClient {
  // It is verified by the name of its node; what it is called by does not matter here.
  const tls: ConnectionOptions = { ...target.tls(identity), checkServerIdentity: () => undefined };
  const client = new ApiClient(target.kubeletPort, tls, headers);
  clients.push(client);
  return client;
}

const PATHS = [
  '/pods',
  '/healthz',
  '/metrics',
  '/stats/summary',
  '/containerLogs/default/victim/main',
  '/exec/default/victim/main?command=id&output=1',
  '/attach/default/victim/main',
  '/portForward/default/victim',
  '/run/default/victim/main?cmd=id',
  '/runningpods/',
  '/configz',
  '/debug/pprof/',
  '/logs/',
  '/',
  '/nothing',
];

describe('the kubelet’s port', () => {
  const strangers: readonly [name: string, identity: () => IssuedCertificate | undefined][] = [
    ['nobody', () => undefined],
    ['the administrator', () => target.pki.issueClient({ user: 'kubernetes-admin', groups: ['system:masters'] })],
    ['another node', () => target.pki.issueClient({ user: 'system:node:other', groups: ['system:nodes'] })],
    [
      'the node itself',
      () => target.pki.issueClient({ user: `system:node:${target.nodeName}`, groups: ['system:nodes'] }),
    ],
    [
      'an apiserver of another cluster',
      () => testAuthority('causeway-kubelet-client-ca').issueClient({ user: 'system:kube-apiserver', groups: [] }),
    ],
    ['the front proxy', () => target.pki.issueFrontProxyClient({ user: 'system:kube-apiserver', groups: [] })],
    [
      'somebody with a serving certificate',
      () =>
        target.pki.issueKubeletServing({
          nodeName: target.nodeName,
          nodeUid: target.nodeUid,
          dnsNames: [],
          ipAddresses: [],
        }),
    ],
  ];
  for (const [name, identity] of strangers) {
    it(`serves ${name} nothing, and tells not even what there is`, async () => {
      const client = kubelet(identity());
      for (const path of PATHS) {
        for (const method of ['GET', 'POST']) {
          const answer = await client.send(path, { method });
          assert.deepEqual([answer.status, answer.text], [401, 'Unauthorized'], `${method} ${path}`);
        }
      }
    });
  }

  it('opens no stream for them either', async () => {
    const tls = { ...target.tls(strangers[1]?.[1]()), checkServerIdentity: () => undefined };
    for (const upgrade of ['websocket', 'SPDY/3.1']) {
      const client = await RawConnection.tls(target.kubeletPort, tls);
      client.write(
        `POST /exec/default/victim/main?command=id&output=1 HTTP/1.1\r\nHost: k\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n` +
          'X-Stream-Protocol-Version: v4.channel.k8s.io\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
      );
      assert.equal(answersIn(await client.closed())[0]?.status, 401, upgrade);
    }
  });

  it('refuses a token that is wrong, and one whose owner may not', async () => {
    await target.cluster.ok(['create', 'serviceaccount', 'robot']);
    const token = (await target.cluster.ok(['create', 'token', 'robot'])).trim();
    for (const authorization of [
      'Bearer wrong',
      `Basic ${Buffer.from('a:b').toString('base64')}`,
      `bearer ${token}x`,
    ]) {
      assert.equal((await kubelet(undefined, { authorization }).send('/pods')).status, 401);
    }
    const known = kubelet(undefined, { authorization: `Bearer ${token}` });
    const who = 'system:serviceaccount:default:robot';
    const forbidden = (verb: string, subresource: string) =>
      `Forbidden (user=${who}, verb=${verb}, resource=nodes, subresource(s)=[${subresource}])`;
    const expected: readonly [path: string, message: string][] = [
      ['/pods', forbidden('get', 'pods proxy')],
      ['/metrics', forbidden('get', 'metrics')],
      ['/stats/summary', forbidden('get', 'stats')],
      ['/containerLogs/default/victim/main', forbidden('get', 'proxy')],
      ['/exec/default/victim/main?command=id&output=1', forbidden('create', 'proxy')],
      ['/run/default/victim/main?cmd=id', forbidden('create', 'proxy')],
    ];
    for (const [path, message] of expected) {
      const answer = await known.send(path);
      assert.deepEqual([answer.status, answer.text.trim()], [403, message], path);
    }
    // A client certificate of another CA next to it makes it no better.
    const both = kubelet(strangers[1]?.[1](), { authorization: `Bearer ${token}` });
    assert.equal((await both.send('/pods')).status, 401);
  });

  it('serves what its caller was granted, and no more', async () => {
    await target.cluster.ok(['create', 'clusterrole', 'scraper', '--verb=get', '--resource=nodes/metrics']);
    await target.cluster.ok(['create', 'serviceaccount', 'scraper']);
    await target.cluster.ok([
      'create',
      'clusterrolebinding',
      'scraper',
      '--clusterrole=scraper',
      '--serviceaccount=default:scraper',
    ]);
    const token = (await target.cluster.ok(['create', 'token', 'scraper'])).trim();
    const scraper = kubelet(undefined, { authorization: `Bearer ${token}` });
    assert.equal((await scraper.send('/metrics')).status, 200);
    assert.equal((await scraper.send('/pods')).status, 403);
    assert.equal((await scraper.send('/exec/default/victim/main?command=id&output=1')).status, 403);
    const paths = await target.cluster.json<{
      items: { spec: { path: string; from: string }; status: { verdict: string } }[];
    }>(['get', 'communicationpaths']);
    const seen = paths.items.find(
      ({ spec }) => spec.path === 'client-to-kubelet' && spec.from === 'system:serviceaccount:default:scraper',
    );
    assert.equal(seen?.status.verdict, 'Safe', JSON.stringify(paths.items.map((p) => [p.spec, p.status])));
  });

  it('has no /run, whoever asks', async () => {
    const apiserver = kubelet(target.pki.issueKubeletClient({ user: 'system:kube-apiserver', groups: [] }));
    assert.equal((await apiserver.send('/pods')).status, 200);
    for (const path of [
      '/run/default/victim/main?cmd=id',
      '/runningpods/',
      '/configz',
      '/debug/pprof/',
      '/logs/',
      '/pods/../run/x',
    ]) {
      for (const method of ['GET', 'POST']) {
        const answer = await apiserver.send(path, { method });
        assert.equal(answer.status, 404, `${method} ${path}`);
      }
    }
  });

  it('answers nothing in clear', async () => {
    for (const port of [target.kubeletPort, target.port]) {
      const plain = (await RawConnection.tcp(port)).write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.ok(!/ok|HTTP\/1\.1 2/.test(await plain.closed()));
    }
  });
});

describe('the process', () => {
  /** Sockets that it listens on: local address and port. */
  function listeners(): string[] {
    const { pid } = target.cluster.process;
    const inodes = new Set<string>();
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
        if (inode !== undefined) inodes.add(inode);
      } catch {
        // It was closed just now.
      }
    }
    return ['tcp', 'tcp6'].flatMap((family) =>
      readFileSync(`/proc/${pid}/net/${family}`, 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter((columns) => columns[3] === '0A' && inodes.has(columns[9] ?? ''))
        .map((columns) => {
          const [address = '', port = ''] = (columns[1] ?? '').split(':');
          const octets =
            address.length === 8
              ? (address.match(/../g) ?? []).reverse().map((hex) => Number.parseInt(hex, 16))
              : [address];
          return `${octets.join('.')}:${Number.parseInt(port, 16)}`;
        }),
    );
  }

  it('listens on the apiserver’s and the kubelet’s port, both with TLS, and on what leads pods to the former', async () => {
    const found = listeners();
    const own = [`127.0.0.1:${target.port}`, `127.0.0.1:${target.kubeletPort}`];
    assert.deepEqual(
      own.filter((one) => !found.includes(one)),
      [],
    );
    const others = found.filter((one) => !own.includes(one));
    // For pods: the address of the Service, or one on the pods' own bridge; TLS passes through it to the apiserver.
    assert.ok(others.length <= 1, others.join());
    for (const one of others) assert.match(one, /^10\./);
  });
});
