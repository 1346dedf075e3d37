import {
  createSecureServer,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { testPki } from '../../apiserver/testing/test-pki.ts';
import type { ClusterPki } from '../../pki/cluster-pki.ts';

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly stream: ServerHttp2Stream;
  readonly session: ServerHttp2Session;
}

/** An HTTP/2 server that answers as a test tells it. */
export class FakeServer {
  readonly url: string;
  readonly pki: ClusterPki;
  readonly requests: FakeRequest[] = [];
  /** Every session that there ever was. */
  readonly sessions: ServerHttp2Session[] = [];
  /** TLS connections, those that carried nothing included. */
  connections = 0;
  onRequest: (request: FakeRequest) => void = ({ stream }) => stream.close();
  readonly #close: () => Promise<void>;

  private constructor(url: string, pki: ClusterPki, close: () => Promise<void>) {
    this.url = url;
    this.pki = pki;
    this.#close = close;
  }

  static async start(options: { ipAddresses?: string[]; http2?: SecureServerOptions } = {}): Promise<FakeServer> {
    const { pki, close } = await testPki();
    const { ipAddresses = ['127.0.0.1'] } = options;
    const serving = pki.issueServing({ commonName: 'kube-apiserver', dnsNames: [], ipAddresses });
    const server = createSecureServer({
      ...options.http2,
      cert: serving.certificatePem,
      key: serving.privateKeyPem.reveal(),
    });
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const fake = new FakeServer(url, pki, async () => {
      for (const session of fake.sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await close();
    });
    server.on('secureConnection', () => fake.connections++);
    server.on('session', (session) => {
      fake.sessions.push(session);
      session.on('error', () => undefined);
    });
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => undefined);
      const session = stream.session as ServerHttp2Session;
      const request = { method: headers[':method'] ?? '', path: headers[':path'] ?? '', headers, stream, session };
      fake.requests.push(request);
      fake.onRequest(request);
    });
    return fake;
  }

  close(): Promise<void> {
    return this.#close();
  }
}

export function answer({ stream }: FakeRequest, status: number, body: unknown): void {
  stream.respond({ ':status': status, 'content-type': 'application/json' });
  stream.end(typeof body === 'string' ? body : JSON.stringify(body));
}
