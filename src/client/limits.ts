/** Limits of the client. Each says what it stops. */
export const limits = {
  /** Ms for the TCP and TLS handshake: stops waiting for a server that never answers. */
  connectMs: 10_000,
  /** Ms between two pings of a connection, and ms for the answer: stops watches on a path that died silently. */
  pingIntervalMs: 15_000,
  pingTimeoutMs: 10_000,
  /** Bytes that the server may send on one stream, and on one connection, before they are read. */
  streamWindowBytes: 1 << 20,
  connectionWindowBytes: 16 << 20,
  /** Streams on one connection until the server has said how many it allows. */
  assumedStreams: 100,
  /** Times that a request which the server surely did not process is sent again. */
  maxResends: 3,
  /** Ms for a request and its whole answer, watches excepted: stops a server that answers and then stalls. */
  requestMs: 30_000,
  /** Bytes of one watch event, far above an object's own limit: stops a broken server from filling memory. */
  maxWatchLineBytes: 16 << 20,
  /** Bytes of any other answer: a list of everything in a large cluster fits. */
  maxAnswerBytes: 512 << 20,
} as const;
