import type { Readable, Writable } from 'node:stream';
import type { TerminalSize } from '../wire/channels/resize-reader.ts';
import type { RemoteCommandProtocol } from '../wire/channels/stream-protocols.ts';
import type { RemoteCommandStatus } from './remote-command-status.ts';
import type { SessionTimeouts } from './session-options.ts';

/** Which streams the request asks for. With a TTY there is no stderr. */
export interface RemoteCommandOptions extends SessionTimeouts {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  /** Ends the session as if the client had gone. */
  readonly endSignal?: AbortSignal;
  /** How long a SPDY client may take to open its streams. */
  readonly creationTimeoutMs?: number;
}

/** One exec or attach as the client sees it, whatever the protocol. */
export interface RemoteCommandSession {
  /** `undefined`: a WebSocket client that named none; it gets what `channel.k8s.io` gets. */
  readonly protocol: RemoteCommandProtocol | undefined;
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** The sizes of the client's terminal; the latest wins, so sizes that nobody took are skipped. Ends with the session. */
  readonly resizes: AsyncIterable<TerminalSize>;
  /** Aborts when the client is gone before `close` was called. */
  readonly signal: AbortSignal;
  /** Sends how it ended, after everything that was written to stdout and stderr. Resolves when it was handed to the socket. */
  writeStatus(status: RemoteCommandStatus): Promise<void>;
  /** Ends the session in order: waits for what was written to be flushed, and for the client to close, or for 10 s. */
  close(): Promise<void>;
}
