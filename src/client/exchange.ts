import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { CausewayError } from '../lib/errors.ts';

export interface RawRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** For the request and the whole answer; without it only the signal ends it. */
  readonly timeoutMs?: number;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /**
   * The bytes of the answer. It must be iterated, to its end or not: leaving the loop early cancels the stream. Throws when the
   * answer ends before it is whole.
   */
  readonly body: AsyncIterable<Buffer>;
}

/** The request never reached the server's handlers: sending it again repeats nothing. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError';
  readonly #host: string;

  constructor(host: string, cause?: unknown) {
    super('the session was closing', cause === undefined ? undefined : { cause });
    this.#host = host;
  }

  asUnavailable(): CausewayError {
    return unavailable(this.#host, this.message, this.cause);
  }
}

function unavailable(host: string, message: string, cause?: unknown): CausewayError {
  return new CausewayError('ServiceUnavailable', `${host}: ${message}`, cause === undefined ? {} : { cause });
}

/**
 * One request on a session that is open or opening. `released` is called once when the stream is over, also when that is
 * before the promise rejects.
 */
export async function exchange(
  opening: Promise<ClientHttp2Session>,
  request: RawRequest,
  token: string | undefined,
  host: string,
  released: () => void,
): Promise<RawResponse> {
  const end = new EarlyEnd(request.signal, request.timeoutMs, host);
  let stream: ClientHttp2Stream;
  try {
    const session = await end.race(opening);
    stream = open(session, request, token, host);
  } catch (error) {
    end.clear();
    throw error;
  }
  end.onEnd(() => stream.close(constants.NGHTTP2_CANCEL));
  stream.once('close', () => {
    end.clear();
    released();
  });
  return new Promise((resolve, reject) => {
    // After the answer it reaches the reader of the body as well.
    let cause: Error | undefined;
    stream.on('error', (error) => {
      cause = error;
    });
    stream.once('close', () => {
      if (end.reason !== undefined) reject(end.reason);
      else if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) reject(new NotSentError(host, cause));
      else reject(unavailable(host, cause?.message ?? 'the connection ended before the answer', cause));
    });
    stream.once('response', (headers: IncomingHttpHeaders) => {
      resolve({ status: Number(headers[':status']), headers, body: bodyOf(stream, end, host) });
    });
    if (request.body !== undefined) stream.end(request.body);
  });
}

function open(
  session: ClientHttp2Session,
  request: RawRequest,
  token: string | undefined,
  host: string,
): ClientHttp2Stream {
  if (session.closed || session.destroyed) throw new NotSentError(host);
  return session.request(
    {
      [constants.HTTP2_HEADER_METHOD]: request.method,
      [constants.HTTP2_HEADER_PATH]: request.path,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...request.headers,
    },
    { endStream: request.body === undefined },
  );
}

async function* bodyOf(stream: ClientHttp2Stream, end: EarlyEnd, host: string): AsyncGenerator<Buffer> {
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (cause) {
    throw end.reason ?? unavailable(host, 'the connection broke in the middle of an answer', cause);
  }
  if (end.reason !== undefined) throw end.reason;
  if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
    throw unavailable(host, 'the server ended an answer before it was whole');
  }
}

/** The caller's signal and the deadline, as one reason to stop. Its listener and its timer are gone after `clear`. */
class EarlyEnd {
  reason: unknown;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #aborted = (): void => this.#end(this.#signal?.reason);
  readonly #listeners: (() => void)[] = [];

  constructor(signal: AbortSignal | undefined, timeoutMs: number | undefined, host: string) {
    this.#signal = signal;
    signal?.addEventListener('abort', this.#aborted, { once: true });
    if (timeoutMs !== undefined) {
      const late = (): void =>
        this.#end(new CausewayError('Timeout', `${host}: no whole answer within ${timeoutMs / 1000} s`));
      this.#timer = setTimeout(late, timeoutMs);
    }
  }

  onEnd(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Waits for `promise`, or throws the reason. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.onEnd(() => reject(this.reason));
      promise.then(resolve, reject);
    });
  }

  clear(): void {
    this.#signal?.removeEventListener('abort', this.#aborted);
    clearTimeout(this.#timer);
  }

  #end(reason: unknown): void {
    this.clear();
    this.reason = reason;
    for (const listener of this.#listeners) listener();
  }
}
