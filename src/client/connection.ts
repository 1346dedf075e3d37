import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { CausewayError } from '../lib/errors.ts';
import type { ClientCredentials } from './credentials.ts';

/** How long a TCP and TLS handshake may take. */
const CONNECT_TIMEOUT_MS = 10_000;
/** A silent peer is noticed by a ping that is not answered: the first is sent after this time. */
const PING_INTERVAL_MS = 15_000;
const PING_TIMEOUT_MS = 10_000;
/** RFC 9113 §6.9.2: the window for one stream; large enough that one watch or log stream is never window-bound on a LAN. */
const STREAM_WINDOW_BYTES = 1 << 20;

export interface RawRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Must be read to its end or destroyed. */
  readonly stream: ClientHttp2Stream;
}

/**
 * One HTTP/2 connection to an apiserver, opened when first needed and again after it broke. The server is verified by the
 * credentials' CA and name before a byte of a request is sent.
 */
export class Connection {
  readonly #origin: URL;
  readonly #credentials: ClientCredentials;
  readonly #stopRenewals: (() => void) | undefined;
  #session: Promise<ClientHttp2Session> | undefined;
  #closed = false;

  constructor(server: string, credentials: ClientCredentials) {
    this.#origin = new URL(server);
    if (this.#origin.protocol !== 'https:') {
      throw new CausewayError('BadRequest', `${server}: a server's address starts with https://`);
    }
    this.#credentials = credentials;
    this.#stopRenewals = credentials.onRenewed?.(() => this.#retire());
  }

  async request(request: RawRequest): Promise<RawResponse> {
    request.signal?.throwIfAborted();
    const session = await this.#open();
    const token = this.#credentials.bearerToken?.();
    const stream = session.request(
      {
        [constants.HTTP2_HEADER_METHOD]: request.method,
        [constants.HTTP2_HEADER_PATH]: request.path,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...request.headers,
      },
      { endStream: request.body === undefined },
    );
    return new Promise((resolve, reject) => {
      const abort = (): void => stream.close(constants.NGHTTP2_CANCEL);
      request.signal?.addEventListener('abort', abort, { once: true });
      stream.once('close', () => {
        request.signal?.removeEventListener('abort', abort);
        reject(
          request.signal?.aborted === true
            ? request.signal.reason
            : new CausewayError('ServiceUnavailable', `${this.#origin.host}: the connection ended before the answer`),
        );
      });
      // An error after the answer reaches the reader as a short body; the listener only keeps it from being thrown.
      stream.on('error', (cause) =>
        reject(new CausewayError('ServiceUnavailable', `${this.#origin.host}: ${cause.message}`, { cause })),
      );
      stream.once('response', (headers) => {
        resolve({ status: Number(headers[':status']), headers, stream });
      });
      if (request.body !== undefined) stream.end(request.body);
    });
  }

  /** Ends the connection and every stream on it. */
  close(): void {
    this.#closed = true;
    this.#stopRenewals?.();
    const session = this.#session;
    this.#session = undefined;
    session?.then(
      (s) => s.destroy(),
      () => undefined,
    );
  }

  /** New requests take a new connection; the old one ends when its streams have. */
  #retire(): void {
    const session = this.#session;
    this.#session = undefined;
    session?.then(
      (s) => s.close(),
      () => undefined,
    );
  }

  #open(): Promise<ClientHttp2Session> {
    if (this.#closed) throw new CausewayError('ServiceUnavailable', 'the client is closed');
    if (this.#session === undefined) {
      const opening = this.#connect();
      this.#session = opening;
      const forget = (): void => {
        if (this.#session === opening) this.#session = undefined;
      };
      opening.then((session) => {
        session.once('close', forget);
        session.once('goaway', forget);
        session.on('error', forget);
      }, forget);
    }
    return this.#session;
  }

  async #connect(): Promise<ClientHttp2Session> {
    const socket = await this.#connectTls();
    this.#credentials.connected?.(socket);
    const session = connectHttp2(this.#origin, {
      createConnection: () => socket,
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    });
    session.setLocalWindowSize?.(STREAM_WINDOW_BYTES * 16);
    watchLiveness(session);
    return session;
  }

  #connectTls(): Promise<TLSSocket> {
    const port = this.#origin.port === '' ? 443 : Number(this.#origin.port);
    const host = this.#origin.hostname.replace(/^\[|\]$/g, '');
    return new Promise((resolve, reject) => {
      const socket = connectTls({ host, port, ALPNProtocols: ['h2'], ...this.#credentials.tls() });
      const fail = (cause: Error): void => {
        socket.destroy();
        reject(new CausewayError('ServiceUnavailable', `${this.#origin.host}: ${cause.message}`, { cause }));
      };
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => fail(new Error('no answer to the handshake in time')));
      socket.once('error', fail);
      socket.once('secureConnect', () => {
        if (!socket.authorized) return fail(socket.authorizationError ?? new Error('the server is not verified'));
        if (socket.alpnProtocol !== 'h2') return fail(new Error('the server does not speak HTTP/2'));
        socket.setTimeout(0);
        socket.setNoDelay(true);
        socket.off('error', fail);
        resolve(socket);
      });
    });
  }
}

/** Destroys a session whose peer does not answer a ping in time, so that watches notice a dead path. */
function watchLiveness(session: ClientHttp2Session): void {
  const timer = setInterval(() => {
    if (session.destroyed) return;
    const late = setTimeout(() => session.destroy(new Error('the server does not answer')), PING_TIMEOUT_MS);
    late.unref();
    if (!session.ping(() => clearTimeout(late))) clearTimeout(late);
  }, PING_INTERVAL_MS);
  timer.unref();
  session.once('close', () => clearInterval(timer));
}
