import type { Duplex } from 'node:stream';
import { CausewayError } from '../lib/errors.ts';
import { MAX_PORTS } from '../wire/channels/limits.ts';
import type { SessionTimeouts } from './session-options.ts';

export interface PortForwardOptions extends SessionTimeouts {
  /** For the messages that the client sees. */
  readonly podName: string;
  readonly podUid: string;
  /** The ports that the query names; a WebSocket with channels needs them, SPDY says them stream by stream. */
  readonly ports: readonly number[];
  /** Opens a connection to a port of the pod. `signal` aborts when the client does not want it any more. */
  readonly connect: (port: number, signal: AbortSignal) => Promise<Duplex>;
  /** Ends the session: every connection and the client's. */
  readonly endSignal?: AbortSignal;
  /** How long the second of two streams that belong together may take. */
  readonly creationTimeoutMs?: number;
}

/** The ports of a query such as `port=80&port=443` or `ports=80,443`. Throws `BadRequest` with Kubernetes' sentence. */
export function parsePorts(values: readonly string[]): readonly number[] {
  const ports = values.flatMap((value) => {
    if (value === '') throw new CausewayError('BadRequest', 'query parameter "port" cannot be empty');
    return value.split(',').map((text) => parsePort(text, value));
  });
  if (ports.length > MAX_PORTS)
    throw new CausewayError('BadRequest', `at most ${MAX_PORTS} ports can be forwarded at once`);
  return ports;
}

function parsePort(text: string, value: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new CausewayError('BadRequest', `unable to parse ${JSON.stringify(value)} as a port`);
  if (port === 0) throw new CausewayError('BadRequest', `port ${JSON.stringify(value)} must be > 0`);
  return port;
}
