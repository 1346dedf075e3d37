import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { clientTls } from '../../pki/client-tls.ts';
import type { ClusterPki } from '../../pki/cluster-pki.ts';
import { fixedCertificate, type IssuedCertificate } from '../../pki/issued-certificate.ts';
import { kubeletServingRequest } from '../../pki/kubelet-identity.ts';
import { fixedTrust } from '../../pki/trust.ts';
import { directDialer } from '../../tunnel/direct/direct-dialer.ts';
import { createNodeAndPod, FakeKubelet } from '../testing/fake-kubelet.ts';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import type { TestClient } from '../testing/test-client.ts';
import { testPki } from '../testing/test-pki.ts';

let server: TestApiserver;
let admin: TestClient;
let kubelet: FakeKubelet;
const kubelets: FakeKubelet[] = [];

async function startKubelet(pki: ClusterPki, nodeName: string, nodeUid?: string): Promise<FakeKubelet> {
  const started = await FakeKubelet.start(
    pki.issueKubeletServing({
      nodeName,
      ...(nodeUid === undefined ? {} : { nodeUid }),
      dnsNames: [],
      ipAddresses: ['127.0.0.1'],
    }),
    server.pki.kubeletClientCa.certificatePem,
  );
  kubelets.push(started);
  return started;
}

/** A node whose true kubelet runs at a port that is known before. */
async function startNode(nodeName: string, pod: string): Promise<FakeKubelet> {
  const uid = await createNodeAndPod(admin, nodeName, 1, pod);
  const started = await startKubelet(server.pki, nodeName, uid);
  await pointNodeAt(nodeName, started.port);
  return started;
}

async function pointNodeAt(nodeName: string, port: number): Promise<void> {
  const answer = await admin.patch(`/api/v1/nodes/${nodeName}/status`, {
    status: { daemonEndpoints: { kubeletEndpoint: { Port: port } } },
  });
  assert.equal(answer.status, 200, answer.text);
}

before(async () => {
  server = await startTestApiserver({
    dialers: [directDialer()],
    tokenFile: 'reader-token,reader,1\n',
    authorizer: {
      name: 'test',
      authorize: async ({ user, verb }) => ({
        verdict: user.username === 'reader' && verb === 'get' ? 'allow' : 'no-opinion',
        reason: '',
      }),
    },
  });
  admin = server.client();
  kubelet = await startNode('n1', 'web');
});
after(async () => {
  await server.close();
  for (const one of kubelets) await one.close();
});
afterEach(() => {
  kubelet.requests.length = 0;
});

interface Raw {
  readonly socket: TLSSocket;
  readonly head: string;
  readonly rest: Buffer;
}

/** Sends a request by hand over TLS and waits for the head of the answer. */
async function raw(
  request: string,
  { token, identity }: { token?: string; identity?: IssuedCertificate } = {},
): Promise<Raw> {
  const socket = connectTls({
    ...clientTls({
      ca: fixedTrust([server.pki.clusterCa.certificatePem]),
      ...(token === undefined
        ? { identity: fixedCertificate(identity ?? server.identity('admin', ['system:masters'])) }
        : {}),
      server: { name: '127.0.0.1' },
    }),
    host: '127.0.0.1',
    port: server.port,
  });
  socket.on('error', () => undefined);
  socket.write(
    request.replace('\r\n\r\n', `\r\n${token === undefined ? '' : `authorization: Bearer ${token}\r\n`}\r\n`),
  );
  let all = Buffer.alloc(0);
  await new Promise<void>((resolve) => {
    const onData = (chunk: Buffer): void => {
      all = Buffer.concat([all, chunk]);
      if (all.includes('\r\n\r\n')) {
        socket.off('data', onData);
        resolve();
      }
    };
    socket.on('data', onData);
    socket.on('close', () => resolve());
  });
  const end = all.indexOf('\r\n\r\n') + 4;
  return { socket, head: all.subarray(0, end).toString(), rest: all.subarray(end) };
}

function execRequest(
  pod: string,
  method = 'GET',
  query = 'command=sh&command=-c&stdin=true&stdout=true&foo=bar',
): string {
  return [
    `${method} /api/v1/namespaces/default/pods/${pod}/exec?${query} HTTP/1.1`,
    'host: x',
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol: v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0',
    'cookie: session=secret',
    'x-forwarded-for: 6.6.6.6',
    '\r\n',
  ].join('\r\n');
}

/** The body of a refused upgrade. */
async function statusOf(answer: Raw): Promise<{ message: string; reason?: string; code: number }> {
  let all = answer.rest;
  if (!answer.socket.closed) {
    await new Promise<void>((resolve) => {
      answer.socket.on('data', (chunk: Buffer) => {
        all = Buffer.concat([all, chunk]);
      });
      answer.socket.on('close', () => resolve());
    });
  }
  return JSON.parse(all.toString());
}

function accept(): void {
  kubelet.onUpgrade = (_request, socket, head) => {
    socket.on('error', () => undefined);
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\nSet-Cookie: evil=1\r\nServer: leaky\r\n\r\n',
    );
    if (head.length > 0) socket.write(head);
    socket.pipe(socket);
  };
}

describe('exec, attach, portforward', () => {
  it('passes bytes both ways, untouched, as the verified kubelet and with its own certificate', async () => {
    accept();
    // The test's credentials are a certificate; the token in the subprotocol must not be there as well.
    const request = execRequest('web').replace(', base64url.bearer.authorization.k8s.io.c2VjcmV0', '');
    const answer = await raw(request);
    assert.match(answer.head, /^HTTP\/1\.1 101 /);
    assert.match(answer.head, /sec-websocket-protocol: v5\.channel\.k8s\.io/i);
    assert.match(answer.head, /audit-id: /i);
    assert.doesNotMatch(answer.head, /evil|leaky/);
    const sent = randomBytes(3_000_000);
    const hash = createHash('sha256').update(answer.rest);
    let size = answer.rest.length;
    const whole = new Promise<void>((resolve) => {
      answer.socket.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        size += chunk.length;
        if (size === sent.length) resolve();
      });
    });
    answer.socket.write(sent);
    await whole;
    assert.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'));
    answer.socket.destroy();
    const seen = kubelet.requests[0]!;
    const pod = (await admin.get('/api/v1/namespaces/default/pods/web')).json;
    assert.equal(seen.url, `/exec/default/web/${pod.metadata.uid}/main?input=1&output=1&command=sh&command=-c`);
    assert.deepEqual(Object.keys(seen.headers).sort(), [
      'connection',
      'host',
      'sec-websocket-key',
      'sec-websocket-protocol',
      'sec-websocket-version',
      'upgrade',
    ]);
    assert.equal(kubelet.clientNames[0], 'kube-apiserver-kubelet-client');
    const paths = server.paths.list().find((p) => p.metadata.name === 'apiserver-to-kubelet.n1');
    assert.match(paths?.status.serverVerifiedBy ?? '', /^cluster CA, name system:node:n1, UID /);
    assert.deepEqual([paths?.status.clientVerifiedBy, paths?.status.verdict], [undefined, 'Unsafe']);
  });

  it('knows how a kubelet elsewhere verified it, from what the kubelet says in its first answer', async () => {
    kubelet.onRequest = (_request, response) => {
      response.setHeader('causeway-verified-by', 'x509; SubjectAccessReview');
      response.end('a line');
    };
    assert.equal((await admin.get('/api/v1/namespaces/default/pods/web/log')).status, 200);
    const path = server.paths.get('apiserver-to-kubelet.n1');
    assert.deepEqual(
      [path?.status.clientVerifiedBy, path?.status.authorisation, path?.status.verdict],
      ['x509', 'SubjectAccessReview', 'Safe'],
    );
  });

  it('takes a token out of the WebSocket subprotocols, and passes it to nobody', async () => {
    accept();
    const request = execRequest('web').replace('c2VjcmV0', Buffer.from('reader-token').toString('base64url'));
    const answer = await raw(request);
    // This connection shows a certificate and a token: the token is looked at too, and what it may do is less.
    assert.doesNotMatch(answer.head, /bearer/);
    for (const seen of kubelet.requests) assert.equal(seen.headers['sec-websocket-protocol'], 'v5.channel.k8s.io');
    answer.socket.destroy();
  });

  it('wants `create`, whatever the method: a reader may not open a stream by GET', async () => {
    const answer = await raw(execRequest('web').replace(/, base64url[^\r]*/, ''), { token: 'reader-token' });
    assert.match(answer.head, /^HTTP\/1\.1 403 /);
    assert.equal(
      (await statusOf(answer)).message,
      'pods "web" is forbidden: User "reader" cannot create resource "pods/exec" in API group "" in the namespace "default"',
    );
    assert.equal(kubelet.requests.length, 0);
  });

  it('refuses a request that is no upgrade', async () => {
    const answer = await admin.post('/api/v1/namespaces/default/pods/web/exec?command=sh&stdout=true', undefined);
    assert.equal(answer.status, 400);
    assert.equal(answer.json.message, 'Upgrade request required');
  });

  it('names what is wrong with the target', async () => {
    const missing = await raw(execRequest('nobody').replace(/, base64url[^\r]*/, ''));
    assert.equal((await statusOf(missing)).message, 'pods "nobody" not found');
    const container = await raw(execRequest('web', 'GET', 'container=x&stdout=1').replace(/, base64url[^\r]*/, ''));
    assert.equal((await statusOf(container)).message, 'container x is not valid for pod web');
  });

  it('relays a refusal as a Status without the kubelet’s headers, ends that connection, and follows no redirect', async () => {
    for (const [head, expected] of [
      [
        'HTTP/1.1 404 Not Found\r\nServer: leaky\r\nContent-Length: 9\r\n\r\nno such x',
        { code: 404, message: 'no such x' },
      ],
      [
        'HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
        {
          code: 500,
          message: 'error dialing backend: the kubelet of node "n1" answered with a redirect, which is not followed',
        },
      ],
      [
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi',
        { code: 500, message: 'error dialing backend: the kubelet of node "n1" answered 200: hi' },
      ],
      [
        'HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nForbidden',
        { code: 500, message: 'error dialing backend: the kubelet of node "n1" refused the apiserver: Forbidden' },
      ],
    ] as const) {
      let closed = false;
      kubelet.onUpgrade = (_request, socket) => {
        socket.on('error', () => undefined);
        socket.on('close', () => {
          closed = true;
        });
        socket.write(head);
      };
      const answer = await raw(execRequest('web').replace(/, base64url[^\r]*/, ''));
      assert.doesNotMatch(answer.head, /leaky|location/i);
      const status = await statusOf(answer);
      assert.deepEqual({ code: status.code, message: status.message }, expected);
      await new Promise<void>((resolve) => setTimeout(resolve, 50));
      assert.ok(closed, 'the connection to the kubelet was ended');
    }
  });

  it('ends both sides when either goes', async () => {
    let backend: { destroyed: boolean } | undefined;
    kubelet.onUpgrade = (_request, socket) => {
      backend = socket;
      socket.on('error', () => undefined);
      socket.resume();
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    };
    const first = await raw(execRequest('web').replace(/, base64url[^\r]*/, ''));
    first.socket.destroy();
    await new Promise<void>((resolve) => setTimeout(resolve, 100));
    assert.equal(backend?.destroyed, true);
    kubelet.onUpgrade = (_request, socket) => {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nlast words');
    };
    const second = await raw(execRequest('web').replace(/, base64url[^\r]*/, ''));
    let text = second.rest.toString();
    second.socket.on('data', (chunk) => {
      text += chunk;
    });
    await new Promise<void>((resolve) => second.socket.once('close', () => resolve()));
    assert.equal(text, 'last words');
  });

  it('ends with the credential that it was opened with', async () => {
    accept();
    const brief = server.pki.issueClient({ user: 'admin', groups: ['system:masters'], days: 2 / 86_400 });
    const answer = await raw(execRequest('web').replace(/, base64url[^\r]*/, ''), { identity: brief });
    assert.match(answer.head, / 101 /);
    const begun = Date.now();
    await new Promise<void>((resolve) => answer.socket.once('close', () => resolve()));
    assert.ok(Date.now() - begun < 4_000);
  });

  it('asks for attach and portforward in the kubelet’s words', async () => {
    accept();
    const pod = (await admin.get('/api/v1/namespaces/default/pods/web')).json;
    const clean = execRequest('web').replace(/, base64url[^\r]*/, '');
    const attach = await raw(
      clean.replace(/exec\?\S+/, 'attach?stdin=true&stdout=true&stderr=true&tty=true&container=main'),
    );
    assert.match(attach.head, / 101 /);
    attach.socket.destroy();
    const forward = await raw(clean.replace(/exec\?\S+/, 'portforward?ports=80&ports=81'));
    assert.match(forward.head, / 101 /);
    forward.socket.destroy();
    assert.deepEqual(
      kubelet.requests.map((r) => r.url),
      [
        `/attach/default/web/${pod.metadata.uid}/main?input=1&output=1&error=1&tty=1`,
        `/portForward/default/web/${pod.metadata.uid}?port=80,81`,
      ],
    );
    const bad = await raw(clean.replace(/exec\?\S+/, 'portforward?ports=80%0d%0ax'));
    assert.equal((await statusOf(bad)).code, 400);
  });
});

describe('a node’s kubelet is verified', () => {
  const failing: readonly [name: string, start: () => Promise<number>, reason: RegExp][] = [
    [
      'one with a CA of its own',
      async () => {
        const foreign = await testPki();
        const port = (await startKubelet(foreign.pki, 'n2')).port;
        await foreign.close();
        return port;
      },
      /tls: failed to verify certificate: x509: certificate signed by unknown authority/,
    ],
    [
      'one with another node’s name',
      async () => (await startKubelet(server.pki, 'n1')).port,
      /certificate is valid for node "n1", not "n2"/,
    ],
    [
      'one of a node that was deleted and made again',
      async () => (await startKubelet(server.pki, 'n2', '00000000-0000-0000-0000-000000000000')).port,
      /certificate of node "n2" is for UID 00000000-0000-0000-0000-000000000000, not /,
    ],
    [
      'one whose certificate has expired',
      async () => {
        const request = kubeletServingRequest({ nodeName: 'n2', dnsNames: [], ipAddresses: ['127.0.0.1'] });
        const shortLived = server.pki.issueServing({ ...request, days: 1 / 86_400 });
        await new Promise<void>((resolve) => setTimeout(resolve, 2_100));
        const one = await FakeKubelet.start(shortLived, server.pki.kubeletClientCa.certificatePem);
        kubelets.push(one);
        return one.port;
      },
      /x509: certificate has expired or is not yet valid/,
    ],
    [
      'one that does not listen',
      async () => {
        const one = await startKubelet(server.pki, 'n2');
        await one.close();
        return one.port;
      },
      /dial tcp 127\.0\.0\.1:\d+: connect: connection refused/,
    ],
  ];

  before(() => createNodeAndPod(admin, 'n2', 1, 'other'));

  for (const [name, start, reason] of failing) {
    it(`${name} is refused, with the reason in the answer and in an event`, async () => {
      const port = await start();
      await pointNodeAt('n2', port);
      const answer = await raw(execRequest('other').replace(/, base64url[^\r]*/, ''));
      assert.match(answer.head, /^HTTP\/1\.1 500 /);
      const { message } = await statusOf(answer);
      assert.match(message, /^error dialing backend: /);
      assert.match(message, reason);
      const log = await admin.get('/api/v1/namespaces/default/pods/other/log');
      assert.equal(log.status, 500);
      assert.match(log.json.message, reason);
      // The event is written after the answer.
      const told = async (): Promise<boolean> =>
        (await admin.get('/api/v1/namespaces/default/events')).json.items.some(
          (e: { message: string; involvedObject: { name: string } }) =>
            e.involvedObject.name === 'n2' && reason.test(e.message),
        );
      const end = Date.now() + 10_000;
      while (!(await told())) {
        assert.ok(Date.now() < end, 'an event says why');
        await new Promise<void>((resolve) => setTimeout(resolve, 20));
      }
      const path = server.paths.get('apiserver-to-kubelet.n2');
      assert.match(path?.status.lastFailure?.reason ?? '', reason);
    });
  }

  it('makes one event of many failures', async () => {
    const before = (await admin.get('/api/v1/namespaces/default/events')).json.items.length;
    for (let i = 0; i < 5; i++) await admin.get('/api/v1/namespaces/default/pods/other/log');
    await new Promise<void>((resolve) => setTimeout(resolve, 100));
    assert.equal((await admin.get('/api/v1/namespaces/default/events')).json.items.length, before);
  });
});

describe('log', () => {
  it('streams the kubelet’s text over a connection that it keeps', async () => {
    kubelet.onRequest = (_request, response) => {
      response.write('one\n');
      setTimeout(() => response.end('two\n'), 20);
    };
    const connections = kubelet.connections;
    for (let i = 0; i < 3; i++) {
      const answer = await admin.get(
        '/api/v1/namespaces/default/pods/web/log?follow=true&tailLines=5&timestamps=1&previous=false&sinceSeconds=9&limitBytes=100&evil=1',
      );
      assert.deepEqual([answer.status, answer.text, answer.headers['content-type']], [200, 'one\ntwo\n', 'text/plain']);
    }
    assert.equal(
      kubelet.requests[0]?.url,
      '/containerLogs/default/web/main?follow=true&timestamps=true&tailLines=5&limitBytes=100&sinceSeconds=9',
    );
    assert.equal(kubelet.requests[0]?.headers['authorization'], undefined);
    assert.ok(kubelet.connections <= connections + 1, `${kubelet.connections - connections} new connections`);
  });

  it('tries once more when the kubelet had closed the connection that was kept', async () => {
    kubelet.onRequest = (_request, response) => response.end('fine\n');
    const path = '/api/v1/namespaces/default/pods/web/log';
    assert.equal((await admin.get(path)).status, 200);
    let first = true;
    kubelet.onRequest = (request, response) => {
      if (first) request.socket.destroy();
      else response.end('again\n');
      first = false;
    };
    assert.equal((await admin.get(path)).text, 'again\n');
    kubelet.onRequest = (request) => request.socket.destroy();
    const dead = await admin.get(path);
    assert.equal(dead.status, 500);
    assert.match(
      dead.json.message,
      /^Get "https:\/\/kubelet\/containerLogs\/default\/web\/main": connection reset by peer$/,
    );
  });

  it('answers the kubelet’s refusals, and refuses what makes no sense', async () => {
    kubelet.onRequest = (_request, response) => {
      response.statusCode = 400;
      response.end('previous terminated container "main" in pod "web" not found');
    };
    const answer = await admin.get('/api/v1/namespaces/default/pods/web/log?previous=true');
    assert.deepEqual(
      [answer.status, answer.json.reason, answer.json.message],
      [400, 'BadRequest', 'previous terminated container "main" in pod "web" not found'],
    );
    const invalid = await admin.get('/api/v1/namespaces/default/pods/web/log?tailLines=-1&limitBytes=0');
    assert.equal(invalid.status, 422);
    assert.equal(
      invalid.json.message,
      'PodLogOptions "web" is invalid: [tailLines: Invalid value: -1: must be greater than or equal to 0, limitBytes: Invalid value: 0: must be greater than 0]',
    );
    const insecure = await admin.get('/api/v1/namespaces/default/pods/web/log?insecureSkipTLSVerifyBackend=true');
    assert.equal(insecure.status, 400);
    assert.match(insecure.json.message, /the kubelet is always verified/);
  });

  it('reads the kubelet no faster than the client reads, and stops when the client goes', async () => {
    let sent = 0;
    let stopped = false;
    kubelet.onRequest = (_request, response) => {
      const chunk = Buffer.alloc(65_536, 'x');
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
        sent += chunk.length;
        response.once('drain', more);
      };
      response.on('close', () => {
        stopped = true;
      });
      more();
    };
    const answer = await raw('GET /api/v1/namespaces/default/pods/web/log?follow=true HTTP/1.1\r\nhost: x\r\n\r\n');
    answer.socket.pause();
    await new Promise<void>((resolve) => setTimeout(resolve, 300));
    const held = sent;
    await new Promise<void>((resolve) => setTimeout(resolve, 300));
    assert.ok(held < 32 * 1024 * 1024 && sent - held < 4 * 1024 * 1024, `${held}, then ${sent} bytes`);
    answer.socket.destroy();
    await new Promise<void>((resolve) => setTimeout(resolve, 200));
    assert.ok(stopped, 'the kubelet is no longer read');
  });
});
