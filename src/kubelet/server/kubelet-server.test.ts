import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import WebSocket from 'ws';
import type { Authenticator } from '../../authn/authenticator.ts';
import { unauthorized } from '../../authn/unauthorized.ts';
import { unionAuthenticator } from '../../authn/union.ts';
import { x509Authenticator } from '../../authn/x509.ts';
import type { Attributes, Authorizer } from '../../authz/authorizer.ts';
import { systemClock } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { ConnectionEvidence, PathObserver } from '../../paths/observer.ts';
import { clientTls } from '../../pki/client-tls.ts';
import { ClusterPki } from '../../pki/cluster-pki.ts';
import { fixedCertificate, type IssuedCertificate } from '../../pki/issued-certificate.ts';
import { verifyKubelet } from '../../pki/kubelet-identity.ts';
import { fixedTrust } from '../../pki/trust.ts';
import type { ProcessStreams, Runtime } from '../../runtime/runtime.ts';
import { createKubeletServer, type KubeletServer } from './kubelet-server.ts';
import type { PodProvider, ServedPod } from './pod-provider.ts';

let folder: string;
let pki: ClusterPki;
let server: KubeletServer;
let port: number;
let apiserver: IssuedCertificate;

const asked: Attributes[] = [];
const logged: string[] = [];
const opened: ConnectionEvidence[] = [];
const failures: string[] = [];
const execs: { command: readonly string[]; process: FakeProcess }[] = [];
let tokenExpiry: number | undefined;

class FakeProcess implements ProcessStreams {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly #exit = Promise.withResolvers<{ exitCode: number }>();
  readonly exited = this.#exit.promise;
  closed = false;

  resize(): void {}

  exit(exitCode: number): void {
    this.stdout.end();
    this.stderr.end();
    this.#exit.resolve({ exitCode });
  }

  close(): void {
    this.closed = true;
    this.exit(137);
  }
}

const runtime: Pick<Runtime, 'exec' | 'attach' | 'portForward' | 'containerStats'> = {
  exec: async (id, { command }) => {
    if (command[0] === 'missing') throw new CausewayError('BadRequest', 'exec: "missing": not found');
    if (command[0] === 'broken') throw new Error('secret detail');
    assert.equal(id, 'id-c');
    const process = new FakeProcess();
    execs.push({ command, process });
    if (command[0] === 'cat') {
      process.stdin.pipe(process.stdout);
      process.stdin.on('end', () => process.exit(0));
    }
    return process;
  },
  attach: async (id, options) => {
    const process = new FakeProcess();
    process.stdout.write(`${id} tty=${options.tty}`);
    process.exit(0);
    return process;
  },
  portForward: async (sandbox, portNumber): Promise<Duplex> => {
    const [near, far] = duplexPair();
    far.end(`${sandbox}:${portNumber}`);
    far.resume();
    return near;
  },
  containerStats: async () => [{ id: 'id-c', sandboxId: 's-1', cpuNanoseconds: 1_500_000_000n, memoryBytes: 4096 }],
};

const ended = Promise.withResolvers<void>();

function pods(): readonly ServedPod[] {
  const running = { id: 'process://id-c', logPath: join(folder, 'c.log'), ended: ended.promise };
  const now = { id: 'id-c', startedAt: Date.parse('2026-11-24T08:00:01.500Z') };
  const removed = { id: 'process://gone', logPath: undefined, ended: Promise.resolve() };
  const waiting = { kind: 'waiting', reason: 'ContainerCreating' } as const;
  return [
    {
      namespace: 'default',
      name: 'web',
      uid: 'u-1',
      object: { metadata: { name: 'web', namespace: 'default' }, status: { startTime: '2026-11-24T08:00:00Z' } },
      sandboxId: 's-1',
      containers: [
        { name: 'c', tty: true, running: now, state: { kind: 'running', instance: running }, previous: undefined },
        { name: 'starting', tty: false, running: undefined, state: waiting, previous: undefined },
        { name: 'unknown', tty: false, running: undefined, state: { kind: 'unknown' }, previous: removed },
      ],
    },
    { namespace: 'default', name: 'new', uid: 'u-2', object: {}, sandboxId: undefined, containers: [] },
  ];
}

const provider: PodProvider = {
  pods,
  find: (namespace, name) => pods().find((pod) => pod.namespace === namespace && pod.name === name),
};

const tokens: Authenticator = {
  name: 'token-review',
  authenticate: async ({ bearerToken }) => {
    if (bearerToken === undefined) return undefined;
    if (bearerToken === 'anonymous') return { user: { username: 'system:anonymous', groups: [] }, method: 'anonymous' };
    if (!['reader', 'prometheus'].includes(bearerToken)) throw unauthorized('TokenReview says no');
    return {
      user: { username: bearerToken, groups: [] },
      method: 'token-review',
      ...(tokenExpiry === undefined ? {} : { expiresAt: tokenExpiry }),
    };
  },
};

/** The apiserver may do everything; `reader` only what is `get`; `prometheus` metrics. */
const authorizer: Authorizer = {
  name: 'webhook',
  authorize: async (attributes) => {
    asked.push(attributes);
    const { user, verb, subresource } = attributes;
    const allowed =
      user.username === 'system:kube-apiserver' ||
      (user.username === 'reader' && verb === 'get' && subresource === 'proxy') ||
      (user.username === 'prometheus' && subresource === 'metrics');
    return { verdict: allowed ? 'allow' : 'no-opinion', reason: '' };
  },
};

const observer: PathObserver = {
  opened: (evidence) => {
    opened.push(evidence);
    return () => undefined;
  },
  failed: (path, _from, to, reason) => void failures.push(`${path} ${to} ${reason}`),
  authorised: () => undefined,
};

const log: Log = {
  debug: (message, fields) => void logged.push(`${message} ${JSON.stringify(fields)}`),
  info: (message, fields) => void logged.push(`${message} ${JSON.stringify(fields)}`),
  warn: (message, fields) => void logged.push(`${message} ${JSON.stringify(fields)}`),
  error: (message, fields) => void logged.push(`${message} ${JSON.stringify(fields)}`),
  child: () => log,
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-kubelet-server-'));
  pki = await ClusterPki.open(join(folder, 'pki'), { clock: systemClock });
  apiserver = pki.issueKubeletClient({ user: 'system:kube-apiserver', groups: [] });
  const serving = pki.issueKubeletServing({
    nodeName: 'n1',
    nodeUid: 'node-uid',
    dnsNames: [],
    ipAddresses: ['127.0.0.1'],
  });
  server = createKubeletServer({
    nodeName: 'n1',
    certificate: fixedCertificate(serving),
    clientCas: fixedTrust([pki.kubeletClientCa.certificatePem]),
    authenticator: unionAuthenticator([x509Authenticator(), tokens]),
    authorizer,
    pods: provider,
    runtime,
    observer,
    log,
    clock: systemClock,
  });
  ({ port } = await server.listen(0, '127.0.0.1'));
});

after(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

beforeEach(() => {
  asked.length = 0;
  logged.length = 0;
  opened.length = 0;
  failures.length = 0;
  execs.length = 0;
  tokenExpiry = undefined;
});

function tls(identity?: IssuedCertificate): RequestOptions {
  return clientTls({
    ca: fixedTrust([pki.clusterCa.certificatePem]),
    server: { verify: (certificate) => verifyKubelet(certificate, { nodeName: 'n1', nodeUid: 'node-uid' }) },
    ...(identity === undefined ? {} : { identity: fixedCertificate(identity) }),
  }) as RequestOptions;
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly type: string | undefined;
}

async function ask(
  path: string,
  options: RequestOptions & { readonly identity?: IssuedCertificate | null } = {},
): Promise<Answer> {
  const { identity = apiserver, ...more } = options;
  const outgoing = request({
    ...tls(identity ?? undefined),
    host: '127.0.0.1',
    port,
    path,
    agent: new Agent(),
    ...more,
  });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response), type: response.headers['content-type'] };
}

function bearer(token: string): RequestOptions & { readonly identity: null } {
  return { identity: null, headers: { authorization: `Bearer ${token}` } };
}

test('nobody is served anything without being known: no path is open', async () => {
  for (const path of ['/healthz', '/pods', '/metrics', '/nonsense', '/exec/default/web/c?command=sh&output=1']) {
    assert.deepEqual(await ask(path, { identity: null }), {
      status: 401,
      body: 'Unauthorized',
      type: 'text/plain; charset=utf-8',
    });
  }
  assert.deepEqual(asked, []);
});

test('only the kubelet-client CA makes an identity', async () => {
  const foreign = await ClusterPki.open(join(folder, 'foreign'), { clock: systemClock });
  const past = await ClusterPki.open(join(folder, 'past'), { clock: systemClock });
  for (const identity of [
    pki.issueClient({ user: 'system:kube-apiserver', groups: ['system:masters'] }),
    pki.issueFrontProxyClient({ user: 'system:kube-apiserver', groups: [] }),
    foreign.issueKubeletClient({ user: 'system:kube-apiserver', groups: [] }),
    past.issueKubeletClient({ user: 'system:kube-apiserver', groups: [] }),
  ]) {
    assert.equal((await ask('/healthz', { identity })).status, 401);
  }
  assert.match(failures[0] ?? '', /^client-to-kubelet system:node:n1 x509/);
});

test('a token is reviewed; wrong ones, other schemes, and anonymous users are nobody', async () => {
  assert.equal((await ask('/metrics', bearer('prometheus'))).status, 200);
  for (const authorization of [
    'Bearer wrong',
    'Bearer',
    'Basic cmVhZGVyOnJlYWRlcg==',
    'Bearer anonymous',
    'Bearer a b',
  ]) {
    assert.equal((await ask('/metrics', { identity: null, headers: { authorization } })).status, 401, authorization);
  }
  // A good certificate does not hide a wrong token.
  assert.equal((await ask('/metrics', { headers: { authorization: 'Bearer wrong' } })).status, 401);
});

test('whoever is known still needs permission, and what is not there is told only after that', async () => {
  const forbidden = await ask('/pods', bearer('prometheus'));
  assert.deepEqual(forbidden, {
    status: 403,
    body: 'Forbidden (user=prometheus, verb=get, resource=nodes, subresource(s)=[pods proxy])\n',
    type: 'text/plain; charset=utf-8',
  });
  assert.equal((await ask('/nonsense', bearer('prometheus'))).status, 403);
  assert.equal((await ask('/nonsense', bearer('reader'))).status, 404);
  assert.equal((await ask('/run/default/web/c', { method: 'POST' })).status, 404);
});

test('reading is not enough to get a shell, whatever the method', async () => {
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  const answer = await ask('/exec/default/web/c?command=sh&output=1', {
    identity: null,
    headers: { authorization: 'Bearer reader', ...upgrade },
  });
  assert.equal(answer.status, 403);
  assert.match(answer.body, /verb=create, resource=nodes, subresource\(s\)=\[proxy\]/);
  assert.equal(execs.length, 0);
});

test('the connection is evidence: who, how, and what TLS negotiated', async () => {
  await ask('/healthz');
  assert.deepEqual(opened, [
    {
      path: 'apiserver-to-kubelet',
      from: 'system:kube-apiserver',
      to: 'system:node:n1',
      transport: 'tls',
      tlsVersion: 'TLSv1.3',
      tlsGroup: 'X25519MLKEM768',
      cipher: opened[0]?.cipher,
      clientVerifiedBy: 'x509',
      clientCertificate: {
        subject: 'CN=system:kube-apiserver',
        issuer: 'CN=causeway-kubelet-client-ca',
        notAfter: opened[0]?.clientCertificate?.notAfter,
      },
    },
  ]);
  assert.ok(Date.parse(opened[0]?.clientCertificate?.notAfter ?? '') > Date.now());
});

test('an answer says how its client was verified, and one to nobody says nothing', async () => {
  const said = async (identity: IssuedCertificate | undefined) => {
    const outgoing = request({ ...tls(identity), host: '127.0.0.1', port, path: '/healthz', agent: new Agent() });
    outgoing.end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    response.resume();
    return [response.statusCode, response.headers['causeway-verified-by']];
  };
  assert.deepEqual(await said(apiserver), [200, 'x509; SubjectAccessReview']);
  assert.deepEqual(await said(undefined), [401, undefined]);
});

test('plain pages', async () => {
  assert.deepEqual(await ask('/healthz'), { status: 200, body: 'ok', type: 'text/plain; charset=utf-8' });
  const list = JSON.parse((await ask('/pods')).body) as { kind: string; items: { metadata?: { name: string } }[] };
  assert.deepEqual([list.kind, list.items[0]?.metadata?.name], ['PodList', 'web']);
  assert.match((await ask('/metrics')).body, /^kubelet_running_pods 1$/m);
  assert.match(
    (await ask('/metrics/cadvisor')).body,
    /^container_cpu_usage_seconds_total\{container="c",namespace="default",pod="web",id="id-c"\} 1\.5$/m,
  );
  assert.match(
    (await ask('/metrics/resource')).body,
    /^pod_memory_working_set_bytes\{namespace="default",pod="web"\} 4096 \d+$/m,
  );
  const resources = (await ask('/metrics/resource')).body;
  assert.match(
    resources,
    /^container_start_time_seconds\{container="c",namespace="default",pod="web"\} 1795507201\.5$/m,
  );
  assert.match(resources, /^resource_scrape_error 0$/m);
  const summary = JSON.parse((await ask('/stats/summary')).body) as {
    node: { nodeName: string; fs?: object };
    pods: { podRef: object; startTime: string; memory: { usageBytes: number }; containers: { startTime: string }[] }[];
  };
  assert.deepEqual(
    [summary.pods[0]?.startTime, summary.pods[0]?.containers[0]?.startTime],
    ['2026-11-24T08:00:00Z', '2026-11-24T08:00:01Z'],
  );
  const short = JSON.parse((await ask('/stats/summary?only_cpu_and_memory=true')).body) as typeof summary;
  assert.deepEqual([summary.node.fs === undefined, short.node.fs === undefined], [false, true]);
  assert.equal(summary.node.nodeName, 'n1');
  assert.deepEqual(
    summary.pods.map(({ podRef, memory }) => [podRef, memory.usageBytes]),
    [[{ name: 'web', namespace: 'default', uid: 'u-1' }, 4096]],
  );
  assert.equal((await ask('/pods', { method: 'DELETE' })).status, 405);
});

test('logs, and why there are none', async () => {
  await writeFile(
    join(folder, 'c.log'),
    '2026-11-24T08:00:00.000000000Z stdout F one\n2026-11-24T08:00:01.000000000Z stdout F two\n',
  );
  assert.deepEqual(await ask('/containerLogs/default/web/c?tailLines=1'), {
    status: 200,
    body: 'two\n',
    type: 'text/plain',
  });
  for (const [path, status, body] of [
    ['/containerLogs/default/none/c', 404, 'pod "none" does not exist'],
    ['/containerLogs/default/web/none', 404, 'container "none" not found in pod "web"'],
    [
      '/containerLogs/default/web/starting',
      400,
      'container "starting" in pod "web" is waiting to start: ContainerCreating',
    ],
    ['/containerLogs/default/web/c?previous=true', 400, 'previous terminated container "c" in pod "web" not found'],
    ['/containerLogs/default/web/unknown', 400, 'container "unknown" in pod "web" is not available'],
    ['/containerLogs/default/web/c?tailLines=', 400, '{"message": "Unable to decode query."}'],
    ['/containerLogs/default/web/c?tailLines=x', 400, '{"message": "Unable to decode query."}'],
    ['/containerLogs/default/web/c?tailLines=-1', 422, '{"message": "Invalid request."}'],
  ] as const) {
    assert.deepEqual(await ask(path), { status, body, type: 'text/plain; charset=utf-8' });
  }
  // As with Kubernetes, of a run that was removed meanwhile.
  assert.deepEqual(await ask('/containerLogs/default/web/unknown?previous=true'), {
    status: 200,
    body: 'unable to retrieve container logs for process://gone',
    type: 'text/plain',
  });
});

test('the options of a log count together', async () => {
  const at = (second: number): string => `2020-11-24T08:00:0${second}.000000000Z`;
  const lines = [
    `${at(0)} stdout F one`,
    `${at(1)} stderr F two`,
    `${at(2)} stdout P thr`,
    `${at(3)} stdout F ee`,
    `${at(4)} stderr F four`,
  ];
  await writeFile(join(folder, 'c.log'), `${lines.join('\n')}\n`);
  const log = async (query: string): Promise<string> => (await ask(`/containerLogs/default/web/c?${query}`)).body;
  for (const [query, expected] of [
    ['', 'one\ntwo\nthree\nfour\n'],
    ['tailLines=0', ''],
    ['tailLines=2', 'three\nfour\n'],
    ['tailLines=2&limitBytes=7', 'three\nf'],
    // The end is taken first, and of that what is new enough.
    [`tailLines=3&sinceTime=${at(4)}`, 'four\n'],
    [`tailLines=1&sinceTime=${at(1)}`, 'four\n'],
    [`sinceTime=${at(1)}&limitBytes=5`, 'two\nt'],
    [`sinceTime=${at(1)}&timestamps=true&tailLines=3&limitBytes=34`, `${at(1)} two`.slice(0, 34)],
    ['timestamps=true&tailLines=2', `${at(2)} three\n${at(4)} four\n`],
    ['stream=Stderr', 'two\nfour\n'],
    [`stream=Stdout&sinceTime=${at(1)}`, 'three\n'],
    ['sinceSeconds=1&follow=false', ''],
    ['follow=true&limitBytes=3', 'one'],
    ['follow=true&tailLines=1&limitBytes=4', 'four'],
  ] as const) {
    assert.equal(await log(query), expected, query);
  }
});

test('a log is followed until the container ends', async () => {
  const path = join(folder, 'c.log');
  await writeFile(path, '2026-11-24T08:00:00.000000000Z stdout F one\n');
  const outgoing = request({
    ...tls(apiserver),
    host: '127.0.0.1',
    port,
    path: '/containerLogs/default/web/c?follow=true',
  }).end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  assert.equal(String(await once(response, 'data')), 'one\n');
  await appendFile(path, '2026-11-24T08:00:00.000000000Z stdout F two\n');
  assert.equal(String(await once(response, 'data')), 'two\n');
  ended.resolve();
  await once(response, 'end');
});

test('exec, attach and port-forward answer real upgrades only', async () => {
  for (const path of [
    '/exec/default/web/c?command=ls&output=1',
    '/attach/default/web/c?output=1',
    '/portForward/default/web',
  ]) {
    for (const method of ['GET', 'POST']) {
      assert.deepEqual(await ask(path, { method }), {
        status: 400,
        body: 'Upgrade request required',
        type: 'text/plain; charset=utf-8',
      });
    }
    const h2c = await ask(path, { headers: { connection: 'Upgrade', upgrade: 'h2c' } });
    assert.deepEqual([h2c.status, h2c.body], [400, 'Upgrade request required']);
  }
  assert.equal(execs.length, 0);
});

function openWebSocket(
  path: string,
  protocols: string[] = ['v5.channel.k8s.io'],
  headers: Record<string, string> = {},
): WebSocket {
  const options = tls(headers['authorization'] === undefined ? apiserver : undefined) as object;
  return new WebSocket(`wss://127.0.0.1:${port}${path}`, protocols, { ...options, headers });
}

async function refusal(path: string, protocols?: string[]): Promise<readonly [number | undefined, string]> {
  const socket = openWebSocket(path, protocols);
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const body = await text(response);
  socket.terminate();
  return [response.statusCode, body];
}

/** All that came on each channel, until the server closed. */
async function channels(socket: WebSocket): Promise<Record<number, string>> {
  const received: Record<number, string> = {};
  socket.on('message', (message: Buffer) => {
    received[message[0]!] = (received[message[0]!] ?? '') + message.subarray(1).toString();
  });
  await once(socket, 'close');
  return received;
}

test('exec through a WebSocket of another make: 20 MB of stdin come back, then the status', async () => {
  const socket = openWebSocket('/exec/default/web/c?command=cat&command=-&input=1&output=1&error=1');
  const chunks: Buffer[] = [];
  let status = '';
  socket.on('message', (message: Buffer) => {
    if (message[0] === 1) chunks.push(message.subarray(1));
    if (message[0] === 3) status += message.subarray(1).toString();
  });
  await once(socket, 'open');
  assert.equal(socket.protocol, 'v5.channel.k8s.io');
  const block = Buffer.alloc(1024 * 1024, 'abcdefgh');
  for (let i = 0; i < 20; i++) socket.send(Buffer.concat([Buffer.of(0), block]));
  socket.send(Buffer.of(255, 0));
  const [code] = (await once(socket, 'close')) as [number];
  assert.equal(code, 1000);
  assert.equal(status, '{"metadata":{},"status":"Success"}');
  const output = Buffer.concat(chunks);
  assert.equal(output.length, 20 * block.length);
  assert.ok(output.subarray(-block.length).equals(block));
  assert.deepEqual(
    execs.map(({ command }) => command),
    [['cat', '-']],
  );
});

test('a command that cannot be run says why, and no more', async () => {
  const missing = await channels(openWebSocket('/exec/default/web/c?command=missing&output=1'));
  assert.match(
    missing[3] ?? '',
    /"message":"Internal error occurred: error executing command in container: exec: \\"missing\\": not found"/,
  );
  const broken = await channels(openWebSocket('/exec/default/web/c?command=broken&output=1'));
  assert.match(broken[3] ?? '', /the runtime failed/);
  assert.doesNotMatch(broken[3] ?? '', /secret detail/);
});

test('attach uses the terminal that the container has', async () => {
  const received = await channels(openWebSocket('/attach/default/web/u-1/c?output=1&tty=1'));
  assert.equal(received[1], 'id-c tty=true');
});

test('port-forward by channels', async () => {
  const received = await channels(openWebSocket('/portForward/default/web?port=8080', ['v4.channel.k8s.io']));
  assert.equal(received[0], '\ufffd\x1fs-1:8080');
});

test('refusals of upgrades, in the words of Kubernetes', async () => {
  for (const [path, status, body] of [
    ['/exec/default/none/c?command=ls&output=1', 404, 'pod does not exist'],
    ['/exec/default/web/u-2/c?command=ls&output=1', 404, 'pod does not exist'],
    ['/exec/default/web/none?command=ls&output=1', 500, 'container not found ("none")'],
    ['/exec/default/web/starting?command=ls&output=1', 500, 'container not found ("starting")'],
    ['/attach/default/web/starting?output=1', 500, 'container starting not found in pod web_default'],
    ['/exec/default/web/c?command=ls', 400, 'you must specify at least 1 of stdin, stdout, stderr'],
    ['/exec/default/web/c?output=1', 400, 'you must specify a command'],
    ['/portForward/default/new?port=80', 500, 'pod not found ("new_default")'],
    ['/portForward/default/web?port=0', 400, 'port "0" must be > 0'],
    ['/nonsense', 404, '404 page not found'],
    ['/pods', 400, 'this path takes no upgrade'],
  ] as const) {
    assert.deepEqual(await refusal(path), [status, body]);
  }
  assert.equal((await refusal('/exec/default/web/c?command=ls&output=1', ['base64.channel.k8s.io']))[0], 403);
  assert.equal(execs.length, 0);
});

test('command lines and tokens are in no log', async () => {
  const socket = openWebSocket('/exec/default/web/c?command=cat&command=password123&input=1&output=1');
  await once(socket, 'open');
  socket.send(Buffer.of(255, 0));
  await once(socket, 'close');
  await channels(openWebSocket('/exec/default/web/c?command=missing&command=password123&output=1'));
  await ask('/metrics?password123', { headers: { authorization: 'Bearer hunter2' } });
  assert.ok(logged.some((line) => line.includes('/exec/default/web/c')));
  assert.doesNotMatch(logged.join('\n'), /password123|hunter2/);
});

test('a session ends with its credential', async () => {
  tokenExpiry = Date.now() + 200;
  const allowed = authorizer.authorize;
  authorizer.authorize = async () => ({ verdict: 'allow', reason: '' });
  try {
    const socket = openWebSocket('/exec/default/web/c?command=sleep&output=1', undefined, {
      authorization: 'Bearer reader',
    });
    await once(socket, 'open');
    await once(socket, 'close');
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(execs[0]?.process.closed);
    assert.ok(Date.now() >= tokenExpiry);
  } finally {
    authorizer.authorize = allowed;
  }
});

test('CONNECT is not served', async () => {
  const outgoing = request({
    ...tls(apiserver),
    host: '127.0.0.1',
    port,
    method: 'CONNECT',
    path: '10.0.0.1:80',
  }).end();
  const [response, socket] = (await once(outgoing, 'connect')) as [IncomingMessage, Duplex];
  assert.equal(response.statusCode, 405);
  socket.destroy();
});

test('plain HTTP gets nothing', async () => {
  const outgoing = httpRequest({ host: '127.0.0.1', port, path: '/healthz' }).end();
  await assert.rejects(once(outgoing, 'response'));
});
