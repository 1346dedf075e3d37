/** SPDY/3.1's initial window; and how much of it must be consumed before it is worth a WINDOW_UPDATE. */
const UPDATE_BYTES = 32_768;

interface Receiving {
  readonly id: number;
  readonly destroyed: boolean;
}

/**
 * Gives a peer that keeps windows the room back that its bytes took, when they were consumed. Peers that keep none are never sent a WINDOW_UPDATE: moby/spdystream
 * has no use for it.
 */
export class ReceiveCredit {
  readonly #send: (streamId: number, delta: number) => void;
  readonly #received = new Map<Receiving, { total: number; credited: number }>();
  #session = 0;
  #kept = false;

  /** `send` sends a WINDOW_UPDATE; stream 0 is the session. */
  constructor(send: (streamId: number, delta: number) => void) {
    this.#send = send;
  }

  /** We announced windows, so the peer counts. */
  keep(): void {
    this.#kept = true;
  }

  received(stream: Receiving, bytes: number): void {
    const state = this.#received.get(stream);
    if (state === undefined) this.#received.set(stream, { total: bytes, credited: 0 });
    else state.total += bytes;
  }

  /** Bytes for a stream that is gone. */
  discarded(bytes: number, peerKeeps: boolean): void {
    this.#session += bytes;
    this.#flushSession(peerKeeps);
  }

  /**
   * The consumer asks for more, so that at most its stream's high-water mark waits; or the stream is gone and what it held with it. (Node asks before it hands out what
   * waits, and not again after: what waits cannot be subtracted here.)
   */
  consumed(stream: Receiving, peerKeeps: boolean): void {
    const state = this.#received.get(stream);
    if (state === undefined) return;
    const delta = state.total - state.credited;
    if (stream.destroyed) this.#received.delete(stream);
    else if (delta < UPDATE_BYTES) return;
    state.credited += delta;
    this.#session += delta;
    if (!stream.destroyed && (this.#kept || peerKeeps)) this.#send(stream.id, delta);
    this.#flushSession(peerKeeps);
  }

  #flushSession(peerKeeps: boolean): void {
    if (this.#session < UPDATE_BYTES || !(this.#kept || peerKeeps)) return;
    this.#send(0, this.#session);
    this.#session = 0;
  }
}
