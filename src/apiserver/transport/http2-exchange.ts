import { constants, type IncomingHttpHeaders, type ServerHttp2Stream, sensitiveHeaders } from 'node:http2';
import { readBody } from './body-reader.ts';
import { drained } from './drained.ts';
import type { BodyWriter, Connection, Exchange, ResponseHeaders, Upgrade } from './exchange.ts';

const ignore = (): void => undefined;

/** Different in each answer: in the compression table of the connection (RFC 7541 §2.3.2) it would only push out what comes again. */
const unindexed = { [sensitiveHeaders]: ['audit-id'] };

/** An HTTP/2 stream as an `Exchange`. The stream API is used throughout: the compatibility API costs a third of the speed. */
export class Http2Exchange implements Exchange {
  readonly httpVersion = '2.0';
  readonly method: string;
  readonly target: string;
  readonly connection: Connection;
  readonly extraHeaders: ResponseHeaders = {};
  readonly upgrade: Upgrade | undefined = undefined;
  status = 0;
  sentBytes = 0;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  #abort: AbortController | undefined;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
    connection: Connection,
  ) {
    this.#stream = stream;
    this.#headers = headers;
    this.rawHeaders = rawHeaders;
    this.connection = connection;
    this.method = headers[':method'] ?? '';
    this.target = headers[':path'] ?? '';
    stream.on('error', ignore);
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  body(maxBytes: number): Promise<Buffer> {
    return readBody(this.#stream, this.header('content-length'), maxBytes);
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.#stream.closed || this.#stream.destroyed) abort.abort();
      else this.#stream.once('close', () => abort.abort());
    }
    return this.#abort.signal;
  }

  #start(status: number, headers: ResponseHeaders, length: number | undefined, endStream: boolean): boolean {
    const stream = this.#stream;
    if (stream.headersSent) return false;
    this.status = status;
    if (stream.destroyed || stream.closed) return false;
    // A flat list, as node:http2 wants it in the end: it spares each answer three copies of its headers.
    const lines = [':status', String(status)];
    for (const name in headers) {
      if (name in this.extraHeaders || (name === 'content-length' && length !== undefined)) continue;
      lines.push(name, headers[name] as string);
    }
    for (const name in this.extraHeaders) lines.push(name, this.extraHeaders[name] as string);
    if (length !== undefined) lines.push('content-length', String(length));
    stream.respond(Object.assign(lines, unindexed), { endStream });
    return true;
  }

  respond(status: number, headers: ResponseHeaders, ...body: readonly Uint8Array[]): void {
    const bodiless = body.length === 0 || this.method === 'HEAD';
    const length = body.length === 0 ? undefined : lengthOf(body);
    if (!this.#start(status, headers, length, bodiless)) return;
    if (!bodiless) {
      const last = body.length - 1;
      for (const [i, piece] of body.entries()) {
        this.sentBytes += piece.length;
        if (i < last) this.#stream.write(piece);
        else this.#stream.end(piece);
      }
    }
    // A body that nobody will read: tell the client that the answer is whole and that it may stop sending (RFC 9113 §8.1).
    if (!this.#stream.readableEnded && this.method !== 'GET' && this.method !== 'HEAD') this.#stopReading();
  }

  #stopReading(): void {
    const stream = this.#stream;
    const stop = (): void => {
      if (!stream.readableEnded && !stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
    };
    if (stream.writableFinished) stop();
    else stream.once('finish', stop);
  }

  stream(status: number, headers: ResponseHeaders): BodyWriter {
    this.#start(status, headers, undefined, this.method === 'HEAD');
    return new Http2BodyWriter(this.#stream, this);
  }

  destroy(): void {
    // Not `close`: that ends the body first, and the client would take what came for the whole.
    if (!this.#stream.destroyed) this.#stream.destroy(new Error('the answer is not whole'));
  }
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

class Http2BodyWriter implements BodyWriter {
  readonly #stream: ServerHttp2Stream;
  readonly #exchange: Http2Exchange;

  constructor(stream: ServerHttp2Stream, exchange: Http2Exchange) {
    this.#stream = stream;
    this.#exchange = exchange;
  }

  get backlog(): number {
    return this.#stream.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#stream.writable) return true;
    this.#exchange.sentBytes += bytes.length;
    return this.#stream.write(bytes);
  }

  drained(signal: AbortSignal): Promise<void> {
    return drained(this.#stream, signal);
  }

  end(): void {
    if (this.#stream.writable) this.#stream.end();
  }

  abort(): void {
    this.#exchange.destroy();
  }
}
