import type { X509Certificate } from 'node:crypto';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { CausewayError } from '../lib/errors.ts';
import type { ClientCredentials } from './credentials.ts';
import { exchange, NotSentError, type RawRequest, type RawResponse } from './exchange.ts';
import { limits } from './limits.ts';

/** What a `ServiceUnavailable` is caused by when the server was reached and not verified: with the certificate that it showed. */
export interface FailedHandshake extends Error {
  readonly peerCertificate?: X509Certificate;
}

/** One session, from the moment that it is dialled, and what is under way on it. */
interface Lane {
  readonly opening: Promise<ClientHttp2Session>;
  session: ClientHttp2Session | undefined;
  /** How many streams the server allows. */
  capacity: number;
  streams: number;
}

/**
 * HTTP/2 to an apiserver: one session for everything, opened when first needed and again after it broke, and a second one only
 * when the server allows no more streams on the first. The server is verified by the credentials' CA and name before a byte of
 * a request is sent.
 */
export class Connection {
  readonly #origin: URL;
  readonly #credentials: ClientCredentials;
  readonly #stopRenewals: (() => void) | undefined;
  /** That take new requests. */
  readonly #lanes = new Set<Lane>();
  /** All that are open, those included that only finish what they have. */
  readonly #open = new Set<Lane>();
  readonly #dialing = new Set<TLSSocket>();
  #closed = false;

  constructor(server: string, credentials: ClientCredentials) {
    this.#origin = new URL(server);
    if (this.#origin.protocol !== 'https:') {
      throw new CausewayError('BadRequest', `${server}: a server's address starts with https://`);
    }
    this.#credentials = credentials;
    this.#stopRenewals = credentials.onRenewed?.(() => this.#retireAll());
  }

  /**
   * Resolves with the head of the answer. Rejects with the signal's reason, `Timeout`, or `ServiceUnavailable` when the server
   * cannot be reached or verified, or goes away before it answers.
   */
  async request(request: RawRequest): Promise<RawResponse> {
    for (let attempt = 0; ; attempt++) {
      request.signal?.throwIfAborted();
      const lane = this.#pick();
      lane.streams++;
      let released = false;
      const release = (): void => {
        if (released) return;
        released = true;
        lane.streams--;
        if (!this.#lanes.has(lane) && lane.streams === 0) lane.session?.close();
      };
      try {
        const token = this.#credentials.bearerToken?.();
        return await exchange(lane.opening, request, token, this.#origin.host, release);
      } catch (error) {
        release();
        // The server was about to close this session: it says itself that it did nothing with the request.
        if (!(error instanceof NotSentError)) throw error;
        this.#retire(lane);
        if (attempt >= limits.maxResends || this.#closed) throw error.asUnavailable();
      }
    }
  }

  /** Ends every session and every stream on it. */
  close(): void {
    this.#closed = true;
    this.#stopRenewals?.();
    for (const lane of this.#open) {
      lane.opening.then(
        (session) => session.destroy(),
        () => undefined,
      );
    }
    for (const socket of this.#dialing) socket.destroy(new Error('the client is closed'));
    this.#lanes.clear();
    this.#open.clear();
  }

  /** New requests take a new session; the old ones end when their streams have. */
  #retireAll(): void {
    for (const lane of [...this.#lanes]) this.#retire(lane);
  }

  #retire(lane: Lane): void {
    this.#lanes.delete(lane);
    if (lane.streams === 0) lane.session?.close();
  }

  #pick(): Lane {
    if (this.#closed) throw new CausewayError('ServiceUnavailable', 'the client is closed');
    for (const lane of this.#lanes) if (lane.streams < lane.capacity) return lane;
    const lane: Lane = {
      opening: this.#connect(),
      session: undefined,
      capacity: limits.assumedStreams,
      streams: 0,
    };
    this.#lanes.add(lane);
    this.#open.add(lane);
    const gone = (): void => {
      this.#lanes.delete(lane);
      this.#open.delete(lane);
    };
    lane.opening.then((session) => {
      lane.session = session;
      session.once('close', gone);
      session.once('goaway', () => this.#lanes.delete(lane));
      session.on('remoteSettings', ({ maxConcurrentStreams }) => {
        if (maxConcurrentStreams !== undefined) lane.capacity = maxConcurrentStreams;
      });
      if (!this.#lanes.has(lane) && lane.streams === 0) session.close();
    }, gone);
    return lane;
  }

  async #connect(): Promise<ClientHttp2Session> {
    const socket = await this.#connectTls();
    if (this.#closed) {
      socket.destroy();
      throw new CausewayError('ServiceUnavailable', 'the client is closed');
    }
    this.#credentials.connected?.(socket);
    const session = connectHttp2(this.#origin, {
      createConnection: () => socket,
      settings: { initialWindowSize: limits.streamWindowBytes, enablePush: false },
    });
    // Its streams are told as well, and their requests with them.
    session.on('error', () => undefined);
    session.once('connect', () => session.setLocalWindowSize(limits.connectionWindowBytes));
    watchLiveness(session);
    return session;
  }

  #connectTls(): Promise<TLSSocket> {
    const port = this.#origin.port === '' ? 443 : Number(this.#origin.port);
    const host = this.#origin.hostname.replace(/^\[|\]$/g, '');
    return new Promise((resolve, reject) => {
      const socket = connectTls({ host, port, ALPNProtocols: ['h2'], ...this.#credentials.tls() });
      this.#dialing.add(socket);
      const timer = setTimeout(() => fail(new Error('no answer to the handshake in time')), limits.connectMs);
      const settled = (): void => {
        clearTimeout(timer);
        this.#dialing.delete(socket);
      };
      let peerCertificate: X509Certificate | undefined;
      // Before Node verifies: afterwards the connection is gone, and the certificate with it.
      socket.prependOnceListener('secure', () => {
        peerCertificate = socket.getPeerX509Certificate();
      });
      const fail = (cause: FailedHandshake): void => {
        settled();
        if (peerCertificate !== undefined) Object.assign(cause, { peerCertificate });
        socket.destroy();
        reject(new CausewayError('ServiceUnavailable', `${this.#origin.host}: ${cause.message}`, { cause }));
      };
      socket.on('error', fail);
      socket.once('secureConnect', () => {
        if (!socket.authorized) return fail(socket.authorizationError ?? new Error('the server is not verified'));
        if (socket.alpnProtocol !== 'h2') return fail(new Error('the server does not speak HTTP/2'));
        settled();
        socket.setNoDelay(true);
        resolve(socket);
      });
    });
  }
}

/** Destroys a session whose peer does not answer a ping in time, so that watches notice a dead path. */
function watchLiveness(session: ClientHttp2Session): void {
  let late: NodeJS.Timeout | undefined;
  const timer = setInterval(() => {
    if (session.destroyed || late !== undefined) return;
    late = setTimeout(() => session.destroy(new Error('the server does not answer')), limits.pingTimeoutMs);
    late.unref();
    const answered = (): void => {
      clearTimeout(late);
      late = undefined;
    };
    if (!session.ping(answered)) answered();
  }, limits.pingIntervalMs);
  timer.unref();
  session.once('close', () => {
    clearInterval(timer);
    clearTimeout(late);
  });
}
