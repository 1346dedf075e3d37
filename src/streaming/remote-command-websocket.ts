import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { remoteCommandChannel } from '../wire/channels/channel-message.ts';
import {
  protocolV1,
  protocolV5,
  remoteCommandFeatures,
  webSocketRemoteCommandProtocols,
} from '../wire/channels/stream-protocols.ts';
import { type ChannelDirection, ChannelStreams } from './channel-streams.ts';
import type { RemoteCommandOptions, RemoteCommandSession } from './remote-command-session.ts';
import { encodeStatus } from './remote-command-status.ts';
import { readResizes } from './resize-events.ts';
import { endWith, timeouts } from './session-options.ts';
import type { UpgradeRequest } from './upgrade.ts';
import { acceptWebSocket } from './websocket-accept.ts';
import { WebSocketConnection } from './websocket-connection.ts';

/** exec and attach over WebSocket: channels 0 to 4 are stdin, stdout, stderr, the status and the terminal's size. */
export async function acceptWebSocketRemoteCommand(
  request: UpgradeRequest,
  socket: Duplex,
  head: Buffer,
  options: RemoteCommandOptions,
): Promise<RemoteCommandSession> {
  const protocol = acceptWebSocket(request, socket, webSocketRemoteCommandProtocols, { allowNone: true });
  const features = remoteCommandFeatures[protocol ?? protocolV1];
  const stderr = options.stderr && !options.tty;
  const directions = new Map<number, ChannelDirection>([[remoteCommandChannel.error, 'write']]);
  if (options.stdin) directions.set(remoteCommandChannel.stdin, 'read');
  if (options.stdout) directions.set(remoteCommandChannel.stdout, 'write');
  if (stderr) directions.set(remoteCommandChannel.stderr, 'write');
  if (options.tty) directions.set(remoteCommandChannel.resize, 'read');

  const connection: WebSocketConnection = new WebSocketConnection(socket, {
    onData: (piece) => channels.receive(piece),
    head,
    ...timeouts(options),
  });
  const channels = new ChannelStreams(connection, { channels: directions, closeSignal: protocol === protocolV5 });
  endWith(connection, options.endSignal);
  const resizes = readResizes(options.tty ? channels.stream(remoteCommandChannel.resize) : undefined);
  // As Kubernetes does: an empty message on the first channel that we write tells clients that wait for it that the session is open.
  connection.send(
    [],
    options.stdout ? remoteCommandChannel.stdout : stderr ? remoteCommandChannel.stderr : remoteCommandChannel.error,
    () => undefined,
  );
  connection.start();

  const gone = new AbortController();
  let closing = false;
  void connection.ended.then(() => {
    if (!closing) gone.abort(connection.error ?? new Error('the client closed the connection'));
  });
  const errorStream = channels.stream(remoteCommandChannel.error);
  return {
    protocol,
    stdin: options.stdin ? channels.stream(remoteCommandChannel.stdin) : undefined,
    stdout: options.stdout ? channels.stream(remoteCommandChannel.stdout) : undefined,
    stderr: stderr ? channels.stream(remoteCommandChannel.stderr) : undefined,
    resizes,
    signal: gone.signal,
    writeStatus: async (status) => {
      const bytes = encodeStatus(status, features.statusJson);
      if (bytes === undefined) errorStream.end();
      else errorStream.end(bytes);
      await finished(errorStream, { readable: false }).catch(() => undefined);
    },
    close: async () => {
      closing = true;
      connection.close();
      await connection.closed;
    },
  };
}
