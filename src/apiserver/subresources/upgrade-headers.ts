import { withoutTokenProtocols } from '../authentication.ts';
import type { Exchange } from '../transport/exchange.ts';

/**
 * What of a request's headers reaches the kubelet, and of its answer the client: only what the streaming protocols need. Everything else
 * stays, credentials first of all; `connection` and `upgrade` are written anew.
 */
const requestHeaders = new Set([
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'x-stream-protocol-version',
]);
const responseHeaders = [
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'x-stream-protocol-version',
] as const;

const protocols = new Set(['websocket', 'spdy/3.1']);

/** Whether the client asks for a streaming protocol that the kubelet speaks. */
export function isStreamingUpgrade(exchange: Exchange): boolean {
  return exchange.upgrade !== undefined && protocols.has(exchange.upgrade.protocol.toLowerCase());
}

export function upgradeRequestHeaders(exchange: Exchange): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {
    connection: 'Upgrade',
    upgrade: exchange.upgrade?.protocol ?? '',
  };
  const { rawHeaders } = exchange;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    if (!requestHeaders.has(name)) continue;
    const passed = name === 'sec-websocket-protocol' ? withoutTokenProtocols(value) : value;
    if (passed === '') continue;
    const before = headers[name];
    headers[name] = before === undefined ? passed : [...(Array.isArray(before) ? before : [before]), passed];
  }
  return headers;
}

/** The head of the 101 that the client gets. */
export function upgradeResponseHead(
  protocol: string,
  upstream: Readonly<Record<string, string | string[] | undefined>>,
  auditId: string,
): string {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    `Upgrade: ${protocol}`,
    `Audit-Id: ${auditId}`,
  ];
  for (const name of responseHeaders) {
    const value = upstream[name];
    for (const one of Array.isArray(value) ? value : value === undefined ? [] : [value]) lines.push(`${name}: ${one}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
