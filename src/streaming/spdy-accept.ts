import type { Duplex } from 'node:stream';
import { headerTokens } from '../wire/websocket/handshake.ts';
import { refused, switchProtocols, type UpgradeRequest } from './upgrade.ts';

const PROTOCOL_HEADER = 'X-Stream-Protocol-Version';
const ACCEPTED_HEADER = 'X-Accepted-Stream-Protocol-Versions';

/**
 * Answers an upgrade to SPDY/3.1 and the choice of the stream protocol on it, as k8s.io/apimachinery's httpstream does. Throws `UpgradeRefused` after the refusal
 * was sent.
 */
export function acceptSpdy<T extends string>(
  request: UpgradeRequest,
  socket: Duplex,
  negotiate: (wanted: readonly string[]) => T | undefined,
  supported: readonly string[],
): T {
  const wanted = headerTokens(request.headers[PROTOCOL_HEADER.toLowerCase()]);
  if (wanted.length === 0) throw refused(socket, 400, `unable to upgrade: ${PROTOCOL_HEADER} is required`);
  const chosen = negotiate(wanted);
  if (chosen === undefined) {
    const body = `unable to upgrade: unable to negotiate protocol: client supports [${wanted.join(' ')}], server accepts [${supported.join(' ')}]`;
    throw refused(socket, 403, body, { headers: { [ACCEPTED_HEADER]: supported.join(', ') } });
  }
  switchProtocols(socket, 'SPDY/3.1', { [PROTOCOL_HEADER]: chosen, ...request.answerHeaders });
  return chosen;
}
