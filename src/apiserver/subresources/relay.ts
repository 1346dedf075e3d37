import type { Duplex } from 'node:stream';

/**
 * Passes bytes between a client and a kubelet until either is done. Nothing is looked at or kept: each side is read only as fast as the other
 * takes it. `signal` ends both.
 */
export function relay(client: Duplex, kubelet: Duplex, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let open = 2;
    const end = (): void => {
      client.destroy();
      kubelet.destroy();
    };
    const closed = (other: Duplex) => (): void => {
      if (--open === 0) {
        signal.removeEventListener('abort', end);
        resolve();
        return;
      }
      // What is still on its way to the other side gets there, if it reads.
      if (other.writableLength === 0) other.destroy();
      else {
        other.end();
        setTimeout(() => other.destroy(), LINGER_MS).unref();
        other.once('finish', () => other.destroy());
      }
    };
    client.once('close', closed(kubelet)).on('error', end);
    kubelet.once('close', closed(client)).on('error', end);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    client.pipe(kubelet);
    kubelet.pipe(client);
  });
}

/** Ms that the bytes already taken have to reach a side whose other side is gone. */
const LINGER_MS = 5_000;
