import type { Duplex } from 'node:stream';

/** Where a stream shall end. `host` is a literal IP address: a name is resolved once, before the dialer, and checked. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  /** The node whose traffic this is; a tunnel carries only its own node's. */
  readonly nodeName: string;
}

/** A dialer returns raw bytes and nothing else: TLS runs end to end above it. */
export interface Dialer {
  readonly via: 'direct' | 'ssh' | 'reverse';
  /** Throws `BadGateway` (refused, unreachable) or `Timeout`. `signal` cancels the dial, not the stream that it returned. */
  dial(destination: Destination, signal: AbortSignal): Promise<Duplex>;
  /** Waits for nothing: ends every open stream. */
  close(): Promise<void>;
}
