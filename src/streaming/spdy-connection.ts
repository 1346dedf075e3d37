import type { Duplex } from 'node:stream';
import { ProtocolError } from '../lib/errors.ts';
import { SpdyFrameParser } from '../wire/spdy/frame-parser.ts';
import { SpdyFrameWriter } from '../wire/spdy/frame-writer.ts';
import { goawayStatus, rstStatus, type SpdyFrame, type SpdyHeaders, settingId } from '../wire/spdy/frames.ts';
import { MAX_DATA_FRAME_BYTES, MAX_STREAM_ID } from '../wire/spdy/limits.ts';
import { FrameOutput } from './frame-output.ts';
import { InputGate } from './input-gate.ts';
import {
  ANNOUNCED_WINDOW_BYTES,
  CONNECTION_BUFFER_BYTES,
  IDLE_TIMEOUT_MS,
  LINGER_MS,
  MAX_EMPTY_FRAMES,
  MAX_RESETS_PER_SECOND,
  PING_INTERVAL_MS,
} from './limits.ts';
import { ReceiveCredit } from './receive-credit.ts';
import { DEFAULT_WINDOW_BYTES, SendWindows } from './send-windows.ts';
import { SessionTimers } from './session-timers.ts';
import { SpdyStream, type SpdyStreamLink } from './spdy-stream.ts';

export interface SpdyConnectionOptions {
  /** A server's peer opens odd streams, a client's even ones. */
  readonly role: 'server' | 'client';
  /** Streams that the peer may have open at once. */
  readonly maxStreams: number;
  /** A stream that the peer opened: `reply()` or `destroy()` it. Without a handler every stream is refused. */
  readonly onStream?: (stream: SpdyStream) => void;
  /** Bytes that were read with the HTTP upgrade already. */
  readonly head?: Buffer;
  readonly idleTimeoutMs?: number;
  readonly pingIntervalMs?: number;
  /** Tell the peer that we keep windows for each stream. Not for moby/spdystream, which has none. */
  readonly announceWindows?: boolean;
}

/** One SPDY/3.1 connection over any byte stream. Ends with its socket, and ends its socket. */
export class SpdyConnection {
  /** Resolves when the socket is closed, however that came. */
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  readonly #options: SpdyConnectionOptions;
  readonly #parser = new SpdyFrameParser();
  readonly #writer = new SpdyFrameWriter();
  readonly #output: FrameOutput;
  readonly #gate: InputGate;
  readonly #windows = new SendWindows();
  readonly #credit: ReceiveCredit;
  readonly #timers: SessionTimers;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #blocked = new Map<SpdyStream, () => void>();
  readonly #pings = new Map<number, () => void>();
  #nextStreamId: number;
  #nextPingId: number;
  #lastPeerStreamId = 0;
  #peerWentAway = false;
  #closing = false;
  #emptyFrames = 0;
  #resets = { second: 0, count: 0 };
  #error: Error | undefined;
  #linger: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, options: SpdyConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#output = new FrameOutput(socket);
    this.#gate = new InputGate(socket);
    this.#nextStreamId = options.role === 'client' ? 1 : 2;
    this.#nextPingId = this.#nextStreamId;
    this.#credit = new ReceiveCredit((streamId, delta) =>
      this.#output.write(this.#writer.windowUpdate(streamId, delta)),
    );
    this.#timers = new SessionTimers({
      idleTimeoutMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
      onIdle: () => this.destroy(new Error('the session was idle for too long')),
      ping: () => this.#output.write(this.#writer.ping(this.#takePingId())),
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on('error', (error) => this.destroy(error));
    socket.on('end', () => this.destroy());
    socket.on('close', () => {
      this.destroy();
      resolve();
    });
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.resume();
    if (options.announceWindows === true) this.#announceWindows();
    if (options.head !== undefined && options.head.length > 0) this.#receive(options.head);
  }

  /** Why the connection broke; undefined when it ended in order. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Opens a stream. Wait for `stream.accepted` to know that the peer took it. */
  openStream(headers: SpdyHeaders): SpdyStream {
    if (this.#closing || this.#peerWentAway || !this.#socket.writable)
      throw new Error('the SPDY connection is closing');
    if (this.#nextStreamId > MAX_STREAM_ID) throw new Error('the SPDY connection has no stream ids left');
    const stream = new SpdyStream(this.#link, this.#nextStreamId, headers, { opened: true });
    this.#nextStreamId += 2;
    this.#streams.set(stream.id, stream);
    this.#windows.open(stream.id);
    this.#output.write(this.#writer.synStream(stream.id, headers));
    return stream;
  }

  /** Resolves when the peer answered a ping; rejects when the connection ends first. */
  async ping(): Promise<void> {
    const id = this.#takePingId();
    const answered = new Promise<void>((resolve) => this.#pings.set(id, resolve));
    this.#output.write(this.#writer.ping(id));
    await Promise.race([answered, this.closed.then(() => Promise.reject(new Error('the SPDY connection ended')))]);
  }

  /**
   * Ends in order: open streams are reset, what was written is flushed, and what the peer still sends is thrown away until it closes its side, or `LINGER_MS`
   * passed. `closed` tells when.
   */
  close(): void {
    this.#finish(goawayStatus.ok);
  }

  /** Ends at once. */
  destroy(error?: Error): void {
    this.#error ??= error;
    this.#closing = true;
    this.#timers.stop();
    clearTimeout(this.#linger);
    this.#output.abandon();
    this.#blocked.clear();
    for (const stream of this.#streams.values()) stream.tear(error);
    if (!this.#socket.destroyed) this.#socket.destroy();
  }

  #finish(status: number): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#timers.stop();
    for (const stream of this.#streams.values()) stream.destroy();
    this.#output.write(this.#writer.goaway(this.#lastPeerStreamId, status));
    this.#gate.release();
    this.#socket.end();
    this.#linger = setTimeout(() => this.destroy(), LINGER_MS).unref();
  }

  #fail(error: ProtocolError): void {
    this.#error ??= error;
    this.#finish(goawayStatus.protocolError);
  }

  #receive(chunk: Buffer): void {
    if (this.#closing) return;
    try {
      this.#parser.push(chunk);
      for (let frame = this.#parser.next(); frame !== undefined; frame = this.#parser.next()) {
        this.#handle(frame);
        if (this.#closing) return;
      }
    } catch (error) {
      if (error instanceof ProtocolError) this.#fail(error);
      else this.destroy(error as Error);
      return;
    }
    this.#gate.choked = this.#output.choked(() => {
      this.#gate.choked = false;
    });
  }

  #handle(frame: SpdyFrame): void {
    if (frame.type !== 'ping') this.#timers.active();
    switch (frame.type) {
      case 'data':
        this.#onData(frame.streamId, frame.payload, frame.fin);
        return;
      case 'syn-stream':
        this.#onSynStream(frame);
        return;
      case 'syn-reply':
        this.#streams.get(frame.streamId)?.acceptedByPeer();
        if (frame.fin) this.#streams.get(frame.streamId)?.deliverEnd();
        return;
      case 'headers':
        if (frame.fin) this.#streams.get(frame.streamId)?.deliverEnd();
        else this.#countEmpty();
        return;
      case 'rst-stream':
        this.#countReset();
        this.#streams.get(frame.streamId)?.tear();
        return;
      case 'ping':
        this.#onPing(frame.id);
        return;
      case 'goaway':
        this.#peerWentAway = true;
        if (this.#streams.size === 0) this.#finish(goawayStatus.ok);
        return;
      case 'settings':
        this.#countEmpty();
        for (const setting of frame.settings) {
          if (setting.id === settingId.initialWindowSize) this.#windows.setInitial(setting.value);
        }
        this.#resumeBlocked();
        return;
      case 'window-update':
        this.#windows.update(frame.streamId, frame.delta);
        this.#resumeBlocked();
        return;
    }
  }

  #onSynStream(frame: SpdyFrame & { readonly type: 'syn-stream' }): void {
    const peerParity = this.#options.role === 'server' ? 1 : 0;
    if (frame.streamId % 2 !== peerParity)
      throw new ProtocolError(`SPDY SYN_STREAM: stream id ${frame.streamId} is ours`);
    if (frame.streamId <= this.#lastPeerStreamId) {
      throw new ProtocolError(`SPDY SYN_STREAM: stream id ${frame.streamId} was used or passed over`);
    }
    this.#lastPeerStreamId = frame.streamId;
    if (
      this.#options.onStream === undefined ||
      this.#peerWentAway ||
      frame.unidirectional ||
      frame.associatedTo !== 0 ||
      this.#streams.size >= this.#options.maxStreams
    ) {
      this.#output.answer(this.#writer.rstStream(frame.streamId, rstStatus.refusedStream));
      return;
    }
    const stream = new SpdyStream(this.#link, frame.streamId, frame.headers, { opened: false });
    this.#streams.set(stream.id, stream);
    this.#windows.open(stream.id);
    if (frame.fin) stream.deliverEnd();
    this.#options.onStream(stream);
  }

  #onData(streamId: number, payload: Buffer, fin: boolean): void {
    if (payload.length === 0 && !fin) this.#countEmpty();
    else this.#emptyFrames = 0;
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      const lastId = streamId % 2 === this.#nextStreamId % 2 ? this.#nextStreamId - 2 : this.#lastPeerStreamId;
      if (streamId > lastId) throw new ProtocolError(`SPDY DATA: stream ${streamId} was never opened`);
      // It was open once: the peer did not know yet that it ended.
      this.#credit.discarded(payload.length, this.#windows.kept);
      return;
    }
    if (stream.endReceived) {
      this.#output.answer(this.#writer.rstStream(streamId, rstStatus.streamAlreadyClosed));
      stream.tear(new ProtocolError('SPDY DATA: after FIN'));
      return;
    }
    if (payload.length > 0) {
      this.#credit.received(stream, payload.length);
      stream.deliver(payload);
      this.#gate.received(stream, this.#streams.values());
    }
    if (fin) stream.deliverEnd();
  }

  #onPing(id: number): void {
    if (id % 2 !== this.#nextPingId % 2) {
      this.#output.answer(this.#writer.ping(id));
      return;
    }
    this.#pings.get(id)?.();
    this.#pings.delete(id);
  }

  #takePingId(): number {
    const id = this.#nextPingId;
    this.#nextPingId = id + 2 > MAX_STREAM_ID ? (id % 2) + (id % 2 === 0 ? 2 : 0) : id + 2;
    return id;
  }

  #countEmpty(): void {
    if (++this.#emptyFrames > MAX_EMPTY_FRAMES) throw new ProtocolError('SPDY: too many frames that carry nothing');
  }

  #countReset(): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#resets.second) this.#resets = { second, count: 0 };
    if (++this.#resets.count > MAX_RESETS_PER_SECOND)
      throw new ProtocolError('SPDY RST_STREAM: too many in one second');
  }

  #announceWindows(): void {
    const setting = { id: settingId.initialWindowSize, flags: 0, value: ANNOUNCED_WINDOW_BYTES };
    // The session's own window must hold what many streams leave unread, or one of them would still stop them all.
    const more = CONNECTION_BUFFER_BYTES - DEFAULT_WINDOW_BYTES;
    this.#output.write(this.#writer.settings([setting]), this.#writer.windowUpdate(0, more));
    this.#credit.keep();
  }

  #resumeBlocked(): void {
    if (this.#blocked.size === 0) return;
    const resumes = [...this.#blocked.values()];
    this.#blocked.clear();
    for (const resume of resumes) resume();
  }

  readonly #link: SpdyStreamLink = {
    sendData: (stream, chunks, done) => this.#sendData(stream, chunks, done),
    sendFin: (stream) => this.#output.write(this.#writer.dataHeader(stream.id, 0, true)),
    sendReset: (stream) => {
      if (this.#socket.writable) this.#output.answer(this.#writer.rstStream(stream.id, rstStatus.cancel));
    },
    sendReply: (stream) => this.#output.answer(this.#writer.synReply(stream.id, new Map())),
    drained: (stream) => {
      this.#gate.relieved(stream);
      this.#credit.consumed(stream, this.#windows.kept);
    },
    forget: (stream) => {
      this.#streams.delete(stream.id);
      this.#windows.close(stream.id);
      this.#blocked.delete(stream);
      this.#gate.relieved(stream);
      this.#credit.consumed(stream, this.#windows.kept);
      if (this.#peerWentAway && this.#streams.size === 0) this.#finish(goawayStatus.ok);
    },
  };

  #sendData(stream: SpdyStream, chunks: readonly Buffer[], done: () => void): void {
    const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const length = Math.min(total, MAX_DATA_FRAME_BYTES, this.#windows.available(stream.id));
    if (length === 0 && total > 0) {
      this.#blocked.set(stream, () => this.#sendData(stream, chunks, done));
      return;
    }
    this.#timers.active();
    this.#windows.sent(stream.id, length);
    const [now, later] = length === total ? [chunks, []] : split(chunks, length);
    this.#output.write(this.#writer.dataHeader(stream.id, length, false), ...now);
    this.#output.ready(later.length === 0 ? done : () => this.#sendData(stream, later, done));
  }
}

/** The first `length` bytes, and the rest. */
function split(chunks: readonly Buffer[], length: number): readonly [readonly Buffer[], readonly Buffer[]] {
  let left = length;
  for (let i = 0; ; i++) {
    const chunk = chunks[i]!;
    if (chunk.length > left) {
      return [
        [...chunks.slice(0, i), chunk.subarray(0, left)],
        [chunk.subarray(left), ...chunks.slice(i + 1)],
      ];
    }
    left -= chunk.length;
  }
}
