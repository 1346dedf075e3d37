import { type ClientHttp2Session, connect } from 'node:http2';
import type { ConnectionOptions } from 'node:tls';
import type { ApiAnswer, ApiRequest } from './api-client.ts';

/** An HTTP/2 client of the apiserver: the same questions as `ApiClient`, over one connection. */
export class Http2Client {
  readonly session: ClientHttp2Session;

  constructor(port: number, tls: ConnectionOptions) {
    this.session = connect(`https://127.0.0.1:${port}`, { ...tls, ALPNProtocols: ['h2'], maxSessionMemory: 200 });
    this.session.on('error', () => undefined);
  }

  send(path: string, options: ApiRequest = {}): Promise<ApiAnswer> {
    const { body } = options;
    const plain = typeof body === 'string' || body instanceof Uint8Array;
    const bytes = body === undefined || plain ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const stream = this.session.request(
        {
          ':method': options.method ?? (bytes === undefined ? 'GET' : 'POST'),
          ':path': path,
          ...(bytes === undefined ? {} : { 'content-type': 'application/json' }),
          ...options.headers,
        },
        { endStream: bytes === undefined },
      );
      const chunks: Buffer[] = [];
      let headers: NodeJS.Dict<string | string[]> = {};
      let status = 0;
      stream.on('response', (received) => {
        status = received[':status'] ?? 0;
        headers = received as NodeJS.Dict<string | string[]>;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', (error) => {
        // The server may stop reading a body that it has refused.
        if (status === 0) reject(error);
      });
      stream.on('close', () => {
        const text = Buffer.concat(chunks).toString();
        let json: unknown;
        try {
          json = JSON.parse(text);
        } catch {
          // It is no JSON.
        }
        if (status === 0) reject(new Error(`no answer to ${path}`));
        else resolve({ status, headers, text, json });
      });
      stream.setTimeout(20_000, () => stream.destroy(new Error(`no answer to ${path} in 20 s`)));
      if (bytes !== undefined) stream.end(bytes);
    });
  }

  close(): void {
    this.session.destroy();
  }
}
