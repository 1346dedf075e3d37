import assert from 'node:assert/strict';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { clientTls } from '../../pki/client-tls.ts';
import { fixedCertificate, type IssuedCertificate } from '../../pki/issued-certificate.ts';
import { fixedTrust } from '../../pki/trust.ts';

export interface TestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly json: any;
}

/** What a refusal says. */
export function brief(answer: TestAnswer): unknown[] {
  return [answer.status, answer.json.reason, answer.json.message];
}

/** A bare HTTP/2 client that verifies the server. */
export class TestClient {
  readonly #session: ClientHttp2Session;
  readonly #token: string | undefined;

  constructor(port: number, caPem: string, identity: IssuedCertificate | undefined, token: string | undefined) {
    this.#token = token;
    const tls = clientTls({
      ca: fixedTrust([caPem]),
      ...(identity === undefined ? {} : { identity: fixedCertificate(identity) }),
      server: { name: '127.0.0.1' },
      alpnProtocols: ['h2'],
    });
    this.#session = connectHttp2(`https://127.0.0.1:${port}`, {
      createConnection: () => connectTls({ ...tls, host: '127.0.0.1', port }) as never,
    });
    this.#session.on('error', () => undefined);
  }

  /** A POST that must succeed; answers the object. */
  async created(path: string, body: object): Promise<TestAnswer['json']> {
    const answer = await this.post(path, body);
    assert.equal(answer.status, 201, answer.text);
    return answer.json;
  }

  /** A POST whose body never ends. */
  dribble(path: string): Promise<TestAnswer> {
    return this.#send({ ':method': 'POST', ':path': path, 'content-type': 'application/json' }, (stream) => {
      const timer = setInterval(() => stream.writable && stream.write(' '), 20);
      stream.on('close', () => clearInterval(timer));
    });
  }

  request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<TestAnswer> {
    const bytes =
      body === undefined || Buffer.isBuffer(body)
        ? body
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    return this.#send(
      {
        ':method': method,
        ':path': path,
        ...(bytes === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      bytes === undefined ? undefined : (stream) => stream.end(bytes),
    );
  }

  #send(headers: Record<string, string>, write?: (stream: ClientHttp2Stream) => void): Promise<TestAnswer> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request(
        { ...headers, ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }), ...headers },
        { endStream: write === undefined },
      );
      let answered: TestAnswer['headers'] = {};
      let status = 0;
      const chunks: Buffer[] = [];
      stream.on('response', (h) => {
        status = Number(h[':status']);
        answered = h as TestAnswer['headers'];
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', (error) => (status === 0 ? reject(error) : undefined));
      stream.on('close', () => {
        if (status === 0) {
          reject(new Error(`no answer to ${headers[':method']} ${headers[':path']}`));
          return;
        }
        const all = Buffer.concat(chunks);
        const text = all.toString();
        resolve({
          status,
          headers: answered,
          bytes: all,
          text,
          get json() {
            return JSON.parse(text);
          },
        });
      });
      write?.(stream);
    });
  }

  get(path: string, headers?: Record<string, string>): Promise<TestAnswer> {
    return this.request('GET', path, undefined, headers);
  }

  post(path: string, body: unknown, headers?: Record<string, string>): Promise<TestAnswer> {
    return this.request('POST', path, body, headers);
  }

  put(path: string, body: unknown, headers?: Record<string, string>): Promise<TestAnswer> {
    return this.request('PUT', path, body, headers);
  }

  patch(path: string, body: unknown, type = 'application/merge-patch+json'): Promise<TestAnswer> {
    return this.request('PATCH', path, body, { 'content-type': type });
  }

  delete(path: string, body?: unknown): Promise<TestAnswer> {
    return this.request('DELETE', path, body);
  }

  /** A watch: its events as they come. `stop` ends it. */
  watch(path: string, headers: Record<string, string> = {}): TestWatch {
    const stream = this.#session.request({
      ':path': path,
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      ...headers,
    });
    return new TestWatch(stream);
  }

  close(): void {
    this.#session.destroy();
  }
}

export class TestWatch {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into events of any shape
  readonly events: any[] = [];
  readonly status: Promise<number>;
  readonly ended: Promise<void>;
  readonly #stream: ReturnType<ClientHttp2Session['request']>;
  #changed: () => void = () => undefined;

  constructor(stream: ReturnType<ClientHttp2Session['request']>) {
    this.#stream = stream;
    let rest = '';
    stream.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.events.push(JSON.parse(line));
      this.#changed();
    });
    stream.on('error', () => undefined);
    this.status = new Promise((resolve) => stream.on('response', (h) => resolve(Number(h[':status']))));
    this.ended = new Promise((resolve) => stream.on('close', () => resolve()));
  }

  /** Waits until there are `count` events. */
  async until(count: number): Promise<void> {
    const end = Date.now() + 5_000;
    while (this.events.length < count) {
      if (Date.now() > end) throw new Error(`${this.events.length} events instead of ${count}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  stop(): void {
    this.#stream.close();
  }

  /** Stops reading. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }
}
