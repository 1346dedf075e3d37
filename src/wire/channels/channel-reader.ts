import { ProtocolError } from '../../lib/errors.ts';
import type { WebSocketFrame } from '../websocket/frame-parser.ts';
import { CLOSE_SIGNAL } from './channel-message.ts';

export type ChannelEvent =
  | { readonly type: 'data'; readonly channel: number; readonly payload: Buffer }
  | { readonly type: 'close'; readonly channel: number };

/** Splits a WebSocket's messages, piece by piece, into channels. */
export class ChannelReader {
  readonly #closeSignal: boolean;
  #channel: number | undefined;
  #signal: number[] = [];

  /** `closeSignal`: the protocol is v5. Without it 255 is a channel as any other that nobody has. */
  constructor(options: { readonly closeSignal: boolean }) {
    this.#closeSignal = options.closeSignal;
  }

  /** undefined: nothing for any channel in this piece. Throws `ProtocolError`. */
  read(piece: WebSocketFrame & { readonly type: 'data' }): ChannelEvent | undefined {
    if (piece.kind === 'text')
      throw new ProtocolError('channel.k8s.io: a text message; only binary ones are spoken here');
    let payload = piece.payload;
    if (piece.start) {
      this.#channel = undefined;
      this.#signal = [];
    }
    if (this.#channel === undefined && payload.length > 0) {
      this.#channel = payload[0]!;
      payload = payload.subarray(1);
    }
    const channel = this.#channel;
    if (channel === undefined) return undefined;
    if (channel === CLOSE_SIGNAL && this.#closeSignal) return this.#readSignal(payload, piece.end);
    return payload.length === 0 ? undefined : { type: 'data', channel, payload };
  }

  #readSignal(payload: Buffer, end: boolean): ChannelEvent | undefined {
    if (this.#signal.length + payload.length > 1)
      throw new ProtocolError('v5.channel.k8s.io: a CLOSE signal is 2 bytes');
    this.#signal.push(...payload);
    if (!end) return undefined;
    const channel = this.#signal[0];
    if (channel === undefined) throw new ProtocolError('v5.channel.k8s.io: a CLOSE signal is 2 bytes');
    return { type: 'close', channel };
  }
}
