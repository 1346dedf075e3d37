import { Agent, request } from 'node:https';
import type { ConnectionOptions } from 'node:tls';

export interface ApiAnswer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  /** The body as JSON; `undefined` when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  readonly json: any;
}

export interface ApiRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array | object;
}

/** An HTTP/1.1 client of an apiserver or a kubelet that hides nothing and adds nothing. */
export class ApiClient {
  readonly #port: number;
  readonly #tls: ConnectionOptions;
  readonly #headers: Readonly<Record<string, string | string[]>>;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(port: number, tls: ConnectionOptions, headers: Readonly<Record<string, string | string[]>> = {}) {
    this.#port = port;
    this.#tls = tls;
    this.#headers = headers;
  }

  send(path: string, options: ApiRequest = {}): Promise<ApiAnswer> {
    const { body } = options;
    const plain = typeof body === 'string' || body instanceof Uint8Array;
    const bytes = body === undefined || plain ? body : JSON.stringify(body);
    const headers = { ...this.#headers, ...options.headers };
    if (bytes !== undefined) headers['content-length'] = String(Buffer.byteLength(bytes));
    if (bytes !== undefined && headers['content-type'] === undefined) headers['content-type'] = 'application/json';
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...this.#tls,
          agent: this.#agent,
          host: '127.0.0.1',
          port: this.#port,
          path,
          method: options.method ?? (bytes === undefined ? 'GET' : 'POST'),
          headers: headers as Record<string, string | string[]>,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) });
          });
        },
      );
      sent.on('error', reject);
      sent.setTimeout(20_000, () => sent.destroy(new Error(`no answer to ${path} in 20 s`)));
      sent.end(bytes);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a Kubernetes client acts upon in a refusal. */
export function refusal(answer: ApiAnswer): { code: number; reason: string; message: string } {
  const { kind, status, code, reason, message } = answer.json ?? {};
  if (kind !== 'Status' || status !== 'Failure' || code !== answer.status) {
    throw new Error(`no Status of a failure: ${answer.status} ${answer.text}`);
  }
  return { code, reason, message };
}
