import type { X509Certificate } from 'node:crypto';
import type { Duplex } from 'node:stream';

/** One TLS connection and what its handshake proved. Everything that is remembered of a connection hangs on this object's identity. */
export interface Connection {
  readonly remoteAddress: string;
  readonly certificateState: 'none' | 'verified' | 'invalid';
  readonly peerCertificate: X509Certificate | undefined;
  /** Why an invalid certificate is invalid: for the log, never for the caller. */
  readonly invalidReason: string | undefined;
  readonly tlsVersion: string | undefined;
  readonly tlsGroup: string | undefined;
  readonly cipher: string | undefined;
  /** Runs the callback when the connection ends. */
  onClose(callback: () => void): void;
}

export type ResponseHeaders = Record<string, string | readonly string[]>;

/** The body of a response that is written bit by bit. */
export interface BodyWriter {
  /** Queues the bytes. False: the peer reads too slowly, wait for `drained` before writing more. */
  write(bytes: Uint8Array): boolean;
  /** Bytes queued here that the peer's side has not taken. */
  readonly backlog: number;
  /** Resolves when writing makes sense again, when the exchange ended, or when `signal` aborts. */
  drained(signal: AbortSignal): Promise<void>;
  end(): void;
  /** Ends the response so that the client sees that it is not whole. */
  abort(): void;
}

/** One request and its answer, the same over HTTP/1.1 and HTTP/2. */
export interface Exchange {
  readonly method: string;
  /** The request target as it came: path and query, percent-encoded. */
  readonly target: string;
  readonly httpVersion: '1.1' | '2.0';
  readonly connection: Connection;
  /** The value of a request header (name in lower case); several lines are joined as HTTP says. */
  header(name: string): string | undefined;
  /** All request header lines as they came, names and values in turn; HTTP/2's pseudo headers are among them. */
  readonly rawHeaders: readonly string[];
  /** The whole body. Throws `RequestEntityTooLarge` beyond `maxBytes`, `BadRequest` when the client gives up. */
  body(maxBytes: number): Promise<Buffer>;
  /** Aborts when the client is gone or the response is complete. */
  readonly signal: AbortSignal;
  /** Headers that every answer of this exchange carries: `audit-id`, `warning`. */
  readonly extraHeaders: ResponseHeaders;
  /** The status that was sent; 0 before. */
  readonly status: number;
  /** Bytes of response body so far. */
  readonly sentBytes: number;
  /** The whole answer. Several pieces are sent one after the other. */
  respond(status: number, headers: ResponseHeaders, ...body: readonly Uint8Array[]): void;
  /** Starts a response whose body follows. */
  stream(status: number, headers: ResponseHeaders): BodyWriter;
  /** Present when the client asks to leave HTTP (`Connection: Upgrade`): the protocol it named, and how to get the bare connection. */
  readonly upgrade: Upgrade | undefined;
  /** Ends the exchange at once, without an answer if there was none. */
  destroy(): void;
}

export interface Upgrade {
  readonly protocol: string;
  /** Hands over the connection and the bytes that already followed the request. No `respond` after this. */
  takeOver(): { readonly socket: Duplex; readonly head: Buffer };
}

/** Serves one exchange; it never rejects. */
export type ExchangeHandler = (exchange: Exchange) => Promise<void>;
