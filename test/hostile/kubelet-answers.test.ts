import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { type FakeKubelet, startFakeKubelet } from './support/fake-kubelet.ts';
import { createGhostNode, type GhostNode } from './support/ghost-node.ts';
import { answersIn, RawConnection } from './support/raw-connection.ts';
import { startTarget, type Target } from './support/target.ts';

/** The kubelet itself is in the attacker's hands: its certificate is right, and what it says is not. */

let target: Target;
let node: GhostNode;
let token: string;
let fake: FakeKubelet | undefined;

before(async () => {
  target = await startTarget();
  node = await createGhostNode(target);
  await target.cluster.ok(['create', 'serviceaccount', 'operator']);
  await target.cluster.ok([
    'create',
    'clusterrolebinding',
    'operator',
    '--clusterrole=cluster-admin',
    '--serviceaccount=default:operator',
  ]);
  token = (await target.cluster.ok(['create', 'token', 'operator'])).trim();
});
after(() => target?.close());
afterEach(async () => {
  await fake?.close();
  fake = undefined;
});

/** A kubelet with the right certificate that answers as it is told to. */
async function takeOver(answer: (connection: Socket, head: string) => void): Promise<FakeKubelet> {
  fake = await startFakeKubelet({ certificate: target.pki.issueServing(node.serving()), answer });
  await node.pointAt(fake.port);
  return fake;
}

const EXEC = '/api/v1/namespaces/default/pods/haunted/exec?command=id&stdout=1';

function upgradeRequest(path: string, more = ''): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
    `Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nCookie: session=secret\r\nX-Marker: marker\r\n` +
    `X-Forwarded-For: 10.0.0.1\r\nX-Remote-User: admin\r\n${more}\r\n`
  );
}

async function ask(bytes: string): Promise<RawConnection> {
  return (await RawConnection.tls(target.port, target.tls())).write(bytes);
}

describe('what a verified kubelet may answer to an upgrade', () => {
  const fixed = (text: string) => (connection: Socket) => void connection.write(text);
  const quoted = () => JSON.stringify(node.name);
  const answers: readonly [name: string, (connection: Socket) => void, code: number, message: () => string][] = [
    [
      '200',
      fixed('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'),
      500,
      () => `error dialing backend: the kubelet of node ${quoted()} answered 200: ok`,
    ],
    [
      'a redirect',
      fixed('HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/exec\r\ncontent-length: 0\r\n\r\n'),
      500,
      () => `error dialing backend: the kubelet of node ${quoted()} answered with a redirect, which is not followed`,
    ],
    [
      '403',
      fixed('HTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\nset-cookie: a=b\r\n\r\nno, no.'),
      500,
      () => `error dialing backend: the kubelet of node ${quoted()} refused the apiserver: no, no.`,
    ],
    [
      'text that would clear the terminal',
      fixed('HTTP/1.1 400 Bad Request\r\ncontent-length: 11\r\n\r\nbad\u001b[2J\u0007end'),
      400,
      () => 'bad [2J end',
    ],
    [
      'a status that there is not',
      fixed('HTTP/1.1 999 Nonsense\r\ncontent-length: 0\r\n\r\n'),
      500,
      () => `error dialing backend: the kubelet of node ${quoted()} answered 999: status 999`,
    ],
    ['garbage', fixed('SSH-2.0-OpenSSH_9.2\r\n\r\n'), 500, () => 'error dialing backend: malformed HTTP response'],
    [
      'headers that are too long',
      fixed(`HTTP/1.1 101 Switching Protocols\r\nx: ${'y'.repeat(1 << 20)}\r\n\r\n`),
      500,
      () => 'error dialing backend: malformed HTTP response',
    ],
    [
      'headers without end',
      (connection) => {
        connection.write('HTTP/1.1 101 Switching Protocols\r\n');
        const timer = setInterval(() => connection.write(`x-${Math.random()}: y\r\n`.repeat(40)), 2);
        connection.on('close', () => clearInterval(timer));
      },
      500,
      () => 'error dialing backend: malformed HTTP response',
    ],
    [
      'nothing, and hangs up',
      (connection) => void connection.end(),
      500,
      () => 'error dialing backend: connection reset by peer',
    ],
    [
      'a body without end',
      (connection) => {
        connection.write('HTTP/1.1 500 Internal Server Error\r\n\r\n');
        const timer = setInterval(() => connection.write('no'.repeat(1_000)), 2);
        connection.on('close', () => clearInterval(timer));
      },
      500,
      () => `Internal error occurred: ${'no'.repeat(4_096)}`,
    ],
  ];
  for (const [name, answer, code, message] of answers) {
    it(`${name}: an error, and the end of both connections`, async () => {
      const kubelet = await takeOver(answer);
      const client = await ask(upgradeRequest(EXEC));
      const [first, ...more] = answersIn(await client.closed());
      assert.deepEqual(more, []);
      assert.equal(first?.status, code);
      const status = JSON.parse(first?.body ?? '') as { kind: string; code: number; message: string };
      assert.deepEqual([status.kind, status.code, status.message], ['Status', code, message()]);
      assert.ok(!/set-cookie|location/i.test(first?.head ?? ''), 'none of its headers are passed on');
      await target.cluster.until('the end of the backend connection', async () => kubelet.open === 0, 2_000);
      assert.equal(kubelet.connections, 1);
      await target.alive();
    });
  }
});

/** The header lines of a request, without the values that are random. */
function headerNames(head: string): string[] {
  return head
    .split('\r\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => (line.split(':')[0] ?? '').toLowerCase())
    .sort();
}

const switching = (connection: Socket): void => {
  connection.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Evil: 1\r\n\r\n',
  );
};

describe('what reaches a kubelet', () => {
  it('is its own request and nothing of the caller’s credentials', async () => {
    const kubelet = await takeOver(switching);
    const client = await ask(upgradeRequest(`${EXEC}&pretty=1&impersonate=admin`));
    const [answer] = answersIn((await client.until(/\r\n\r\n/)).input);
    assert.equal(answer?.status, 101);
    assert.ok(!/x-evil/i.test(answer?.head ?? ''), 'and nothing of its headers reaches the caller');
    client.destroy();
    const [head = ''] = kubelet.heard;
    const pod = await target.cluster.ok(['get', 'pod', 'haunted', '-o', 'jsonpath={.metadata.uid}']);
    assert.equal(head.split('\r\n')[0], `GET /exec/default/haunted/${pod}/main?output=1&command=id HTTP/1.1`);
    assert.deepEqual(headerNames(head), [
      'connection',
      'host',
      'sec-websocket-key',
      'sec-websocket-protocol',
      'sec-websocket-version',
      'upgrade',
    ]);
    for (const secret of [token, 'session=secret', 'marker', '10.0.0.1', 'x-remote-user', 'impersonate']) {
      assert.ok(!kubelet.heard.join('').includes(secret), secret);
    }
  });

  it('is one request: what is smuggled behind it never arrives when it was refused (CVE-2018-1002105)', async () => {
    const kubelet = await takeOver((connection) => {
      setTimeout(() => connection.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'), 200);
    });
    const smuggled =
      'POST /exec/kube-system/other/main?command=stolen HTTP/1.1\r\nHost: k\r\nContent-Length: 0\r\n\r\n';
    const client = await ask(upgradeRequest(EXEC) + smuggled);
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.write(smuggled);
    const answers = answersIn(await client.closed());
    client.write(smuggled);
    assert.deepEqual(
      answers.map((a) => a.status),
      [500],
      'the smuggled request has no answer either',
    );
    await target.cluster.until('the end of the backend connection', async () => kubelet.open === 0, 2_000);
    assert.equal(kubelet.heard.length, 1);
    assert.ok(!kubelet.heard[0]?.includes('stolen'));
    // The next request has a connection of its own.
    await (await ask(upgradeRequest(EXEC))).closed();
    assert.equal(kubelet.connections, 2);
    assert.ok(!kubelet.heard.join('').includes('stolen'));
  });

  it('is nothing of a body that came with the upgrade', async () => {
    const kubelet = await takeOver((connection) => {
      setTimeout(() => connection.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'), 100);
    });
    const body = 'GET /pods HTTP/1.1\r\nHost: k\r\n\r\n';
    const chunked = 'Transfer-Encoding: chunked\r\n';
    const bodies: readonly [header: string, body: string][] = [
      [`Content-Length: ${body.length}\r\n`, body],
      [chunked, `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`],
    ];
    for (const [header, text] of bodies) {
      const client = await ask(upgradeRequest(EXEC, header) + text);
      const statuses = answersIn(await client.closed()).map((a) => a.status);
      assert.deepEqual(statuses, [400], header);
    }
    // No chunk at all: whether the kubelet is asked before that is seen does not matter.
    const client = await ask(upgradeRequest(EXEC, chunked) + body);
    assert.ok(answersIn(await client.closed()).every((a) => a.status === 400));
    assert.ok(!kubelet.heard.join('').includes('/pods'));
    assert.ok(!/content-length|transfer-encoding/i.test(kubelet.heard.join('')));
  });

  it('cannot be widened by what a caller writes into names and arguments', async () => {
    const kubelet = await takeOver(switching);
    const nasty = encodeURIComponent('x HTTP/1.1\r\nX-Injected: 1\r\n\r\nGET /pods HTTP/1.1\r\n&input=1#');
    const client = await ask(upgradeRequest(`${EXEC}&command=${nasty}`));
    await client.until(/ 101 /);
    client.destroy();
    assert.equal(kubelet.heard.length, 1);
    const lines = (kubelet.heard[0] ?? '').split('\r\n');
    assert.match(
      lines[0] ?? '',
      /^GET \/exec\/default\/haunted\/[^/]+\/main\?output=1&command=id&command=x\+HTTP%2F1\.1%0D%0A\S+ HTTP\/1\.1$/,
    );
    assert.ok(!lines.some((line) => line.startsWith('X-Injected')));
    const refused: readonly [path: string, code: number, message: RegExp][] = [
      [`${EXEC}&container=..%2F..%2Fpods`, 400, /container \.\.\/\.\.\/pods is not valid for pod haunted/],
      [`${EXEC}&container=main%3Finput=1`, 400, /container main\?input=1 is not valid for pod haunted/],
      [EXEC.replace('haunted', 'haunted%2F..%2Fother'), 400, /the request path holds an encoded/],
      [EXEC.replace('/haunted/', '/../'), 400, /the request path holds an empty, "\." or "\.\." segment/],
      [EXEC.replace('exec?command=id', 'portforward?ports=80%0d%0aX:1'), 400, /invalid port value "80\\r\\nX:1"/],
    ];
    for (const [path, code, message] of refused) {
      const [answer] = answersIn(await (await ask(upgradeRequest(path))).closed());
      assert.equal(answer?.status, code, path);
      assert.match(JSON.parse(answer?.body ?? '{}').message, message);
    }
    assert.equal(kubelet.connections, 1);
  });
});

describe('logs of a kubelet that is not honest', () => {
  it('are refused when they come with a redirect, and nobody goes there', async () => {
    const elsewhere = await startFakeKubelet({});
    const kubelet = await takeOver((connection) => {
      connection.write(
        `HTTP/1.1 307 Temporary Redirect\r\nlocation: https://127.0.0.1:${elsewhere.port}/x\r\ncontent-length: 0\r\n\r\n`,
      );
    });
    assert.equal(
      await target.cluster.refused(['logs', 'haunted']),
      `Error from server: the kubelet of node "${node.name}" answered with a redirect, which is not followed`,
    );
    assert.equal(elsewhere.connections, 0);
    assert.equal(kubelet.heard.length, 1);
    await elsewhere.close();
  });

  it('are seen to be cut short when the connection breaks', async () => {
    await takeOver((connection) => {
      connection.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nfirst\n\r\n');
      setTimeout(() => connection.destroy(), 50);
    });
    const { code, stdout, stderr } = await target.cluster.kubectl(['logs', 'haunted']);
    assert.equal(stdout, 'first\n');
    assert.notEqual(code, 0, 'a part of a log must not look like the whole');
    assert.match(stderr, /unexpected EOF|INTERNAL_ERROR/);
  });
});

describe('a kubelet that says nothing', () => {
  it('ends with an error after a while, in the handshake and after it', { timeout: 60_000 }, async () => {
    const silent = await startFakeKubelet({});
    await node.pointAt(silent.port);
    const began = Date.now();
    const first = ask(upgradeRequest(EXEC)).then((client) => client.closed(40_000));
    await target.cluster.until('the dial', async () => silent.connections === 1);
    const mute = await takeOver(() => undefined);
    const second = ask(upgradeRequest(EXEC)).then((client) => client.closed(40_000));
    const [a, b] = (await Promise.all([first, second])).map((text) => answersIn(text)[0]);
    assert.equal(JSON.parse(a?.body ?? '').message, 'error dialing backend: tls: handshake with the kubelet timed out');
    assert.equal(JSON.parse(b?.body ?? '').message, 'error dialing backend: the kubelet did not answer in time');
    assert.ok(Date.now() - began < 30_000);
    await target.cluster.until('the ends', async () => silent.open === 0 && mute.open === 0, 2_000);
    await silent.close();
  });

  it('is left alone as soon as its caller goes away', async () => {
    const kubelet = await takeOver(() => undefined);
    const client = await ask(upgradeRequest(EXEC));
    await target.cluster.until('the request', async () => kubelet.heard[0]?.includes('\r\n\r\n'));
    client.destroy();
    await target.cluster.until('the end of the backend connection', async () => kubelet.open === 0, 2_000);
  });
});
