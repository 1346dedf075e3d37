import { connect, createServer, type Socket } from 'node:net';

export interface RecordingRelay {
  readonly port: number;
  /** What each side said on each connection, in order. */
  readonly connections: readonly { readonly sent: Buffer; readonly answered: Buffer }[];
  /** Changes what the server says from now on. */
  tamper(change: ((chunk: Buffer) => Buffer) | undefined): void;
  close(): Promise<void>;
}

/** Stands between, passes everything on, and remembers it: what somebody sees who owns the network. */
export async function startRecordingRelay(to: number): Promise<RecordingRelay> {
  const connections: { sent: Buffer; answered: Buffer }[] = [];
  const sockets = new Set<Socket>();
  let change: ((chunk: Buffer) => Buffer) | undefined;
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    const record = { sent: Buffer.alloc(0), answered: Buffer.alloc(0) };
    connections.push(record);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('end', () => other.end());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      record.sent = Buffer.concat([record.sent, chunk]);
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      record.answered = Buffer.concat([record.answered, chunk]);
      client.write(change === undefined ? chunk : change(Buffer.from(chunk)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A test that fails before it closes this one must not wait for ever.
  server.unref();
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    connections,
    tamper: (next) => {
      change = next;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
