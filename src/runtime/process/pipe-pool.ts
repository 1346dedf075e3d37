import { spawn } from 'node:child_process';
import { closeSync, constants, fchownSync, openSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { CausewayError } from '../../lib/errors.ts';
import { START_DEADLINE_MS } from './limits.ts';
import { identify, type ProcessIdentity, signalProcess, untilGone } from './process-identity.ts';
import { TOOL_ENVIRONMENT } from './run-tool.ts';

const BATCH = 9;
const LOW = 4;
/** What a pipe holds: pipe(7). */
const CHUNK_BYTES = 64 * 1024;

/**
 * A pipe, held open at both ends until it is closed. Node makes socket pairs for its children, on which `/dev/stdin` and `/dev/stdout`
 * cannot be opened, and with a FIFO that has a name an open waits for the other end: only a pipe behaves as programs expect.
 */
export class Pipe {
  readonly #fd: number;
  #open = true;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The descriptor with both ends, for a process that keeps the pipe alive. */
  get both(): number {
    return this.#fd;
  }

  /** Who may open it again by `/dev/stdout` and the like. */
  giveTo(owner: { readonly uid: number; readonly gid: number }): void {
    fchownSync(this.#fd, owner.uid, owner.gid);
  }

  /** A descriptor of one end, for a process. The caller closes it. */
  end(which: 'read' | 'write'): number {
    return openSync(`/proc/self/fd/${this.#fd}`, which === 'read' ? constants.O_RDONLY : constants.O_WRONLY);
  }

  reader(): Socket {
    return readPipe(`/proc/self/fd/${this.#fd}`);
  }

  writer(): Socket {
    return writePipe(`/proc/self/fd/${this.#fd}`);
  }

  close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }
}

/** The reading end as a stream, of a FIFO or of a pipe that some process has open (`/proc/<pid>/fd/<n>`). Without a writer it ends at once.
 * `take` gets each chunk, which is valid during the call only, in place of the stream. */
export function readPipe(path: string, take?: (chunk: Buffer) => void): Socket {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (take === undefined) return new Socket({ fd, readable: true, writable: false });
  const buffer = Buffer.alloc(CHUNK_BYTES);
  const onread = {
    buffer,
    callback: (length: number): boolean => {
      take(buffer.subarray(0, length));
      return true;
    },
  };
  return new Socket({ fd, readable: true, writable: false, onread });
}

/** The writing end as a stream. Throws ENXIO for a FIFO that nobody reads. */
export function writePipe(path: string): Socket {
  return new Socket({ fd: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK), readable: false, writable: true });
}

/** Each stage of a pipeline tells its pid and waits; the pipes between them are then taken over. */
const STAGE = '{ read -r pid rest </proc/self/stat; echo "$pid" >&3; read -r rest; }';

/**
 * A stage that has the signal and not yet the processor reads on: it would swallow what a container writes, or keep a pipe from ending. So
 * the pipes are used when all stages are gone, and not when they were told to go.
 */
async function endStages(stages: readonly ProcessIdentity[]): Promise<void> {
  for (const stage of stages) signalProcess(stage, 'SIGKILL');
  const gone = await Promise.all(stages.map((stage) => untilGone(stage, START_DEADLINE_MS)));
  if (gone.includes(false)) throw new CausewayError('InternalError', 'no pipes could be made');
}

/** Node cannot make a pipe, so a shell makes some in advance: as many as a pipeline has. */
export class PipePool {
  readonly #sh: string;
  #ready: Pipe[] = [];
  #filling: Promise<void> | undefined;
  #closed = false;

  constructor(sh: string) {
    this.#sh = sh;
    this.#fill().catch(() => undefined);
  }

  async take(): Promise<Pipe> {
    while (this.#ready.length === 0) await this.#fill();
    const pipe = this.#ready.pop();
    if (this.#ready.length < LOW) this.#fill().catch(() => undefined);
    return pipe ?? this.take();
  }

  #fill(): Promise<void> {
    if (this.#closed) return Promise.reject(new CausewayError('InternalError', 'the runtime is closed'));
    this.#filling ??= this.#make().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  async #make(): Promise<void> {
    const stages = Array.from({ length: BATCH + 1 }, () => STAGE).join(' | ');
    const child = spawn(this.#sh, ['-c', `${stages} >/dev/null`], {
      stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
      cwd: '/',
      env: TOOL_ENVIRONMENT,
      timeout: START_DEADLINE_MS,
    });
    const told = child.stdio[3];
    const made: Pipe[] = [];
    try {
      const pids = await new Promise<number[]>((resolve, reject) => {
        let text = '';
        child.once('error', reject);
        child.once('exit', () => reject(new CausewayError('InternalError', 'no pipes could be made')));
        told?.on('data', (chunk: Buffer) => {
          text += chunk.toString('latin1');
          const lines = text.split('\n').slice(0, -1);
          if (lines.length > BATCH) resolve(lines.map(Number));
        });
      });
      const stages = pids.map(identify).filter((stage) => stage !== undefined);
      for (const pid of pids) {
        const out = `/proc/${pid}/fd/1`;
        // The last stage has no pipe behind it.
        if (readlinkSync(out).startsWith('pipe:')) made.push(new Pipe(openSync(out, constants.O_RDWR)));
      }
      await endStages(stages);
      this.#ready.push(...made);
    } catch (error) {
      for (const pipe of made) pipe.close();
      throw error;
    } finally {
      child.removeAllListeners('exit');
      child.on('error', () => undefined);
      child.stdin?.on('error', () => undefined);
      child.stdin?.end();
      child.unref();
    }
  }

  /** Waits for the helpers that make pipes now. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#filling?.catch(() => undefined);
    for (const pipe of this.#ready) pipe.close();
    this.#ready = [];
  }
}
