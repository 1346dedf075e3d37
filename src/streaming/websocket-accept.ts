import type { Duplex } from 'node:stream';
import { isBase64Protocol, negotiate } from '../wire/channels/stream-protocols.ts';
import { headerTokens, isWebSocketKey, webSocketAccept } from '../wire/websocket/handshake.ts';
import { refused, switchProtocols, type UpgradeRequest } from './upgrade.ts';

/**
 * Answers a WebSocket's opening handshake (RFC 6455 §4.2). Gives the subprotocol that was chosen, the client's first that is in `protocols`; undefined when the
 * client named none and `allowNone` is set. Throws `UpgradeRefused` after the refusal was sent.
 */
export function acceptWebSocket<T extends string>(
  request: UpgradeRequest,
  socket: Duplex,
  protocols: readonly T[],
  options: { readonly allowNone: boolean },
): T | undefined {
  const { headers } = request;
  if (request.method !== 'GET') {
    throw refused(socket, 405, 'a WebSocket is opened with GET', { headers: { Allow: 'GET' } });
  }
  if (single(headers['sec-websocket-version']) !== '13') {
    throw refused(socket, 426, 'Sec-WebSocket-Version: 13 is spoken here', {
      headers: { 'Sec-WebSocket-Version': '13' },
    });
  }
  const key = single(headers['sec-websocket-key']);
  if (key === undefined || !isWebSocketKey(key)) throw refused(socket, 400, 'Sec-WebSocket-Key: missing or malformed');
  const wanted = headerTokens(headers['sec-websocket-protocol']);
  const chosen = negotiate(wanted, protocols);
  if (chosen === undefined && !(wanted.length === 0 && options.allowNone)) {
    throw refused(socket, 403, unsupported(wanted, protocols));
  }
  switchProtocols(socket, 'websocket', {
    'Sec-WebSocket-Accept': webSocketAccept(key),
    ...(chosen === undefined ? {} : { 'Sec-WebSocket-Protocol': chosen }),
    ...request.answerHeaders,
  });
  return chosen;
}

function unsupported(wanted: readonly string[], protocols: readonly string[]): string {
  const base64 = wanted.filter(isBase64Protocol);
  const why = base64.length === 0 ? '' : ` (${base64.join(', ')}: base64 encoding is not supported)`;
  return `requested protocol(s) are not supported: [${wanted.join(' ')}]; supports [${protocols.join(' ')}]${why}`;
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
