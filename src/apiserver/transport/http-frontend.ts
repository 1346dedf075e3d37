import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { constants, performServerHandshake, type ServerHttp2Session, type ServerOptions } from 'node:http2';
import type { Duplex } from 'node:stream';
import { limits } from '../limits.ts';
import type { Connection, Exchange, ExchangeHandler } from './exchange.ts';
import { Http1Exchange } from './http1-exchange.ts';
import { Http2Exchange } from './http2-exchange.ts';

const http2Options: ServerOptions & { streamResetBurst: number; streamResetRate: number } = {
  maxSessionMemory: limits.maxSessionMemoryMiB,
  maxHeaderListPairs: limits.maxHeaderPairs,
  maxSessionInvalidFrames: limits.maxInvalidFrames,
  streamResetBurst: limits.streamResetBurst,
  streamResetRate: limits.streamResetRate,
  settings: {
    maxConcurrentStreams: limits.maxConcurrentStreams,
    maxHeaderListSize: limits.maxHeaderBytes,
    initialWindowSize: limits.streamWindowBytes,
    enablePush: false,
  },
};

/** Requests that start together. */
const MAX_TOGETHER = 16;

/** What the two sides of a session share: how much is under way on it. */
interface SessionState {
  open: number;
  lastUsed: number;
  resets: number;
  resetsSince: number;
}

const brokenStatus = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const status = brokenStatus.get(error.code ?? '') ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  socket.removeAllListeners('data');
  socket.resume();
  setTimeout(() => socket.destroy(), limits.lingerMs).unref();
}

/** RFC 9112 §3.2. Node asks for one itself, takes several, and goes on with what follows the request that it refused. */
function hasOneHost({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === 'host') hosts++;
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
}

/**
 * Turns connections that are already verified into exchanges. It owns no port: a TLS listener gives it the sockets, and a plain
 * listener can do the same.
 */
export class HttpFrontend {
  readonly #handler: ExchangeHandler;
  readonly #http1: Server;
  readonly #connections = new WeakMap<object, Connection>();
  readonly #sessions = new Map<ServerHttp2Session, SessionState>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #arrived: Exchange[] = [];
  #starting = false;
  #draining = false;

  constructor(
    handler: ExchangeHandler,
    timeouts: { readonly headersMs: number } = { headersMs: limits.headersTimeoutMs },
  ) {
    this.#handler = handler;
    this.#http1 = createServer({
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: timeouts.headersMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.idleTimeoutMs,
      requireHostHeader: false,
      connectionsCheckingInterval: Math.min(2_000, timeouts.headersMs),
      noDelay: true,
    });
    this.#http1.on('request', (request, response) => this.#serveHttp1(request, response));
    this.#http1.on('upgrade', (request, socket, head) => this.#serveUpgrade(request, socket, head));
    this.#http1.on('clientError', refuseBroken);
    // Node starts the watch over slow headers when the server listens; ours never does.
    this.#http1.emit('listening');
    this.#sweeper = setInterval(() => this.#closeIdleSessions(), 5_000);
    this.#sweeper.unref();
  }

  /** Takes a connection over. `connection` says what its handshake proved. */
  accept(socket: Duplex, protocol: 'h2' | 'http/1.1', connection: Connection): void {
    if (this.#draining) {
      socket.destroy();
      return;
    }
    if (protocol === 'h2') this.#acceptHttp2(socket, connection);
    else {
      this.#connections.set(socket, connection);
      this.#http1.emit('connection', socket);
    }
  }

  #acceptHttp2(socket: Duplex, connection: Connection): void {
    const session = performServerHandshake(socket, http2Options);
    const state: SessionState = { open: 0, lastUsed: Date.now(), resets: 0, resetsSince: Date.now() };
    this.#sessions.set(session, state);
    session.setLocalWindowSize(limits.connectionWindowBytes);
    session.on('error', () => session.destroy());
    session.on('close', () => this.#sessions.delete(session));
    session.on('stream', (stream, headers, _flags, rawHeaders) => {
      state.open++;
      stream.once('close', () => {
        state.open--;
        state.lastUsed = Date.now();
        if (stream.rstCode === constants.NGHTTP2_CANCEL) this.#countReset(session, state);
      });
      this.#start(new Http2Exchange(stream, headers, rawHeaders as unknown as readonly string[], connection));
    });
  }

  /** nghttp2 has such a limit of its own from Node 24 on; this one holds whatever the library does. */
  #countReset(session: ServerHttp2Session, state: SessionState): void {
    const now = Date.now();
    const allowed = limits.streamResetBurst + ((now - state.resetsSince) / 1000) * limits.streamResetRate;
    if (now - state.resetsSince > 60_000) {
      state.resets = 0;
      state.resetsSince = now;
    }
    state.resets++;
    if (state.resets > allowed) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #closeIdleSessions(): void {
    const now = Date.now();
    for (const [session, state] of this.#sessions) {
      if (state.open === 0 && now - state.lastUsed > limits.idleTimeoutMs) session.close();
    }
  }

  #serveHttp1(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    if (!hasOneHost(request)) {
      // What follows on this connection is not looked at.
      this.#connections.delete(socket);
      refuseBroken(new Error('not exactly one Host'), socket);
      return;
    }
    this.#start(new Http1Exchange(request, response, connection));
  }

  /**
   * Requests that come close to each other start together. Their promises then take each step of the chain one after the other, and the code of a
   * step is in the processor's caches for all but the first: a POST of a pod costs a third less.
   */
  #start(exchange: Exchange): void {
    this.#arrived.push(exchange);
    if (!this.#starting) this.#startSoon();
  }

  /** Two turns later: the first takes what is there to read, the second what came meanwhile, and a commit that is ready gets on its way. */
  #startSoon(): void {
    this.#starting = true;
    setImmediate(() => setImmediate(() => this.#startSome()));
  }

  #startSome(): void {
    const some = this.#arrived.splice(0, MAX_TOGETHER);
    this.#starting = false;
    if (this.#arrived.length > 0) this.#startSoon();
    for (const exchange of some) void this.#handler(exchange);
  }

  #serveUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined || !hasOneHost(request)) {
      this.#connections.delete(socket);
      refuseBroken(new Error('not exactly one Host'), socket);
      return;
    }
    socket.on('error', () => socket.destroy());
    const response = new ServerResponse(request);
    response.assignSocket(socket as never);
    response.on('finish', () => socket.end());
    void this.#handler(new Http1Exchange(request, response, connection, { socket, head }));
  }

  /** Requests that came and have not started. */
  get waiting(): number {
    return this.#arrived.length;
  }

  /** No new requests; those under way may finish. Connections without one end at once. */
  drain(): void {
    this.#draining = true;
    for (const session of this.#sessions.keys()) session.close();
    this.#http1.closeIdleConnections();
  }

  /** Ends everything. */
  close(): void {
    this.#draining = true;
    clearInterval(this.#sweeper);
    for (const session of this.#sessions.keys()) session.destroy();
    this.#http1.closeAllConnections();
    this.#http1.close();
  }
}
