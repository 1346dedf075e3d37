import type { Duplex } from 'node:stream';
import { MAX_WAITING_ANSWER_BYTES, OUTPUT_HIGH_WATER_BYTES } from './limits.ts';

/**
 * Writes frames of many streams to one socket and holds the streams back when the socket does not keep up. A stream's next chunk is taken only when few bytes
 * wait, and streams take turns.
 */
export class FrameOutput {
  readonly #socket: Duplex;
  #waiting: (() => void)[] = [];
  #onRelief: (() => void) | undefined;
  #answerBytes = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Sends the parts as one piece. A part is not copied and must not change. */
  write(...parts: readonly Buffer[]): void {
    if (!this.#socket.writable) return;
    this.#socket.cork();
    parts.forEach((part, i) => {
      if (i === parts.length - 1) this.#socket.write(part, this.#flushed);
      else this.#socket.write(part);
    });
    this.#socket.uncork();
  }

  /** As `write`, for a small frame that the peer made us send; these alone count as choking. */
  answer(frame: Buffer): void {
    if (!this.#socket.writable) return;
    this.#answerBytes += frame.length;
    this.#socket.write(frame, () => {
      this.#answerBytes -= frame.length;
      this.#flushed();
    });
  }

  /** Calls back, maybe at once, when more data is welcome. Never, once the socket is gone. */
  ready(callback: () => void): void {
    if (this.#socket.writableLength < OUTPUT_HIGH_WATER_BYTES && this.#waiting.length === 0) callback();
    else this.#waiting.push(callback);
  }

  /**
   * True when so many answers wait that the peer, whose frames make us answer, must be slowed down. `onRelief` is called once when that has passed. Data that waits does not
   * count: two ends that both wait for the other to read, and do not read, would wait for ever.
   */
  choked(onRelief: () => void): boolean {
    if (this.#answerBytes < MAX_WAITING_ANSWER_BYTES) return false;
    this.#onRelief = onRelief;
    return true;
  }

  /** Forgets who waits: the socket is gone. */
  abandon(): void {
    this.#waiting = [];
    this.#onRelief = undefined;
  }

  readonly #flushed = (): void => {
    while (this.#waiting.length > 0 && this.#socket.writableLength < OUTPUT_HIGH_WATER_BYTES) this.#waiting.shift()?.();
    if (this.#onRelief !== undefined && this.#answerBytes < MAX_WAITING_ANSWER_BYTES) {
      const relief = this.#onRelief;
      this.#onRelief = undefined;
      relief();
    }
  };
}
