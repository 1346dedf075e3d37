import { Duplex } from 'node:stream';
import { ChannelReader } from '../wire/channels/channel-reader.ts';
import type { MessagePiece, WebSocketConnection } from './websocket-connection.ts';

/** What a channel needs of its connection. */
interface ChannelLink {
  send(channel: number, chunks: readonly Buffer[], done: () => void): void;
  drained(stream: ChannelStream): void;
}

/** Who sends on a channel, seen from us. */
export type ChannelDirection = 'read' | 'write' | 'both';

/**
 * One channel of a WebSocket. Kubernetes' servers never signal the end of a channel (its clients do not know that signal): the peer learns it from the status message or
 * the connection's end.
 */
export class ChannelStream extends Duplex {
  readonly channel: number;
  readonly direction: ChannelDirection;
  readonly #link: ChannelLink;
  #endReceived = false;

  constructor(link: ChannelLink, channel: number, direction: ChannelDirection) {
    super({ allowHalfOpen: true, emitClose: true, readableHighWaterMark: 65_536, writableHighWaterMark: 65_536 });
    this.#link = link;
    this.channel = channel;
    this.direction = direction;
    this.on('error', () => undefined);
    // After its end Node asks for no more, so that what waited is known to be taken only now.
    this.once('end', () => link.drained(this));
    if (direction === 'read') this.end();
    if (direction === 'write') {
      this.deliverEnd();
      this.resume();
    }
  }

  /** For the connection: bytes that the peer sent. */
  deliver(payload: Buffer): void {
    if (!this.#endReceived && !this.destroyed) this.push(payload);
  }

  /** For the connection: the peer sends no more. */
  deliverEnd(): void {
    if (this.#endReceived) return;
    this.#endReceived = true;
    this.push(null);
  }

  override _read(): void {
    this.#link.drained(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#link.send(this.channel, [chunk], callback);
  }

  override _writev(chunks: { readonly chunk: Buffer }[], callback: () => void): void {
    this.#link.send(
      this.channel,
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#link.drained(this);
    callback(error);
  }
}

/** The channels of one WebSocket. Data for a channel that is not read, or that nobody has, is thrown away, as Kubernetes does. */
export class ChannelStreams {
  readonly #connection: WebSocketConnection;
  readonly #reader: ChannelReader;
  readonly #streams: ReadonlyMap<number, ChannelStream>;

  /** `closeSignal`: the protocol is v5, in which the client says when it sends no more on a channel. */
  constructor(
    connection: WebSocketConnection,
    options: { readonly channels: ReadonlyMap<number, ChannelDirection>; readonly closeSignal: boolean },
  ) {
    this.#connection = connection;
    this.#reader = new ChannelReader(options);
    const link: ChannelLink = {
      send: (channel, chunks, done) => connection.send(chunks, channel, done),
      drained: (stream) => connection.gate.relieved(stream),
    };
    this.#streams = new Map(
      Array.from(options.channels, ([channel, direction]) => [channel, new ChannelStream(link, channel, direction)]),
    );
    void connection.ended.then(() => this.#onEnd());
  }

  /** The stream of a channel that was opened. */
  stream(channel: number): ChannelStream {
    const stream = this.#streams.get(channel);
    if (stream === undefined) throw new RangeError(`channel ${channel} is not open`);
    return stream;
  }

  /** For the connection's `onData`. Throws `ProtocolError`. */
  receive(piece: MessagePiece): void {
    const event = this.#reader.read(piece);
    if (event === undefined) return;
    const stream = this.#streams.get(event.channel);
    if (stream === undefined || stream.direction === 'write' || stream.destroyed) return;
    if (event.type === 'close') {
      stream.deliverEnd();
      return;
    }
    stream.deliver(event.payload);
    this.#connection.gate.received(stream, this.#streams.values());
  }

  /** Before v5 the connection's end is the only way to end stdin, so what was received is still read to its end. */
  #onEnd(): void {
    for (const stream of this.#streams.values()) {
      stream.deliverEnd();
      if (stream.direction === 'write') stream.destroy();
    }
  }
}
