import type { Duplex } from 'node:stream';
import { headerTokens } from '../wire/websocket/handshake.ts';

/** What a session needs of an HTTP/1.1 request; `http.IncomingMessage` has this shape. */
export interface UpgradeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What the server says of its own in the 101, besides what the protocol wants. */
  readonly answerHeaders?: Readonly<Record<string, string>>;
}

export type UpgradeKind = 'websocket' | 'spdy';

/** undefined: not a request that asks for one of the two. */
export function upgradeKind(request: UpgradeRequest): UpgradeKind | undefined {
  const connection = headerTokens(request.headers['connection']).map((token) => token.toLowerCase());
  if (!connection.includes('upgrade')) return undefined;
  const upgrade = headerTokens(request.headers['upgrade']).map((token) => token.toLowerCase());
  if (upgrade.includes('websocket')) return 'websocket';
  if (upgrade.includes('spdy/3.1')) return 'spdy';
  return undefined;
}

/** An upgrade that was refused: the client has its answer already, the socket is ended. */
export class UpgradeRefused extends Error {
  override readonly name = 'UpgradeRefused';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const reasonPhrases: ReadonlyMap<number, string> = new Map([
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [426, 'Upgrade Required'],
  [500, 'Internal Server Error'],
  [503, 'Service Unavailable'],
]);

/** Answers instead of upgrading, and ends the connection. `body` is shown to the user by kubectl: "unable to upgrade connection: <body>". */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  body: string,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly contentType?: string } = {},
): void {
  const bytes = Buffer.from(body, 'utf8');
  const lines = [
    `HTTP/1.1 ${status} ${reasonPhrases.get(status) ?? 'Error'}`,
    `Content-Type: ${options.contentType ?? 'text/plain; charset=utf-8'}`,
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${bytes.length}`,
    'Connection: close',
    ...Object.entries(options.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.on('error', () => socket.destroy());
  socket.resume();
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]));
}

/** `refuseUpgrade`, and the error to throw. */
export function refused(
  socket: Duplex,
  status: number,
  body: string,
  options?: Parameters<typeof refuseUpgrade>[3],
): UpgradeRefused {
  refuseUpgrade(socket, status, body, options);
  return new UpgradeRefused(status, body);
}

/** Sends 101. `headers` are values that the server chose, never what the client sent. */
export function switchProtocols(socket: Duplex, upgrade: string, headers: Readonly<Record<string, string>>): void {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    `Upgrade: ${upgrade}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
