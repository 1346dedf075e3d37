import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';

/** A connection on which a test writes bytes that no client library would. */
export class RawConnection {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    const wake = (): void => {
      for (const check of this.#waiting) check();
    };
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      wake();
    });
    const ended = (): void => {
      this.#ended = true;
      wake();
    };
    socket.on('end', ended).on('close', ended);
    socket.on('error', () => undefined);
  }

  static tls(port: number, options: ConnectionOptions): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket: TLSSocket = connectTls({ host: '127.0.0.1', port, ALPNProtocols: ['http/1.1'], ...options });
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        socket.off('error', reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  static tcp(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connectTcp({ host: '127.0.0.1', port });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  get bytes(): Buffer {
    return this.#received;
  }

  /** One character for each byte. */
  get text(): string {
    return this.#received.toString('latin1');
  }

  get ended(): boolean {
    return this.#ended;
  }

  write(bytes: string | Uint8Array): this {
    if (this.socket.writable) this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    return this;
  }

  /** Waits until the peer has ended the connection; answers everything that it said. */
  async closed(timeoutMs = 10_000): Promise<string> {
    await this.#until(() => this.#ended, timeoutMs, 'the peer did not end the connection');
    return this.text;
  }

  /** Waits until what came matches. */
  async until(pattern: RegExp, timeoutMs = 10_000): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    const check = (): boolean => {
      match = pattern.exec(this.text);
      return match !== null || this.#ended;
    };
    await this.#until(check, timeoutMs, `nothing came that matches ${pattern}`);
    if (match === null) throw new Error(`the peer ended the connection and had not said ${pattern}, but: ${this.text}`);
    return match;
  }

  async #until(check: () => boolean, timeoutMs: number, what: string): Promise<void> {
    if (check()) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(again);
      };
      const again = (): void => {
        if (!check()) return;
        settle();
        resolve();
      };
      const timer = setTimeout(() => {
        settle();
        reject(new Error(`${what} within ${timeoutMs} ms, but: ${this.text.slice(0, 2_000)}`));
      }, timeoutMs);
      this.#waiting.add(again);
    });
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export interface HttpAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** The HTTP/1.1 answers in what a connection said, one after the other; those that are cut short are left out. */
export function answersIn(text: string): HttpAnswer[] {
  const answers: HttpAnswer[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(rest)?.[1];
    if (end < 0 || status === undefined) return answers;
    const head = rest.slice(0, end + 2);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? rest.length - end - 4);
    answers.push({ status: Number(status), head, body: rest.slice(end + 4, end + 4 + length) });
    rest = rest.slice(end + 4 + length);
  }
}
