import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:https';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { PassThrough } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { spawn as spawnPty } from '@lydell/node-pty';
import { x509Authenticator } from '../../authn/x509.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { clientTls } from '../../pki/client-tls.ts';
import { ClusterPki } from '../../pki/cluster-pki.ts';
import { fixedCertificate } from '../../pki/issued-certificate.ts';
import { verifyKubelet } from '../../pki/kubelet-identity.ts';
import { fixedTrust } from '../../pki/trust.ts';
import type { ExecOptions, ProcessStreams } from '../../runtime/runtime.ts';
import { createKubeletServer } from './kubelet-server.ts';
import type { ServedPod } from './pod-provider.ts';

/**
 * A kubelet's endpoint whose one pod `web` is this machine, and an apiserver that knows that pod and passes bytes through, both over verified TLS: enough for real
 * kubectl. For tests only.
 */
export interface LocalCluster {
  readonly folder: string;
  readonly kubeconfig: string;
  readonly logPath: string;
  /** A TCP server that echoes, and half-closes as its client does. */
  readonly echoPort: number;
  /** Upgrades that the apiserver passed through: `POST SPDY/3.1 …`. */
  readonly upgrades: string[];
  close(): Promise<void>;
}

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', uid: 'u-1' },
  spec: { containers: [{ name: 'c', image: 'none', stdin: true, tty: false }] },
  status: { phase: 'Running', containerStatuses: [{ name: 'c', ready: true, state: { running: {} } }] },
};

const documents: ReadonlyMap<string, object> = new Map<string, object>([
  ['/version', { major: '1', minor: '35', gitVersion: 'v1.35.0' }],
  ['/api', { kind: 'APIVersions', versions: ['v1'] }],
  ['/apis', { kind: 'APIGroupList', apiVersion: 'v1', groups: [] }],
  [
    '/api/v1',
    {
      kind: 'APIResourceList',
      groupVersion: 'v1',
      resources: [{ name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get', 'list'] }],
    },
  ],
  ['/api/v1/namespaces/default/pods/web', pod],
]);

export async function startLocalCluster(): Promise<LocalCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-local-'));
  const pki = await ClusterPki.open(join(folder, 'pki'), { clock: systemClock });
  const logPath = join(folder, 'c.log');
  await writeFile(logPath, '');
  const kubelet = createKubeletServer({
    nodeName: 'n1',
    certificate: fixedCertificate(pki.issueKubeletServing({ nodeName: 'n1', dnsNames: [], ipAddresses: [] })),
    clientCas: fixedTrust([pki.kubeletClientCa.certificatePem]),
    authenticator: x509Authenticator(),
    authorizer: { name: 'all', authorize: async () => ({ verdict: 'allow', reason: '' }) },
    pods: { pods: () => [servedPod(logPath)], find: (_, name) => (name === 'web' ? servedPod(logPath) : undefined) },
    runtime: {
      exec: async (_, options) => (options.tty ? withTerminal(options) : withPipes(options)),
      attach: async (_, options) => withPipes({ ...options, command: ['cat'] }),
      portForward: (_, port, signal) => dial(port, signal),
      containerStats: async () => [],
    },
    observer: { opened: () => () => undefined, failed: () => undefined, authorised: () => undefined },
    log: silentLog,
    clock: systemClock,
  });
  const { port: kubeletPort } = await kubelet.listen(0, '127.0.0.1');
  const upgrades: string[] = [];
  const toKubelet = {
    host: '127.0.0.1',
    port: kubeletPort,
    ...clientTls({
      ca: fixedTrust([pki.clusterCa.certificatePem]),
      identity: fixedCertificate(pki.issueKubeletClient({ user: 'system:kube-apiserver', groups: [] })),
      server: { verify: (certificate) => verifyKubelet(certificate, { nodeName: 'n1' }) },
    }),
  };
  const serving = pki.issueServing({
    commonName: 'kube-apiserver',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  const apiserver = createServer({ key: serving.privateKeyPem.reveal(), cert: serving.certificatePem });
  apiserver.on('request', (incoming, response) => answer(incoming, response, toKubelet));
  apiserver.on('upgrade', (incoming, socket, head) => {
    upgrades.push(`${incoming.method} ${incoming.headers.upgrade}`);
    passThrough(incoming, socket, head, toKubelet);
  });
  await new Promise<void>((resolve) => apiserver.listen(0, '127.0.0.1', resolve));
  const echo = createTcpServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigFor((apiserver.address() as AddressInfo).port, pki.clusterCa.certificatePem));
  return {
    folder,
    kubeconfig,
    logPath,
    echoPort: (echo.address() as AddressInfo).port,
    upgrades,
    close: async () => {
      apiserver.close();
      apiserver.closeAllConnections();
      echo.close();
      await kubelet.close();
      await rm(folder, { recursive: true });
    },
  };
}

function servedPod(logPath: string): ServedPod {
  const instance = { id: 'process://id-c', logPath, ended: new Promise<void>(() => undefined) };
  const running = { id: 'id-c', startedAt: 0 };
  return {
    namespace: 'default',
    name: 'web',
    uid: 'u-1',
    object: pod,
    sandboxId: 's-1',
    containers: [{ name: 'c', tty: false, running, state: { kind: 'running', instance }, previous: undefined }],
  };
}

function kubeconfigFor(port: number, ca: string): string {
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    'certificate-authority-data': Buffer.from(ca).toString('base64'),
  };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token: 't' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}

type Target = ConnectionOptions;

function answer(incoming: IncomingMessage, response: ServerResponse, toKubelet: Target): void {
  const url = new URL(incoming.url ?? '', 'https://x');
  if (url.pathname.endsWith('/pods/web/log')) {
    const path = `/containerLogs/default/web/c${url.search}`;
    request({ ...toKubelet, path } as object, (logs) => {
      response.writeHead(logs.statusCode ?? 500, { 'content-type': 'text/plain' });
      logs.pipe(response);
      response.once('close', () => logs.destroy());
    }).end();
    return;
  }
  const document = documents.get(url.pathname);
  const missing = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404 };
  response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(document ?? missing));
}

function passThrough(incoming: IncomingMessage, socket: Duplex, head: Buffer, toKubelet: Target): void {
  const url = new URL(incoming.url ?? '', 'https://x');
  const action = url.pathname.split('/').at(-1);
  const path = action === 'portforward' ? '/portForward/default/web' : `/${action}/default/web/c`;
  const headers: string[] = [];
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    if (incoming.rawHeaders[i]?.toLowerCase() === 'authorization') continue;
    headers.push(`${incoming.rawHeaders[i]}: ${incoming.rawHeaders[i + 1]}`);
  }
  const kubelet = connectTls(toKubelet, () => {
    kubelet.write(`${incoming.method} ${path}${url.search} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
    kubelet.write(head);
    socket.pipe(kubelet);
    kubelet.pipe(socket);
  });
  kubelet.setNoDelay(true);
  for (const [one, other] of [
    [socket, kubelet],
    [kubelet, socket],
  ] as const) {
    one.on('error', () => other.destroy());
    // What was read of one is still written to the other.
    one.on('close', () => {
      if (other.writableFinished) other.destroy();
      else other.end(() => other.destroy());
    });
  }
}

function withPipes({ command, stdin }: ExecOptions): ProcessStreams {
  const child: ChildProcess = spawn(command[0] ?? '', command.slice(1), { stdio: 'pipe' });
  if (!stdin) child.stdin?.end();
  const exited = new Promise<{ exitCode: number }>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve({ exitCode: code ?? 137 }));
  });
  exited.catch(() => undefined);
  return {
    stdin: stdin ? (child.stdin ?? undefined) : undefined,
    stdout: child.stdout ?? undefined,
    stderr: child.stderr ?? undefined,
    resize: () => undefined,
    exited,
    close: () => void child.kill('SIGKILL'),
  };
}

function withTerminal({ command }: ExecOptions): ProcessStreams {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const terminal = spawnPty(command[0] ?? '', command.slice(1), {});
  terminal.onData((data) => void stdout.write(data));
  stdin.on('data', (chunk: Buffer) => terminal.write(chunk.toString()));
  const exited = new Promise<{ exitCode: number }>((resolve) => {
    terminal.onExit(({ exitCode }) => {
      stdout.end();
      resolve({ exitCode });
    });
  });
  return {
    stdin,
    stdout,
    stderr: undefined,
    resize: (c, r) => terminal.resize(c, r),
    exited,
    close: () => terminal.kill('SIGKILL'),
  };
}

function dial(port: number, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true, signal });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}
