import type { Duplex } from 'node:stream';

/** The head of an HTTP response, and what was read behind it. For tests. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly head: Buffer;
}

/** Reads the answer to an upgrade. */
export async function readResponseHead(socket: Duplex): Promise<ResponseHead> {
  let bytes: Buffer = Buffer.alloc(0);
  const end = await new Promise<number>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const at = bytes.indexOf('\r\n\r\n');
      if (at < 0) return;
      socket.off('data', onData);
      socket.pause();
      resolve(at);
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error('closed before an answer')));
  });
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  return { status: Number(statusLine.split(' ')[1]), headers, head: bytes.subarray(end + 4) };
}

/** A refusal: its status, headers and body. */
export async function readRefusal(
  socket: Duplex,
): Promise<{ readonly status: number; readonly headers: ReadonlyMap<string, string>; readonly body: string }> {
  const { status, headers, head } = await readResponseHead(socket);
  const chunks = [head];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  if (!socket.readableEnded) await new Promise<void>((resolve) => socket.once('end', resolve));
  return { status, headers, body: Buffer.concat(chunks).toString() };
}
