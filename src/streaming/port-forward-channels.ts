import type { Duplex } from 'node:stream';
import { portAnnouncement } from '../wire/channels/channel-message.ts';
import { type ChannelDirection, ChannelStreams } from './channel-streams.ts';
import type { PortForwardOptions } from './port-forward-options.ts';
import { relayPort } from './port-forward-relay.ts';
import { endWith, timeouts } from './session-options.ts';
import { WebSocketConnection } from './websocket-connection.ts';

/**
 * Port-forward over a WebSocket with channels: port number i of the query has channel 2i for data and 2i + 1 for errors, and the first message on each is the port. There
 * is one connection to each port, opened at once; the session ends when all have.
 */
export async function forwardChannels(
  socket: Duplex,
  head: Buffer,
  options: PortForwardOptions & { readonly closeSignal: boolean },
): Promise<void> {
  const { ports, podName, podUid, connect, closeSignal } = options;
  const directions = new Map<number, ChannelDirection>();
  ports.forEach((_, i) => {
    directions.set(2 * i, 'both').set(2 * i + 1, 'write');
  });
  const connection: WebSocketConnection = new WebSocketConnection(socket, {
    onData: (piece) => channels.receive(piece),
    head,
    ...timeouts(options),
  });
  const channels = new ChannelStreams(connection, { channels: directions, closeSignal });
  const over = new AbortController();
  endWith(connection, options.endSignal);
  void connection.ended.then(() => over.abort(new Error('the session ended')));
  const relays = ports.map((port, i) => {
    const data = channels.stream(2 * i);
    const error = channels.stream(2 * i + 1);
    data.write(portAnnouncement(port));
    error.write(portAnnouncement(port));
    return relayPort({
      port,
      data,
      error,
      podName,
      podUid,
      connect,
      signal: over.signal,
      endsWithTarget: !closeSignal,
    });
  });
  connection.start();
  await Promise.all(relays);
  connection.close();
  await connection.closed;
}
