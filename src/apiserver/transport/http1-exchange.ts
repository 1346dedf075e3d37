import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { limits } from '../limits.ts';
import { readBody } from './body-reader.ts';
import { drained } from './drained.ts';
import type { BodyWriter, Connection, Exchange, ResponseHeaders, Upgrade } from './exchange.ts';

const ignore = (): void => undefined;

/** An HTTP/1.1 request as an `Exchange`. */
export class Http1Exchange implements Exchange {
  readonly httpVersion = '1.1';
  readonly method: string;
  readonly target: string;
  readonly connection: Connection;
  readonly extraHeaders: ResponseHeaders = {};
  readonly upgrade: Upgrade | undefined;
  status = 0;
  sentBytes = 0;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #abort: AbortController | undefined;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    connection: Connection,
    upgraded?: { readonly socket: Duplex; readonly head: Buffer },
  ) {
    this.#request = request;
    this.#response = response;
    this.connection = connection;
    this.method = request.method ?? '';
    this.target = request.url ?? '';
    request.on('error', ignore);
    response.on('error', ignore);
    this.upgrade =
      upgraded === undefined
        ? undefined
        : {
            protocol: request.headers.upgrade ?? '',
            takeOver: () => {
              this.status = 101;
              response.detachSocket(upgraded.socket as never);
              return upgraded;
            },
          };
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  get rawHeaders(): readonly string[] {
    return this.#request.rawHeaders;
  }

  body(maxBytes: number): Promise<Buffer> {
    return readBody(this.#request, this.header('content-length'), maxBytes);
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.#response.destroyed || this.#response.writableFinished) abort.abort();
      else this.#response.once('close', () => abort.abort());
    }
    return this.#abort.signal;
  }

  #start(status: number, headers: ResponseHeaders, length: number | undefined): boolean {
    const response = this.#response;
    if (response.headersSent) return false;
    this.status = status;
    if (response.destroyed) return false;
    const all: ResponseHeaders = { ...headers, ...this.extraHeaders };
    if (length !== undefined) all['content-length'] = String(length);
    // A body that was not read must not be taken for the next request; and no request follows one that asked to upgrade.
    if (this.upgrade !== undefined || this.#unread()) all['connection'] = 'close';
    response.writeHead(status, all as unknown as Record<string, string>);
    return true;
  }

  /** Whether a part of the body is still to come. */
  #unread(): boolean {
    const { headers, complete } = this.#request;
    const bodiless = headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';
    return !complete && !bodiless;
  }

  respond(status: number, headers: ResponseHeaders, ...body: readonly Uint8Array[]): void {
    const length = body.reduce((sum, piece) => sum + piece.length, 0);
    const unread = this.upgrade === undefined && this.#unread();
    if (!this.#start(status, headers, length)) return;
    if (this.method !== 'HEAD') {
      this.sentBytes += length;
      for (const piece of unread ? body : body.slice(0, -1)) this.#response.write(piece);
    }
    if (unread) this.#endAfterBody();
    else this.#response.end(this.method === 'HEAD' ? undefined : body.at(-1));
  }

  /** The answer is whole; closing under a client that still sends would take it away before it is read (RFC 9112 §9.6). */
  #endAfterBody(): void {
    const end = (): void => {
      clearTimeout(timer);
      this.#response.end();
    };
    const timer = setTimeout(end, limits.lingerMs);
    timer.unref();
    this.#request.once('end', end).once('close', end).resume();
  }

  stream(status: number, headers: ResponseHeaders): BodyWriter {
    if (this.#start(status, headers, undefined)) this.#response.flushHeaders();
    return new Http1BodyWriter(this.#response, this);
  }

  destroy(): void {
    this.#response.destroy();
    this.#request.destroy();
  }
}

class Http1BodyWriter implements BodyWriter {
  readonly #response: ServerResponse;
  readonly #exchange: Http1Exchange;

  constructor(response: ServerResponse, exchange: Http1Exchange) {
    this.#response = response;
    this.#exchange = exchange;
  }

  get backlog(): number {
    return this.#response.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#response.destroyed || this.#exchange.method === 'HEAD') return true;
    this.#exchange.sentBytes += bytes.length;
    return this.#response.write(bytes);
  }

  drained(signal: AbortSignal): Promise<void> {
    return drained(this.#response, signal);
  }

  end(): void {
    this.#response.end();
  }

  abort(): void {
    this.#exchange.destroy();
  }
}
