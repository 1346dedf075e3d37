import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Authenticator } from '../../authn/authenticator.ts';
import { whyUnauthorized } from '../../authn/unauthorized.ts';
import type { Authorizer } from '../../authz/authorizer.ts';
import type { Clock } from '../../lib/clock.ts';
import { CausewayError, isCode, ProtocolError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { PathObserver } from '../../paths/observer.ts';
import type { CertificateSource } from '../../pki/issued-certificate.ts';
import { createTlsListener, type TlsListener, type TlsListenerOptions } from '../../pki/listener.ts';
import { peerIdentity } from '../../pki/peer-identity.ts';
import { PEER_VERIFICATION_HEADER } from '../../pki/peer-verification.ts';
import type { TrustSource } from '../../pki/trust.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { refuseUpgrade, UpgradeRefused } from '../../streaming/upgrade.ts';
import { queryOf } from './command-query.ts';
import { ConnectionEvidenceReporter } from './connection-evidence.ts';
import { CpuRates } from './cpu-rates.ts';
import { plainAnswer } from './http-status.ts';
import { KubeletMetrics } from './kubelet-metrics.ts';
import { type KubeletRoute, parseRoute } from './kubelet-routes.ts';
import {
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  MAX_HEADER_BYTES,
  MAX_STREAMING_SESSIONS,
  REQUEST_TIMEOUT_MS,
} from './limits.ts';
import { answer } from './plain-exchange.ts';
import { servePlain } from './plain-handlers.ts';
import type { PodProvider } from './pod-provider.ts';
import { type Admitted, RequestGuard, verificationOf } from './request-guard.ts';
import { NotRunning, servePortForward, serveRemoteCommand } from './streaming-handlers.ts';

export interface KubeletServerOptions {
  readonly nodeName: string;
  /** The serving certificate, from the cluster CA for the node's name. */
  readonly certificate: CertificateSource;
  /** The kubelet-client CA, and no other: certificates of users and of other components are no identity here. */
  readonly clientCas: TrustSource;
  readonly minVersion?: NonNullable<TlsListenerOptions['minVersion']>;
  /** Client certificates, and bearer tokens by TokenReview. Must not know anonymous users; one that it answers is refused. */
  readonly authenticator: Authenticator;
  /** SubjectAccessReview. */
  readonly authorizer: Authorizer;
  readonly pods: PodProvider;
  readonly runtime: Pick<Runtime, 'exec' | 'attach' | 'portForward' | 'containerStats'>;
  readonly observer: PathObserver;
  readonly log: Log;
  readonly clock: Clock;
  /** An exec, attach or port-forward without traffic ends. Default 4 h. */
  readonly streamingIdleTimeoutMs?: number;
}

export interface KubeletServer {
  /** Port 0 takes a free one. */
  listen(port: number, host: string): Promise<AddressInfo>;
  /** Takes a connection that came through a tunnel. */
  accept(stream: Duplex): void;
  /** Ends every session and connection; waits until their processes are let go. */
  close(): Promise<void>;
  /** For more metrics on `/metrics`. */
  readonly metrics: KubeletMetrics['registry'];
}

/** The kubelet's HTTPS endpoint (HTTP/1.1, since upgrades need it). Every request passes `RequestGuard` before its path means anything. */
export function createKubeletServer(options: KubeletServerOptions): KubeletServer {
  return new Endpoint(options);
}

class Endpoint implements KubeletServer {
  readonly #o: KubeletServerOptions;
  readonly #guard: RequestGuard;
  readonly #evidence: ConnectionEvidenceReporter;
  readonly #metrics: KubeletMetrics;
  readonly #rates = new CpuRates();
  readonly #logs = { open: 0 };
  readonly #http: Server;
  readonly #tls: TlsListener;
  readonly #stopping = new AbortController();
  readonly #sessions = new Set<Promise<void>>();

  constructor(options: KubeletServerOptions) {
    this.#o = options;
    this.#guard = new RequestGuard(options);
    this.#evidence = new ConnectionEvidenceReporter(options.observer, options.nodeName);
    this.#metrics = new KubeletMetrics(options.pods);
    this.#http = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    });
    this.#http.on('request', (request, response) => void this.#onRequest(request, response));
    this.#http.on('upgrade', (request, socket, head) => void this.#onUpgrade(request, socket, head));
    this.#http.on('connect', (_request, socket: Duplex) => refuseUpgrade(socket, 405, 'CONNECT is not served here'));
    this.#tls = createTlsListener({
      certificate: options.certificate,
      clientCas: options.clientCas,
      clock: options.clock,
      protocols: ['http/1.1'],
      ...(options.minVersion === undefined ? {} : { minVersion: options.minVersion }),
      onConnection: (socket) => this.#http.emit('connection', socket),
      onFailure: ({ remoteAddress, reason }) => this.#evidence.failed(remoteAddress, reason),
    });
    // A server of node:http starts to enforce its timeouts when it begins to listen, and this one never does.
    this.#http.emit('listening');
  }

  get metrics(): KubeletMetrics['registry'] {
    return this.#metrics.registry;
  }

  listen(port: number, host: string): Promise<AddressInfo> {
    return this.#tls.listen(port, host);
  }

  accept(stream: Duplex): void {
    this.#tls.accept(stream);
  }

  async close(): Promise<void> {
    this.#tls.stopAccepting();
    this.#stopping.abort(new Error('the kubelet stops'));
    this.#http.close();
    await this.#tls.close();
    await Promise.all(this.#sessions);
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now();
    const path = pathOf(request);
    request.resume();
    let route: KubeletRoute | undefined;
    let user = '';
    const gone = new AbortController();
    response.on('close', () => {
      gone.abort();
      this.#log(request, path, user, response.statusCode);
      this.#metrics.request(request.method ?? '', route?.kind ?? 'other', (performance.now() - began) / 1000);
    });
    try {
      const admitted = await this.#admit(request, false);
      user = admitted.user.username;
      response.setHeader(PEER_VERIFICATION_HEADER, verificationOf(admitted));
      route = parseRoute(path);
      if (route === undefined) throw new CausewayError('NotFound', '404 page not found');
      const end = this.#endSignal(admitted);
      try {
        const signal = AbortSignal.any([gone.signal, end.signal]);
        const query = queryOf(request);
        await servePlain(
          { ...this.#o, metrics: this.#metrics, rates: this.#rates, logs: this.#logs },
          route,
          { method: request.method ?? '', query, nowMs: this.#o.clock.now(), signal },
          response,
        );
      } finally {
        end.cancel();
      }
    } catch (error) {
      this.#report(request, error);
      if (response.headersSent) response.destroy();
      else this.#answerError(response, error);
    }
  }

  async #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const path = pathOf(request);
    const began = performance.now();
    // Node took its own listeners away.
    socket.on('error', () => undefined);
    let user = '';
    let kind = 'other';
    try {
      const admitted = await this.#admit(request, true);
      user = admitted.user.username;
      const route = parseRoute(path);
      if (route?.kind !== 'exec' && route?.kind !== 'attach' && route?.kind !== 'portForward') {
        throw route === undefined
          ? new CausewayError('NotFound', '404 page not found')
          : new CausewayError('BadRequest', 'this path takes no upgrade');
      }
      kind = route.kind;
      if (this.#sessions.size >= MAX_STREAMING_SESSIONS) {
        throw new CausewayError('TooManyRequests', `more than ${MAX_STREAMING_SESSIONS} streaming sessions`);
      }
      this.#log(request, path, user, 101);
      await this.#track(route.kind, this.#serveUpgrade(route, admitted, { request, socket, head }));
    } catch (error) {
      if (error instanceof UpgradeRefused) {
        this.#log(request, path, user, error.status);
        return;
      }
      this.#report(request, error);
      const { status, body } = plainAnswer(error);
      this.#log(request, path, user, status);
      if (socket.writable) refuseUpgrade(socket, status, body);
    } finally {
      this.#metrics.request(request.method ?? '', kind, (performance.now() - began) / 1000);
    }
  }

  async #serveUpgrade(
    route: KubeletRoute & { readonly kind: 'exec' | 'attach' | 'portForward' },
    admitted: Admitted,
    upgrade: { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
  ): Promise<void> {
    const { streamingIdleTimeoutMs: idleTimeoutMs } = this.#o;
    const dependencies = { ...this.#o, ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }) };
    const end = this.#endSignal(admitted);
    try {
      const { method, url, headers } = upgrade.request;
      const answerHeaders = { [PEER_VERIFICATION_HEADER]: verificationOf(admitted) };
      const whole = { ...upgrade, request: { method, url, headers, answerHeaders }, endSignal: end.signal };
      if (route.kind === 'portForward') await servePortForward(dependencies, route, whole);
      else await serveRemoteCommand(dependencies, route, whole);
    } finally {
      end.cancel();
    }
  }

  /** Throws `Unauthorized` or `Forbidden`; either is evidence on the path. */
  async #admit(request: IncomingMessage, upgrade: boolean): Promise<Admitted> {
    const peer = peerIdentity(request.socket);
    const path = pathOf(request);
    const method = request.method ?? '';
    try {
      const admitted = await this.#guard.admit({
        method,
        path,
        upgrade,
        authorization: request.headers.authorization,
        peer,
      });
      this.#evidence.admitted(request.socket, peer, admitted.user.username, admitted.method);
      return admitted;
    } catch (error) {
      this.#evidence.failed(peer.remoteAddress, peer.invalidReason ?? refusalReason(error));
      throw error;
    }
  }

  /** Aborts when the node stops or the credential ends. */
  #endSignal({ expiresAt }: Admitted): { readonly signal: AbortSignal; cancel(): void } {
    const end = new AbortController();
    const stop = (): void => end.abort(this.#stopping.signal.reason);
    this.#stopping.signal.addEventListener('abort', stop, { once: true });
    if (this.#stopping.signal.aborted) stop();
    const left = expiresAt === undefined ? undefined : expiresAt - this.#o.clock.now();
    // A longer wait overflows Node's timers; nothing is open for 24 days.
    const timer =
      left === undefined || left >= 2 ** 31
        ? undefined
        : setTimeout(() => end.abort(new Error("the client's credential ended")), left).unref();
    return {
      signal: end.signal,
      cancel: () => {
        clearTimeout(timer);
        this.#stopping.signal.removeEventListener('abort', stop);
      },
    };
  }

  async #track(kind: 'exec' | 'attach' | 'portForward', session: Promise<void>): Promise<void> {
    const ended = this.#metrics.session(kind);
    const settled = session.then(
      () => undefined,
      () => undefined,
    );
    this.#sessions.add(settled);
    try {
      await session;
    } finally {
      this.#sessions.delete(settled);
      ended();
    }
  }

  #answerError(response: ServerResponse, error: unknown): void {
    const { status, body } = plainAnswer(error);
    if (status === 401) response.setHeader('www-authenticate', 'Bearer');
    answer(response, status, 'text/plain; charset=utf-8', body);
  }

  #report(request: IncomingMessage, error: unknown): void {
    if (error instanceof NotRunning || (error instanceof CausewayError && !isCode(error, 'InternalError'))) return;
    // What a client breaks is told in debug only: else it could fill the log.
    const level = isPeersFault(error) ? 'debug' : 'error';
    this.#o.log[level]('a request failed', { method: request.method, error: String(error) });
  }

  /** Without the query: an exec's command line stands there. */
  #log(request: IncomingMessage, path: string, user: string, status: number): void {
    this.#o.log.debug('request', { method: request.method, path, user, status });
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? '';
}

function isPeersFault(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return error instanceof ProtocolError || code === 'ECONNRESET' || code === 'EPIPE';
}

function refusalReason(error: unknown): string {
  if (isCode(error, 'Unauthorized')) return `unauthorized: ${whyUnauthorized(error)}`;
  return isCode(error, 'Forbidden') ? error.message.trim() : 'the request could not be judged';
}
