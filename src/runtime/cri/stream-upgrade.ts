import { once } from 'node:events';
import { request } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';
import { SpdyConnection } from '../../streaming/spdy-connection.ts';
import { STREAM_OPEN_MS } from './limits.ts';
import { LingeringSocket } from './lingering-socket.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Opens a session at the URL that the runtime gave for it. The URL holds a token that counts once, and what passes is not encrypted: so it is
 * followed to this machine's loopback only, and stands in no message.
 */
export async function openStreamSession(url: string, protocol: string, signal: AbortSignal): Promise<SpdyConnection> {
  const target = loopbackTarget(url);
  const within = AbortSignal.any([signal, AbortSignal.timeout(STREAM_OPEN_MS)]);
  const asking = request({
    ...target,
    method: 'POST',
    agent: false,
    createConnection: () => new LingeringSocket().connect({ host: target.host, port: target.port }),
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol },
    signal: within,
  });
  asking.end();
  const answered = once(asking, 'response', { signal: within }).then(([response]) => {
    const { statusCode, resume } = response as { statusCode: number; resume: () => void };
    resume.call(response);
    throw new CausewayError('BadGateway', `the container runtime refused the stream with HTTP ${statusCode}`);
  });
  const upgraded = once(asking, 'upgrade', { signal: within }) as Promise<[unknown, Duplex, Buffer]>;
  try {
    const [, socket, head] = await Promise.race([upgraded, answered]);
    return new SpdyConnection(socket, { role: 'client', maxStreams: 0, head });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CausewayError) throw error;
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).name;
    throw new CausewayError('BadGateway', `the container runtime's streaming server does not answer (${why})`);
  } finally {
    // Whichever did not come.
    answered.catch(() => undefined);
    upgraded.catch(() => undefined);
  }
}

/** Where to connect: an address, not a name, so that nobody's name service decides. */
export function loopbackTarget(url: string): { readonly host: string; readonly port: number; readonly path: string } {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new CausewayError('BadGateway', 'the container runtime gave no URL for a stream');
  }
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  const family = isIP(host);
  const isLoopback = family !== 0 && LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
  if (parsed.protocol !== 'http:' || !isLoopback) {
    throw new CausewayError(
      'Forbidden',
      `the container runtime's streaming server is at ${parsed.protocol}//${parsed.hostname}: only http on 127.0.0.1 or ::1 is followed (containerd: stream_server_address)`,
    );
  }
  return { host, port: Number(parsed.port || '80'), path: `${parsed.pathname}${parsed.search}` };
}
