import { Duplex, PassThrough } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';
import type { SpdyConnection } from '../../streaming/spdy-connection.ts';
import type { SpdyStream } from '../../streaming/spdy-stream.ts';
import { openStreamSession } from './stream-upgrade.ts';

const PROTOCOL = 'portforward.k8s.io';

/**
 * One connection into a pod. The runtime says only when it failed to connect, never that it did: a failure destroys the stream with
 * `BadGateway`.
 */
export async function forwardPort(url: string, port: number, signal: AbortSignal): Promise<Duplex> {
  const session = await openStreamSession(url, PROTOCOL, signal);
  try {
    const headers = (type: string) =>
      new Map([
        ['streamtype', [type]],
        ['port', [String(port)]],
        ['requestid', ['0']],
      ]);
    const error = session.openStream(headers('error'));
    error.end();
    const data = session.openStream(headers('data'));
    await Promise.all([error.accepted, data.accepted]);
    return withFailures(session, data, error);
  } catch (cause) {
    session.destroy();
    signal.throwIfAborted();
    throw new CausewayError('BadGateway', `port ${port} cannot be forwarded: the container runtime refused`, { cause });
  }
}

/** The data, whose end is told only when the runtime has not said that it failed: both come at the same time, in either order. */
function withFailures(session: SpdyConnection, data: SpdyStream, error: SpdyStream): Duplex {
  const received = new PassThrough();
  const joined = Duplex.from({ readable: received, writable: data } as never);
  error.once('data', (said: Buffer) => joined.destroy(new CausewayError('BadGateway', said.toString())));
  const over = Promise.all(
    [data, error].map((stream) => new Promise((done) => stream.once('end', done).once('close', done))),
  );
  data.pipe(received, { end: false });
  void over.then(() => received.end());
  joined.on('error', () => undefined);
  joined.once('close', () => session.close());
  return joined;
}
