/** Limits of the HTTPS port. Each says which attack or mishap it stops; tests stand at the limit and one beyond it. */
export const limits = {
  /** Bytes of a request body, as Kubernetes': stops memory exhaustion by one request. */
  maxBodyBytes: 3 * 1024 * 1024,
  /** Ms in which what a client still sends is thrown away after it was answered, so that it can read the answer. */
  lingerMs: 500,
  /** Bytes of all request headers and the request line. An exec command travels in the URL, so Node's 16 KiB is too small. */
  maxHeaderBytes: 128 * 1024,
  /** Header lines of an HTTP/2 request: stops a flood of tiny headers. */
  maxHeaderPairs: 256,
  /** Ms until HTTP/1.1 headers must be complete: stops slow-header connections (Slowloris). */
  headersTimeoutMs: 15_000,
  /** Ms until a request that is not long-running must be answered, its body included: stops slow bodies. */
  requestTimeoutMs: 60_000,
  /** Ms that a connection without a request stays open. */
  idleTimeoutMs: 90_000,
  /** Open streams of one HTTP/2 connection, as Kubernetes'. */
  maxConcurrentStreams: 250,
  /** HTTP/2 streams that a client may reset in a burst, and then per second: stops rapid reset (CVE-2023-44487). */
  streamResetBurst: 500,
  streamResetRate: 50,
  /** MiB that one HTTP/2 connection may hold: stops buffering without end (CONTINUATION and settings floods, CVE-2024-27316). */
  maxSessionMemoryMiB: 32,
  /** Invalid frames before an HTTP/2 connection is closed. */
  maxInvalidFrames: 50,
  /** Bytes that a client may send on one HTTP/2 stream, and on one connection, before we read them. */
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 1024 * 1024,
  /** Requests under way that read, and that change something; the next gets 429. As Kubernetes' defaults. */
  maxReadsInFlight: 400,
  maxMutationsInFlight: 200,
  /** Watches, logs and streams under way at once: stops descriptor and memory exhaustion by idle streams. */
  maxLongRunning: 10_000,
  /** Unsent bytes at which a watcher counts as stuck and is ended: a slow watcher never makes the server buffer. */
  maxWatchBacklogBytes: 4 * 1024 * 1024,
  /** Bytes at which a response is compressed for a client that asks for gzip, as Kubernetes'. */
  gzipThresholdBytes: 128 * 1024,
  /** Ms that requests under way have to finish at shutdown. */
  drainMs: 3_000,
  /** Bytes of an answer of the kubelet that is not 101: it is only read to be quoted. */
  maxKubeletErrorBytes: 8 * 1024,
  /** Ms for the dial and the TLS handshake to a kubelet. */
  kubeletDialMs: 10_000,
  /** Ms from a request to the head of a kubelet's answer, the dial included: one that says nothing does not hold callers for ever. */
  kubeletAnswerMs: 15_000,
} as const;
