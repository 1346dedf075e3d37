import type { ConnectionOptions, TLSSocket } from 'node:tls';

/**
 * Who a client is and whom it trusts. `tls()` is asked anew for each connection, so that renewed certificates and a changed
 * trust bundle count from the next one on; it must hold `ca` and must never switch verification off.
 */
export interface ClientCredentials {
  tls(): ConnectionOptions;
  /** Asked for each request. */
  bearerToken?(): string | undefined;
  /** Called once for each connection whose handshake succeeded: the evidence for the catalogue of paths. */
  connected?(socket: TLSSocket): void;
  /** How the server is verified, where it is told of it: in a header of each request (`pki/peer-verification.ts`). */
  readonly serverVerifiedBy?: string;
  /** Calls `listener` when the certificate or the trust has been renewed: the client then moves to a new connection. */
  onRenewed?(listener: () => void): () => void;
}
