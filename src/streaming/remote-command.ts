import type { Duplex } from 'node:stream';
import type { RemoteCommandOptions, RemoteCommandSession } from './remote-command-session.ts';
import { acceptSpdyRemoteCommand } from './remote-command-spdy.ts';
import { acceptWebSocketRemoteCommand } from './remote-command-websocket.ts';
import { refused, type UpgradeRequest, upgradeKind } from './upgrade.ts';

/**
 * Upgrades an exec or attach request. Answers the session once the client opened all its streams. Throws after the refusal was sent (`UpgradeRefused`) or the
 * connection was ended: whoever calls has nothing left to answer.
 */
export function acceptRemoteCommand(
  request: UpgradeRequest,
  socket: Duplex,
  head: Buffer,
  options: RemoteCommandOptions,
): Promise<RemoteCommandSession> {
  switch (upgradeKind(request)) {
    case 'websocket':
      return acceptWebSocketRemoteCommand(request, socket, head, options);
    case 'spdy':
      return acceptSpdyRemoteCommand(request, socket, head, options);
    case undefined:
      return Promise.reject(refused(socket, 400, 'Upgrade request required'));
  }
}
