import type { Duplex, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { corkPerTick } from './cork-per-tick.ts';
import { MAX_ERROR_MESSAGE } from './limits.ts';

export interface Relay {
  readonly port: number;
  /** The client's bytes, both ways, with half-close. */
  readonly data: Duplex;
  /** What went wrong, as text; its end says that this forward is over. */
  readonly error: Writable;
  readonly podName: string;
  readonly podUid: string;
  readonly connect: (port: number, signal: AbortSignal) => Promise<Duplex>;
  readonly signal: AbortSignal;
  /** The client has no way to say that it sends no more, so that the pod's end of the connection is the end of all. */
  readonly endsWithTarget: boolean;
}

/**
 * Joins one client stream and one connection into the pod until both directions ended. A connection that could not be made is told on the error stream. One that broke
 * later is not: today's kubectl ends the whole session, with all its other connections, for any message, and a reset is what the client's own connection shows.
 */
export async function relayPort(relay: Relay): Promise<void> {
  const abandoned = new AbortController();
  const abandon = (): void => abandoned.abort();
  relay.data.once('close', abandon);
  relay.data.on('error', () => undefined);
  relay.error.on('error', () => undefined);
  let target: Duplex;
  try {
    target = await relay.connect(relay.port, AbortSignal.any([relay.signal, abandoned.signal]));
  } catch (error) {
    const message = `error forwarding port ${relay.port} to pod ${relay.podName}, uid ${relay.podUid}: ${(error as Error).message}`;
    relay.error.end(message.slice(0, MAX_ERROR_MESSAGE));
    relay.data.resume();
    relay.data.end();
    return;
  }
  relay.data.off('close', abandon);
  target.on('error', () => undefined);
  const end = (): void => void target.destroy();
  relay.signal.addEventListener('abort', end, { once: true });
  if (relay.signal.aborted || relay.data.destroyed) end();
  corkPerTick(relay.data, target);
  const toTarget = pipeline(relay.data, target).catch(() => undefined);
  const toClient = pipeline(target, relay.data).catch(() => undefined);
  await (relay.endsWithTarget ? toClient : Promise.all([toTarget, toClient]));
  relay.signal.removeEventListener('abort', end);
  // With it goes a client's half that is still open: both are one pipeline.
  target.destroy();
  relay.error.end();
}
