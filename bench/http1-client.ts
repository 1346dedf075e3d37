import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';

export interface Http1Target {
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * A keep-alive HTTP/1.1 connection that sends one JSON body after the other. It does as little as a client can, so that on a small machine the
 * server is what is measured; it reads only answers that say their length.
 */
export class Http1Client {
  readonly #socket: TLSSocket;
  #received: Buffer = Buffer.alloc(0);
  #answered: ((answer: { readonly status: number; readonly body: string }) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  static async connect(target: Http1Target): Promise<Http1Client> {
    const socket = connect({ ...target, ALPNProtocols: ['http/1.1'], minVersion: 'TLSv1.3' });
    await once(socket, 'secureConnect');
    return new Http1Client(socket);
  }

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#failed?.(error));
    socket.on('close', () => this.#failed?.(new Error('the connection closed')));
  }

  /** One request at a time. Throws unless the status is 201. */
  async post(path: string, body: string): Promise<string> {
    const answer = await new Promise<{ readonly status: number; readonly body: string }>((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
      const head = `POST ${path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: `;
      this.#socket.write(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.body.slice(0, 300)}`);
    return answer.body;
  }

  close(): void {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const head = this.#received.indexOf('\r\n\r\n');
    if (head < 0) return;
    const text = this.#received.toString('latin1', 0, head);
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
    const end = head + 4 + length;
    if (this.#received.length < end) return;
    const body = this.#received.toString('utf8', head + 4, end);
    this.#received = this.#received.subarray(end);
    this.#answered?.({ status: Number(text.slice(9, 12)), body });
  }
}
