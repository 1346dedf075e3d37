/**
 * The names of the stream protocols, and how one is chosen. KEP-4006 and k8s.io/apimachinery/pkg/util/remotecommand.
 */
export const protocolV5 = 'v5.channel.k8s.io';
export const protocolV4 = 'v4.channel.k8s.io';
export const protocolV3 = 'v3.channel.k8s.io';
export const protocolV2 = 'v2.channel.k8s.io';
export const protocolV1 = 'channel.k8s.io';

export type RemoteCommandProtocol =
  | typeof protocolV5
  | typeof protocolV4
  | typeof protocolV3
  | typeof protocolV2
  | typeof protocolV1;

export interface RemoteCommandFeatures {
  /** The error stream ends with a `metav1.Status` in JSON; otherwise with plain text, or nothing on success. */
  readonly statusJson: boolean;
  /** There is a resize stream with a TTY. */
  readonly resize: boolean;
}

export const remoteCommandFeatures: Readonly<Record<RemoteCommandProtocol, RemoteCommandFeatures>> = {
  [protocolV5]: { statusJson: true, resize: true },
  [protocolV4]: { statusJson: true, resize: true },
  [protocolV3]: { statusJson: false, resize: true },
  [protocolV2]: { statusJson: false, resize: false },
  [protocolV1]: { statusJson: false, resize: false },
};

/** Over SPDY, best first. `v5` differs from `v4` over WebSocket only, and a SPDY server does not offer it. */
export const spdyRemoteCommandProtocols: readonly RemoteCommandProtocol[] = [
  protocolV4,
  protocolV3,
  protocolV2,
  protocolV1,
];

/** Over WebSocket. `v3` and `v2` are names of SPDY's alone. */
export const webSocketRemoteCommandProtocols: readonly RemoteCommandProtocol[] = [protocolV5, protocolV4, protocolV1];

/** Over SPDY: streams of data and errors by port. */
export const portForwardProtocol = 'portforward.k8s.io';
/** A WebSocket whose binary messages, joined, are the bytes of a SPDY connection that speaks `portforward.k8s.io`. */
export const portForwardTunnelProtocol = 'SPDY/3.1+portforward.k8s.io';
/** Over WebSocket, with the ports in the query. */
export const webSocketPortForwardProtocols = [protocolV5, protocolV4, protocolV1] as const;

/** Subprotocols that Kubernetes once had and that are refused by name: their payloads would need decoding and encoding. */
export function isBase64Protocol(protocol: string): boolean {
  return /^(v\d+\.)?base64\.channel\.k8s\.io$/.test(protocol);
}

/** The client's first choice that the server has. */
export function negotiate<T extends string>(client: readonly string[], server: readonly T[]): T | undefined {
  for (const name of client) {
    const found = server.find((candidate) => candidate === name);
    if (found !== undefined) return found;
  }
  return undefined;
}
