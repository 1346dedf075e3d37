import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { ChildReady } from './control-plane-child.ts';
import { Http1Client } from './http1-client.ts';

const child = new URL('./control-plane-child.ts', import.meta.url).pathname;

export interface BenchControlPlane {
  readonly pid: number;
  readonly url: string;
  /** A new connection with the superuser's certificate. */
  connect(): Promise<ClientHttp2Session>;
  /** The same over HTTP/1.1. */
  connectHttp1(): Promise<Http1Client>;
  stop(): Promise<void>;
}

/** A control plane without a node in a process of its own, as a user's clients see it: TLS 1.3, client certificate, RBAC, admission, audit. */
export async function startBenchControlPlane(directory: string): Promise<BenchControlPlane> {
  const running = fork(child, [directory], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [ready] = (await Promise.race([
    once(running, 'message'),
    once(running, 'exit').then(() => {
      throw new Error('the control plane did not start');
    }),
  ])) as [ChildReady];
  const sessions = new Set<ClientHttp2Session>();
  const clients = new Set<Http1Client>();
  const { hostname: host, port } = new URL(ready.url);
  return {
    pid: running.pid ?? 0,
    url: ready.url,
    async connect() {
      const session = connect(ready.url, { ca: ready.ca, cert: ready.cert, key: ready.key, minVersion: 'TLSv1.3' });
      sessions.add(session);
      await once(session, 'connect');
      return session;
    },
    async connectHttp1() {
      const { ca, cert, key } = ready;
      const client = await Http1Client.connect({ host, port: Number(port), ca, cert, key });
      clients.add(client);
      return client;
    },
    async stop() {
      for (const client of clients) client.close();
      for (const session of sessions) session.destroy();
      const gone = once(running, 'exit');
      running.disconnect();
      await gone;
    },
  };
}

/** One request and its whole answer. Throws unless the status is 2xx. */
export function request(
  session: ClientHttp2Session,
  method: string,
  path: string,
  body?: Buffer,
  contentType = 'application/json',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      {
        [constants.HTTP2_HEADER_METHOD]: method,
        [constants.HTTP2_HEADER_PATH]: path,
        ...(body === undefined ? {} : { 'content-type': contentType }),
      },
      { endStream: body === undefined },
    );
    let status = 0;
    const chunks: Buffer[] = [];
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      if (status >= 200 && status < 300) resolve(text);
      else reject(new Error(`${method} ${path}: ${status} ${text.slice(0, 300)}`));
    });
    if (body !== undefined) stream.end(body);
  });
}
