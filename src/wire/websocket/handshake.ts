import { createHash } from 'node:crypto';

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** `Sec-WebSocket-Key` is 16 random bytes in base64 (§4.1). */
export function isWebSocketKey(key: string): boolean {
  return /^[A-Za-z0-9+/]{22}==$/.test(key);
}

/** The value of `Sec-WebSocket-Accept` for a client's key (§4.2.2). */
export function webSocketAccept(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

/** The values of a comma-separated header such as `Sec-WebSocket-Protocol`, also when it occurs several times. */
export function headerTokens(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  const lines = typeof value === 'string' ? [value] : value;
  return lines
    .flatMap((line) => line.split(','))
    .map((token) => token.trim())
    .filter((token) => token !== '');
}
