import type { Duplex } from 'node:stream';
import {
  negotiate,
  portForwardProtocol,
  portForwardTunnelProtocol,
  type protocolV1,
  type protocolV4,
  protocolV5,
  webSocketPortForwardProtocols,
} from '../wire/channels/stream-protocols.ts';
import { forwardChannels } from './port-forward-channels.ts';
import type { PortForwardOptions } from './port-forward-options.ts';
import { forwardSpdyStreams } from './port-forward-spdy.ts';
import { timeouts } from './session-options.ts';
import { acceptSpdy } from './spdy-accept.ts';
import { refused, type UpgradeRequest, upgradeKind } from './upgrade.ts';
import { acceptWebSocket } from './websocket-accept.ts';
import { WebSocketTunnel } from './websocket-tunnel.ts';

/**
 * Upgrades a port-forward request and serves it. Resolves when the session is over and all its connections are closed. Throws after the refusal was sent
 * (`UpgradeRefused`): whoever calls has nothing left to answer.
 */
export async function acceptPortForward(
  request: UpgradeRequest,
  socket: Duplex,
  head: Buffer,
  options: PortForwardOptions,
): Promise<void> {
  switch (upgradeKind(request)) {
    case 'spdy':
      acceptSpdy(request, socket, (wanted) => negotiate(wanted, [portForwardProtocol]), [portForwardProtocol]);
      return forwardSpdyStreams(socket, head, options);
    case 'websocket': {
      const protocol = acceptWebSocket(request, socket, acceptable(options.ports), {
        allowNone: options.ports.length > 0,
      });
      if (protocol === portForwardTunnelProtocol) {
        const tunnel = new WebSocketTunnel(socket, { head, ...timeouts(options) });
        return forwardSpdyStreams(tunnel, Buffer.alloc(0), options);
      }
      return forwardChannels(socket, head, { ...options, closeSignal: protocol === protocolV5 });
    }
    case undefined:
      throw refused(socket, 400, 'Upgrade request required');
  }
}

type WebSocketProtocol = typeof portForwardTunnelProtocol | typeof protocolV5 | typeof protocolV4 | typeof protocolV1;

function acceptable(ports: readonly number[]): readonly WebSocketProtocol[] {
  return ports.length === 0
    ? [portForwardTunnelProtocol]
    : [portForwardTunnelProtocol, ...webSocketPortForwardProtocols];
}
