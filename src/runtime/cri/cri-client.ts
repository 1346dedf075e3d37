import { GrpcClient, type Method } from './grpc/grpc-client.ts';
import { ASK_DEADLINE_MS, CALLED_OFF_MS, CHANGE_DEADLINE_MS } from './limits.ts';

/** Calls to one runtime, each with a deadline. */
export class CriClient {
  readonly #grpc: GrpcClient;

  constructor(socketPath: string) {
    this.#grpc = new GrpcClient(socketPath);
  }

  /** A question, whose answer comes at once. */
  ask<In, Out>(method: Method<In, Out>, request: In): Promise<Out> {
    return this.#grpc.unary(method, request, { timeoutMs: ASK_DEADLINE_MS });
  }

  /**
   * A call that changes something. When `signal` aborts, the call still gets a moment to come to its end, so that what it made is known and
   * can be taken away.
   */
  async change<In, Out>(
    method: Method<In, Out>,
    request: In,
    { timeoutMs = CHANGE_DEADLINE_MS, signal }: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Out> {
    if (signal === undefined) return this.#grpc.unary(method, request, { timeoutMs });
    signal.throwIfAborted();
    const late = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const callOff = (): void => {
      timer = setTimeout(() => late.abort(signal.reason), CALLED_OFF_MS);
    };
    signal.addEventListener('abort', callOff, { once: true });
    try {
      return await this.#grpc.unary(method, request, { timeoutMs, signal: late.signal });
    } finally {
      signal.removeEventListener('abort', callOff);
      clearTimeout(timer);
    }
  }

  /** Answers without end, until `signal` aborts or the runtime goes. `opened` is told when the runtime took the call. */
  follow<In, Out>(method: Method<In, Out>, request: In, signal: AbortSignal, opened: () => void): AsyncIterable<Out> {
    return this.#grpc.stream(method, request, { signal }, opened);
  }

  close(): void {
    this.#grpc.close();
  }
}
