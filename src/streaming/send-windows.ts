import { ProtocolError } from '../lib/errors.ts';

/** SPDY/3.1 §2.6.8: each stream and the session start with 64 KiB. */
export const DEFAULT_WINDOW_BYTES = 65_536;
const MAX_WINDOW_BYTES = 0x7f_ff_ff_ff;

/**
 * How much the peer lets us send. moby/spdystream, which every Kubernetes client is built on, keeps no windows: it neither sends nor heeds WINDOW_UPDATE, and a sender
 * that waited for one would stall after 64 KiB. So windows are counted from the start and heeded from the moment at which the peer shows that it keeps them: by
 * a WINDOW_UPDATE or by SETTINGS with an initial window.
 */
export class SendWindows {
  #kept = false;
  #initial = DEFAULT_WINDOW_BYTES;
  #session = DEFAULT_WINDOW_BYTES;
  readonly #streams = new Map<number, number>();

  /** True once the peer showed that it keeps windows. */
  get kept(): boolean {
    return this.#kept;
  }

  open(streamId: number): void {
    this.#streams.set(streamId, this.#initial);
  }

  close(streamId: number): void {
    this.#streams.delete(streamId);
  }

  /** Bytes that may be sent on the stream now. */
  available(streamId: number): number {
    if (!this.#kept) return Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min(this.#session, this.#streams.get(streamId) ?? 0));
  }

  sent(streamId: number, bytes: number): void {
    this.#session -= bytes;
    const window = this.#streams.get(streamId);
    if (window !== undefined) this.#streams.set(streamId, window - bytes);
  }

  /** A WINDOW_UPDATE; stream 0 is the session. Throws `ProtocolError` when a window overflows. */
  update(streamId: number, delta: number): void {
    this.#kept = true;
    if (streamId === 0) {
      this.#session = grown(this.#session, delta);
      return;
    }
    const window = this.#streams.get(streamId);
    if (window !== undefined) this.#streams.set(streamId, grown(window, delta));
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE: shifts the windows of all open streams, not the session's. */
  setInitial(bytes: number): void {
    if (bytes > MAX_WINDOW_BYTES) throw new ProtocolError('SPDY SETTINGS: an initial window beyond 2^31 - 1');
    this.#kept = true;
    const shift = bytes - this.#initial;
    this.#initial = bytes;
    for (const [streamId, window] of this.#streams) this.#streams.set(streamId, window + shift);
  }
}

function grown(window: number, delta: number): number {
  if (window + delta > MAX_WINDOW_BYTES) throw new ProtocolError('SPDY WINDOW_UPDATE: a window beyond 2^31 - 1');
  return window + delta;
}
