import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { limits } from '../limits.ts';
import type { ApiRequest } from '../request.ts';

const compress = promisify(gzip);

const noStore = { 'cache-control': 'no-cache, private' } as const;

/** Sends bytes, compressed when the client asks for it and it is worth the time. */
export async function respondBytes(
  request: ApiRequest,
  status: number,
  contentType: string,
  bytes: Uint8Array | readonly Uint8Array[],
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { exchange } = request;
  const pieces = bytes instanceof Uint8Array ? [bytes] : bytes;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length > limits.gzipThresholdBytes && acceptsGzip(exchange.header('accept-encoding'))) {
    // Level 1, as Kubernetes: the wire is to be spared, not the last byte.
    const small = await compress(pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces), { level: 1 });
    exchange.respond(
      status,
      { 'content-type': contentType, 'content-encoding': 'gzip', vary: 'Accept-Encoding', ...noStore, ...headers },
      small,
    );
    return;
  }
  exchange.respond(status, { 'content-type': contentType, ...noStore, ...headers }, ...pieces);
}

export function respondJson(
  request: ApiRequest,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  return respondBytes(request, status, 'application/json', Buffer.from(JSON.stringify(value)), headers);
}

export function respondText(request: ApiRequest, status: number, text: string): Promise<void> {
  return respondBytes(request, status, 'text/plain; charset=utf-8', Buffer.from(text), {
    'x-content-type-options': 'nosniff',
  });
}

function acceptsGzip(header: string | undefined): boolean {
  if (header === undefined) return false;
  return header.split(',').some((item) => {
    const [name = '', ...parameters] = item.split(';').map((p) => p.trim().toLowerCase());
    return (name === 'gzip' || name === '*') && !parameters.some((p) => /^q=0(\.0*)?$/.test(p));
  });
}
