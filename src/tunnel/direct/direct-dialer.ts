import { connect, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';
import type { Destination, Dialer } from '../dialer.ts';

const reasons = new Map([
  ['ECONNREFUSED', 'connect: connection refused'],
  ['EHOSTUNREACH', 'connect: no route to host'],
  ['ENETUNREACH', 'connect: network is unreachable'],
  ['ETIMEDOUT', 'connect: connection timed out'],
  ['ECONNRESET', 'connect: connection reset by peer'],
  ['EADDRNOTAVAIL', 'connect: cannot assign requested address'],
]);

/** Ms between probes of an idle connection: an end that vanished is noticed. */
const KEEP_ALIVE_MS = 15_000;

/** Plain TCP to the node's own address: for nodes that the control plane can reach. */
export function directDialer(): Dialer {
  return new DirectDialer();
}

class DirectDialer implements Dialer {
  readonly via = 'direct';
  readonly #open = new Set<Socket>();
  #closed = false;

  dial(destination: Destination, signal: AbortSignal): Promise<Duplex> {
    const { host, port } = destination;
    const where = `dial tcp ${host.includes(':') ? `[${host}]` : host}:${port}`;
    if (this.#closed) return Promise.reject(new CausewayError('BadGateway', `${where}: the dialer is closed`));
    if (isIP(host) === 0) return Promise.reject(new CausewayError('BadGateway', `${where}: not an IP address`));
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      return Promise.reject(new CausewayError('BadGateway', `${where}: not a port`));
    }
    if (signal.aborted) return Promise.reject(timeout(where));
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
      const abort = (): void => {
        socket.destroy();
        reject(timeout(where));
      };
      const fail = (error: NodeJS.ErrnoException): void => {
        signal.removeEventListener('abort', abort);
        const reason = reasons.get(error.code ?? '') ?? `connect: ${error.code ?? 'failed'}`;
        reject(
          new CausewayError(error.code === 'ETIMEDOUT' ? 'Timeout' : 'BadGateway', `${where}: ${reason}`, {
            cause: error,
          }),
        );
      };
      const closed = (): void => {
        signal.removeEventListener('abort', abort);
        reject(new CausewayError('BadGateway', `${where}: the dialer was closed`));
      };
      socket.once('error', fail).once('close', closed);
      socket.once('connect', () => {
        signal.removeEventListener('abort', abort);
        socket.off('error', fail).off('close', closed);
        resolve(socket);
      });
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const socket of this.#open) socket.destroy();
  }
}

function timeout(where: string): CausewayError {
  return new CausewayError('Timeout', `${where}: i/o timeout`);
}
