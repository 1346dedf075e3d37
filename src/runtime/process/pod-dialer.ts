import { type ChildProcess, spawn } from 'node:child_process';
import { connect, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { CausewayError } from '../../lib/errors.ts';
import { hasOwnNetwork } from './entry.ts';
import type { Host } from './host.ts';
import { DIAL_DEADLINE_MS, DIALER_IDLE_MS } from './limits.ts';
import { isAlive } from './process-identity.ts';
import type { SandboxRecord } from './records.ts';
import { TOOL_ENVIRONMENT } from './run-tool.ts';

const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './dial-in-pod.ts' : './dial-in-pod.js', import.meta.url),
);

interface Waiting {
  readonly resolve: (socket: Socket) => void;
  readonly reject: (code: string) => void;
}

/** One pod's helper process, there while ports are being forwarded. */
class Dialer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #gone: () => void;
  #idle: NodeJS.Timeout | undefined;
  #next = 0;

  constructor(host: Host, holder: number, gone: () => void) {
    this.#gone = gone;
    const node = [process.execPath, '--max-old-space-size=32', '--no-warnings', PROGRAM];
    this.#child = spawn(host.tools.path('nsenter'), ['--target', String(holder), '--net', '--', ...node], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      cwd: '/',
      env: TOOL_ENVIRONMENT,
    });
    this.#child.on('message', (message: { id: number; error?: string }, handle: unknown) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (handle instanceof Socket) {
        if (waiting === undefined) handle.destroy();
        else waiting.resolve(handle);
      } else {
        waiting?.reject(message.error ?? 'EIO');
      }
      this.#rest();
    });
    this.#child.on('error', () => this.close());
    this.#child.on('exit', () => this.close());
    this.#child.unref();
    this.#child.channel?.unref();
  }

  dial(port: number): Promise<Socket> {
    clearTimeout(this.#idle);
    const id = this.#next++;
    return new Promise<Socket>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.channel?.ref();
      this.#child.send({ id, port }, (error) => {
        if (error !== null) this.#waiting.get(id)?.reject('EIO');
      });
    });
  }

  #rest(): void {
    if (this.#waiting.size > 0) return;
    this.#child.channel?.unref();
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), DIALER_IDLE_MS).unref();
  }

  close(): void {
    this.#gone();
    clearTimeout(this.#idle);
    for (const { reject } of this.#waiting.values()) reject('EPIPE');
    this.#waiting.clear();
    if (this.#child.connected) this.#child.disconnect();
    this.#child.kill('SIGKILL');
  }
}

/** Connections to what listens on a pod's own loopback. */
export class PodDialers {
  readonly #host: Host;
  readonly #dialers = new Map<string, Dialer>();

  constructor(host: Host) {
    this.#host = host;
  }

  async dial(sandbox: SandboxRecord, port: number, signal: AbortSignal): Promise<Duplex> {
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      throw new CausewayError('BadRequest', `${port} is not a port`);
    signal.throwIfAborted();
    const limit = AbortSignal.any([signal, AbortSignal.timeout(DIAL_DEADLINE_MS)]);
    const dialled = hasOwnNetwork(this.#host, sandbox) ? this.#inPod(sandbox, port) : onHost(port);
    const refused = (code: string): CausewayError =>
      new CausewayError('BadGateway', `nothing answers on port ${port} of the pod: ${code}`);
    const socket = await new Promise<Socket>((resolve, reject) => {
      const abort = (): void => {
        reject(refused(signal.aborted ? 'called off' : 'it took too long'));
        dialled.then(
          (late) => late.destroy(),
          () => undefined,
        );
      };
      limit.addEventListener('abort', abort, { once: true });
      dialled
        .then(resolve, (code: unknown) => reject(refused(String(code))))
        .finally(() => limit.removeEventListener('abort', abort));
    });
    socket.allowHalfOpen = true;
    return socket;
  }

  #inPod(sandbox: SandboxRecord, port: number): Promise<Socket> {
    const { holder, id } = sandbox;
    if (holder === undefined || !isAlive(holder)) return Promise.reject('the pod is gone');
    let dialer = this.#dialers.get(id);
    if (dialer === undefined) {
      const made: Dialer = new Dialer(this.#host, holder.pid, () => {
        if (this.#dialers.get(id) === made) this.#dialers.delete(id);
      });
      dialer = made;
      this.#dialers.set(id, dialer);
    }
    return dialer.dial(port);
  }

  drop(sandboxId: string): void {
    this.#dialers.get(sandboxId)?.close();
  }

  close(): void {
    for (const dialer of [...this.#dialers.values()]) dialer.close();
  }
}

function onHost(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    socket.once('error', (error: NodeJS.ErrnoException) => reject(error.code ?? 'EIO'));
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}
