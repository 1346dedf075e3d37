import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { CausewayError, ProtocolError } from '../../../lib/errors.ts';
import { ANSWER_BYTES, CONNECT_MS } from '../limits.ts';
import { grpcError, grpcStatus } from './grpc-status.ts';
import type { Message } from './message.ts';

/** One procedure: `/runtime.v1.RuntimeService/Version`, and its messages. */
export interface Method<In, Out> {
  readonly path: string;
  readonly request: Message<In, unknown>;
  readonly response: Message<never, Out>;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/*
 * A message on the stream (gRPC over HTTP/2, "Length-Prefixed-Message"):
 *
 *   compressed (1 byte, 0)  length (4 bytes, big endian)  message
 */
const PREFIX_BYTES = 5;

/**
 * A gRPC client over a unix socket (github.com/grpc/grpc, PROTOCOL-HTTP2). One connection, made anew with the next call after it broke:
 * who calls in a loop waits between tries.
 */
export class GrpcClient {
  readonly #socketPath: string;
  #session: ClientHttp2Session | undefined;
  /** Why the last connection broke. */
  #socketError: NodeJS.ErrnoException | undefined;
  #closed = false;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Throws `CausewayError`: `ServiceUnavailable` when nobody listens or the connection broke, else what the answer says. */
  async unary<In, Out>(method: Method<In, Out>, request: In, options: CallOptions): Promise<Out> {
    let answer: Out | undefined;
    for await (const message of this.stream(method, request, options)) answer = message;
    if (answer === undefined) throw new CausewayError('InternalError', `${method.path}: no answer`);
    return answer;
  }

  /** The answers as they come. `opened` is told when the server took the call. */
  async *stream<In, Out>(
    method: Method<In, Out>,
    request: In,
    options: CallOptions,
    opened: () => void = () => undefined,
  ): AsyncGenerator<Out> {
    const timeout = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs);
    const signals = [timeout, options.signal].filter((signal) => signal !== undefined);
    const over = AbortSignal.any(signals);
    over.throwIfAborted();
    const stream = this.#open(method.path, options.timeoutMs);
    const cancel = (): void => stream.close(constants.NGHTTP2_CANCEL);
    over.addEventListener('abort', cancel, { once: true });
    const status = grpcStatus(stream, opened);
    try {
      stream.end(framed(method.request.encode(request)));
      for await (const bytes of messages(stream, method.path)) yield method.response.decode(bytes);
      const failed = grpcError(await status, method.path);
      if (failed !== undefined) throw failed;
    } catch (error) {
      // Its answer says it all, and there may be none.
      status.catch(() => undefined);
      if (timeout?.aborted === true)
        throw new CausewayError('Timeout', `the container runtime did not answer ${method.path} in time`);
      options.signal?.throwIfAborted();
      throw error instanceof CausewayError || error instanceof ProtocolError ? error : this.#unavailable(error);
    } finally {
      over.removeEventListener('abort', cancel);
      if (!stream.closed) cancel();
    }
  }

  close(): void {
    this.#closed = true;
    this.#session?.destroy();
  }

  #open(path: string, timeoutMs: number | undefined): ClientHttp2Stream {
    try {
      const stream = this.#connected().request({
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(timeoutMs === undefined ? {} : { 'grpc-timeout': `${Math.ceil(timeoutMs)}m` }),
      });
      stream.on('error', () => undefined);
      return stream;
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  #connected(): ClientHttp2Session {
    if (this.#closed) throw new CausewayError('ServiceUnavailable', 'the client of the container runtime is closed');
    if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed) return this.#session;
    this.#socketError = undefined;
    const socket = connectSocket(this.#socketPath);
    socket.once('error', (error) => {
      this.#socketError = error;
    });
    const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), CONNECT_MS);
    const clear = (): void => clearTimeout(timer);
    socket.once('connect', clear).once('close', clear);
    const session = connect('http://localhost', { createConnection: () => socket });
    session.on('error', () => undefined);
    session.on('goaway', () => session.close());
    // A connection at rest keeps no process alive.
    session.unref();
    this.#session = session;
    return session;
  }

  #unavailable(cause: unknown): CausewayError {
    if (cause instanceof CausewayError) return cause;
    const error = this.#socketError ?? (cause as NodeJS.ErrnoException);
    const why = error.code ?? error.message;
    return new CausewayError('ServiceUnavailable', `no container runtime answers at ${this.#socketPath} (${why})`, {
      cause,
    });
  }
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Cuts the stream into messages. */
async function* messages(stream: ClientHttp2Stream, path: string): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = [];
  let have = 0;
  let want = PREFIX_BYTES;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    have += chunk.length;
    if (have < want) continue;
    let rest = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    for (;;) {
      want = PREFIX_BYTES;
      if (rest.length < want) break;
      if (rest[0] !== 0) throw new ProtocolError(`${path}: a compressed answer that was not asked for`);
      const length = rest.readUInt32BE(1);
      if (length > ANSWER_BYTES) throw new ProtocolError(`${path}: an answer of ${length} bytes`);
      want += length;
      if (rest.length < want) break;
      yield rest.subarray(PREFIX_BYTES, want);
      rest = rest.subarray(want);
    }
    chunks = [rest];
    have = rest.length;
  }
  if (have > 0) throw new ProtocolError(`${path}: an answer ended in its middle`);
}
