import type { Duplex } from 'node:stream';
import { portForwardProtocol } from '../wire/channels/stream-protocols.ts';
import { MAX_PORT_FORWARD_STREAMS, STREAM_CREATION_TIMEOUT_MS } from './limits.ts';
import type { PortForwardOptions } from './port-forward-options.ts';
import { relayPort } from './port-forward-relay.ts';
import { endWith, timeouts } from './session-options.ts';
import { SpdyConnection } from './spdy-connection.ts';
import type { SpdyStream } from './spdy-stream.ts';

interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
  readonly timer: NodeJS.Timeout;
}

/** `portforward.k8s.io` on a SPDY connection: a data and an error stream, joined by their header `requestid`, for each forwarded connection. */
export async function forwardSpdyStreams(socket: Duplex, head: Buffer, options: PortForwardOptions): Promise<void> {
  const over = new AbortController();
  const relays = new Set<Promise<void>>();
  const pairs = new Map<string, Pair>();

  const onStream = (stream: SpdyStream): void => {
    const type = stream.header('streamtype');
    const port = portOf(stream.header('port'));
    if (port === undefined || (type !== 'data' && type !== 'error')) {
      stream.destroy();
      return;
    }
    const requestId = stream.header('requestid') ?? pseudoRequestId(stream, type);
    const pair = pairs.get(requestId) ?? openPair(requestId);
    if (pair[type] !== undefined) {
      stream.destroy();
      pair.error?.write(`error processing stream for request ${requestId}: ${type} stream already assigned`);
      return;
    }
    pair[type] = stream;
    stream.reply();
    if (type === 'error') stream.resume();
    if (pair.data === undefined || pair.error === undefined) return;
    clearTimeout(pair.timer);
    pairs.delete(requestId);
    const { data, error } = pair;
    const { podName, podUid, connect } = options;
    const relay = relayPort({
      port,
      data,
      error,
      podName,
      podUid,
      connect,
      signal: over.signal,
      endsWithTarget: false,
    });
    relays.add(relay);
    void relay.finally(() => relays.delete(relay));
  };

  const openPair = (requestId: string): Pair => {
    const timer = setTimeout(() => {
      const pair = pairs.get(requestId);
      pairs.delete(requestId);
      pair?.error?.end(`(request=${requestId}) timed out waiting for streams`);
      pair?.data?.destroy();
    }, options.creationTimeoutMs ?? STREAM_CREATION_TIMEOUT_MS);
    const pair: Pair = { timer };
    pairs.set(requestId, pair);
    return pair;
  };

  const connection = new SpdyConnection(socket, {
    role: 'server',
    maxStreams: MAX_PORT_FORWARD_STREAMS,
    onStream,
    head,
    ...timeouts(options),
  });
  endWith(connection, options.endSignal);
  await connection.closed;
  over.abort(new Error(`the ${portForwardProtocol} session ended`));
  for (const pair of pairs.values()) clearTimeout(pair.timer);
  await Promise.all(relays);
}

function portOf(text: string | undefined): number | undefined {
  const port = text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** Clients older than 1.2 number nothing: their error stream comes first, its data stream is the next. */
function pseudoRequestId(stream: SpdyStream, type: 'data' | 'error'): string {
  return `stream ${type === 'error' ? stream.id : stream.id - 2}`;
}
