import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { ProtocolError } from '../lib/errors.ts';
import { negotiate, remoteCommandFeatures, spdyRemoteCommandProtocols } from '../wire/channels/stream-protocols.ts';
import { MAX_REMOTE_COMMAND_STREAMS, STREAM_CREATION_TIMEOUT_MS } from './limits.ts';
import type { RemoteCommandOptions, RemoteCommandSession } from './remote-command-session.ts';
import { encodeStatus } from './remote-command-status.ts';
import { readResizes } from './resize-events.ts';
import { endWith, timeouts } from './session-options.ts';
import { acceptSpdy } from './spdy-accept.ts';
import { SpdyConnection } from './spdy-connection.ts';
import type { SpdyStream } from './spdy-stream.ts';
import type { UpgradeRequest } from './upgrade.ts';

type StreamType = 'error' | 'stdin' | 'stdout' | 'stderr' | 'resize';

/** exec and attach over SPDY/3.1: one stream each for what the request asks, told apart by their header `streamtype`. */
export async function acceptSpdyRemoteCommand(
  request: UpgradeRequest,
  socket: Duplex,
  head: Buffer,
  options: RemoteCommandOptions,
): Promise<RemoteCommandSession> {
  const protocol = acceptSpdy(
    request,
    socket,
    (wanted) => negotiate(wanted, spdyRemoteCommandProtocols),
    spdyRemoteCommandProtocols,
  );
  const features = remoteCommandFeatures[protocol];
  const expected = new Set<StreamType>(['error']);
  if (options.stdin) expected.add('stdin');
  if (options.stdout) expected.add('stdout');
  if (options.stderr && !options.tty) expected.add('stderr');
  if (options.tty && features.resize) expected.add('resize');

  const gone = new AbortController();
  const streams = new Map<StreamType, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const connection = new SpdyConnection(socket, {
    role: 'server',
    maxStreams: MAX_REMOTE_COMMAND_STREAMS,
    head,
    ...timeouts(options),
    onStream: (stream) => {
      const type = stream.header('streamtype') as StreamType | undefined;
      if (type === undefined || !expected.has(type) || streams.has(type)) {
        stream.destroy();
        return;
      }
      streams.set(type, stream);
      stream.reply();
      if (type !== 'stdin' && type !== 'resize') stream.resume();
      if (streams.size === expected.size) complete.resolve();
    },
  });
  endWith(connection, options.endSignal);
  await allStreams(connection, complete.promise, options.creationTimeoutMs ?? STREAM_CREATION_TIMEOUT_MS);
  void connection.closed.then(() => gone.abort(connection.error ?? new Error('the client closed the connection')));

  const errorStream = streams.get('error')!;
  return {
    protocol,
    stdin: streams.get('stdin'),
    stdout: streams.get('stdout'),
    stderr: streams.get('stderr'),
    resizes: readResizes(streams.get('resize')),
    signal: gone.signal,
    writeStatus: async (status) => {
      const bytes = encodeStatus(status, features.statusJson);
      if (bytes === undefined) errorStream.end();
      else errorStream.end(bytes);
      await finished(errorStream, { readable: false }).catch(() => undefined);
    },
    close: async () => {
      connection.close();
      await connection.closed;
    },
  };
}

async function allStreams(connection: SpdyConnection, complete: Promise<void>, timeoutMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new ProtocolError('timed out waiting for client to create streams')),
    timeoutMs,
  );
  const closed = connection.closed.then(() => {
    throw connection.error ?? new ProtocolError('the client closed the connection before it created its streams');
  });
  try {
    await Promise.race([complete, late.promise, closed]);
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    clearTimeout(timer);
    closed.catch(() => undefined);
  }
}
