import type { Duplex } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';
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
    data.once('close', () => session.close());
    // It comes in one piece, and before the end of the data.
    error.once('data', (said: Buffer) => data.destroy(new CausewayError('BadGateway', said.toString())));
    return data;
  } catch (cause) {
    session.destroy();
    signal.throwIfAborted();
    throw new CausewayError('BadGateway', `port ${port} cannot be forwarded: the container runtime refused`, { cause });
  }
}
