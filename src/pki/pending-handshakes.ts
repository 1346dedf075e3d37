import type { Socket } from 'node:net';
import { PENDING_GRACE_MS } from './limits.ts';

interface Pending {
  readonly socket: Socket;
  readonly since: number;
}

/** The TCP connections whose handshake is not done, oldest first, at most `limit`. */
export class PendingHandshakes {
  readonly #limit: number;
  readonly #now: () => number;
  readonly #byPeer = new Map<string, Pending>();

  /** `now`: a monotonic clock in ms. */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#now = now;
  }

  get size(): number {
    return this.#byPeer.size;
  }

  /** False when there is no room. Makes room by ending the oldest if that one had time enough. */
  admit(socket: Socket): boolean {
    const now = this.#now();
    if (this.#byPeer.size >= this.#limit) {
      const [oldest] = this.#byPeer;
      if (oldest === undefined || now - oldest[1].since < PENDING_GRACE_MS) return false;
      this.#byPeer.delete(oldest[0]);
      oldest[1].socket.destroy();
    }
    const peer = peerOf(socket);
    this.#byPeer.set(peer, { socket, since: now });
    socket.once('close', () => {
      if (this.#byPeer.get(peer)?.socket === socket) this.#byPeer.delete(peer);
    });
    return true;
  }

  /** The handshake is over. `socket` is the TLS socket above the one that was admitted. */
  done(socket: Socket): void {
    this.#byPeer.delete(peerOf(socket));
  }

  destroyAll(): void {
    for (const { socket } of this.#byPeer.values()) socket.destroy();
    this.#byPeer.clear();
  }
}

/** What a TLS socket and the TCP socket under it have in common. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
