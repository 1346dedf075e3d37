import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CausewayError } from '../../lib/errors.ts';
import { type EntryContext, sharesPidNamespace, startCommand } from './entry.ts';
import { readNow, tell } from './fifo.ts';
import { START_DEADLINE_MS } from './limits.ts';
import { type MountExpectation, mountProblem, mountTableText, parseMountTable } from './mount-table.ts';
import { type Pipe, type PipePool, readPipe } from './pipe-pool.ts';
import { identify, identifyChild, isAlive, type ProcessIdentity, processTree } from './process-identity.ts';
import { TOOL_ENVIRONMENT } from './run-tool.ts';
import { SHIM } from './scripts.ts';
import { withSealedStdio } from './sealed-stdio.ts';

/** Milliseconds and looks without any change, after which a root that is not what was asked for is not on its way to be. */
const SETTLED_MS = 3_000;
const SETTLED_LOOKS = 100;
/** Milliseconds between two looks at a root that is being built: at first, and later. */
const LOOK_MS = { first: 1, later: 20 };

/** Starts the shell that tends the container, which starts everything else. Its FIFOs are in place. Nothing is started after `signal`. */
export async function spawnShim(
  entry: EntryContext,
  pool: PipePool,
  stateDirectory: string,
  signal: AbortSignal,
): Promise<ProcessIdentity> {
  const { host, container, directory } = entry;
  const { stdin } = container.config;
  const pipes: Pipe[] = [];
  const errors = openSync(join(directory, 'launch.log'), 'w', 0o600);
  try {
    for (const name of SHIM_PIPES) {
      if (name === 'stdin' && !stdin) continue;
      const pipe = await pool.take();
      pipes.push(pipe);
      if (host.root && name.startsWith('std')) pipe.giveTo(container.user);
    }
    signal.throwIfAborted();
    const command = ['-c', SHIM, 'shim', directory, stdin ? 'stdin' : '-', ...startCommand(entry)];
    const child = withSealedStdio(['ignore', 'ignore', errors, ...pipes.map(({ both }) => both)], (stdio) =>
      spawn(host.tools.path('sh'), command, {
        stdio,
        detached: true,
        cwd: '/',
        env: { ...TOOL_ENVIRONMENT, CAUSEWAY_STATE: stateDirectory },
      }),
    );
    child.on('error', () => undefined);
    child.unref();
    const shim = identifyChild(child);
    if (shim === undefined) throw new CausewayError('InternalError', 'the container could not be started: no process');
    return shim;
  } finally {
    closeSync(errors);
    for (const pipe of pipes) pipe.close();
  }
}

/** The descriptors of the shim from 3 up; what they hold is there for whoever opens it by the shim's pid, also after a restart. */
const SHIM_PIPES = ['stdout', 'stderr', 'status', 'ack', 'stdin'] as const;

export function shimPipe(shim: ProcessIdentity, name: (typeof SHIM_PIPES)[number]): string {
  // The shim's own standard input is the reading end of the container's.
  return `/proc/${shim.pid}/fd/${name === 'stdin' ? 0 : 3 + SHIM_PIPES.indexOf(name)}`;
}

/**
 * From the shim's first step to the command's:
 *
 *   bubblewrap ── info: pid ──▶ Causeway looks at the mounts ── go ──▶ setpriv, sh ── start: started | error ──▶ Causeway
 *
 * Answers undefined when the command runs, otherwise what went wrong.
 */
export class Launch {
  readonly #entry: EntryContext;
  readonly #shim: ProcessIdentity;

  constructor(entry: EntryContext, shim: ProcessIdentity) {
    this.#entry = entry;
    this.#shim = shim;
  }

  /** `signal` calls it off; the caller kills what there is of it. */
  async complete(
    expectation: MountExpectation,
    tellers: {
      /** Gets the container's first process as soon as it is known. */
      readonly found: (init: ProcessIdentity) => void;
      /** The command may run from now on. */
      readonly begins: () => void;
    },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { directory } = this.#entry;
    const over = new AbortController();
    const deadline = AbortSignal.any([over.signal, signal, AbortSignal.timeout(START_DEADLINE_MS)]);
    const info = new LineReader(join(directory, 'info'));
    const start = new LineReader(join(directory, 'start'));
    try {
      const gone = this.#goneBefore(deadline);
      const told = await info.match(/"child-pid": (\d+),?$/m, gone);
      const init = told === undefined ? undefined : this.#findInit(Number(told[1]));
      if (init === undefined) return this.#failure(signal);
      tellers.found(init);
      const problem = await verifyMounts(init, expectation, deadline);
      if (problem !== undefined) return signal.aborted ? this.#failure(signal) : (this.#lastWords() ?? problem);
      if (signal.aborted) return this.#failure(signal);
      tellers.begins();
      tell(join(directory, 'go'), 'g');
      const answer = await start.match(/^(started|error \d+ .*)$/m, gone);
      if (answer === undefined) return this.#failure(signal);
      return answer[1] === 'started' ? undefined : answer[1]?.replace(/^error \d+ /, '');
    } finally {
      over.abort();
      info.close();
      start.close();
    }
  }

  async #goneBefore(deadline: AbortSignal): Promise<void> {
    // The exit file is the shim's last word before it waits; a shim that was killed leaves none.
    while (!deadline.aborted && isAlive(this.#shim) && !existsSync(join(this.#entry.directory, 'exit')))
      await delay(20, undefined, { ref: false });
  }

  /** The kernel numbers processes by namespace; bubblewrap names its child by its own. */
  #findInit(told: number): ProcessIdentity | undefined {
    if (!sharesPidNamespace(this.#entry.sandbox)) return identify(told);
    return processTree(this.#shim).find(({ pid }) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'latin1');
        const numbers = /^NSpid:\t(.*)$/m.exec(status)?.[1]?.split('\t');
        return numbers !== undefined && numbers.length > 1 && Number(numbers.at(-1)) === told;
      } catch {
        return false;
      }
    });
  }

  #failure(signal: AbortSignal): string {
    if (signal.aborted) return 'the container was stopped while it started';
    const ended = !isAlive(this.#shim) || existsSync(join(this.#entry.directory, 'exit'));
    return `the container could not be started: ${this.#lastWords() ?? (ended ? 'it ended before its command began' : 'it took too long')}`;
  }

  #lastWords(): string | undefined {
    try {
      const line = readFileSync(join(this.#entry.directory, 'launch.log'), 'utf8').trim().split('\n').at(-1);
      return line === undefined || line === '' ? undefined : line.replace(/^bwrap: /, '');
    } catch {
      return undefined;
    }
  }
}

/** Nothing runs in the container before its mounts are seen to be what was asked for. */
async function verifyMounts(
  init: ProcessIdentity,
  expectation: MountExpectation,
  deadline: AbortSignal,
): Promise<string | undefined> {
  let problem = 'it did not come up';
  let before = '';
  let settledAt = performance.now();
  let looks = 0;
  while (!deadline.aborted && isAlive(init)) {
    let table = '';
    try {
      table = mountTableText(init.pid);
      const found = mountProblem(parseMountTable(table), expectation);
      if (found === undefined) return undefined;
      problem = found;
    } catch {
      problem = 'its mounts cannot be read';
    }
    if (table !== before) [before, settledAt, looks] = [table, performance.now(), 0];
    else if (++looks > SETTLED_LOOKS && performance.now() - settledAt > SETTLED_MS) break;
    await delay(looks < SETTLED_LOOKS ? LOOK_MS.first : LOOK_MS.later);
  }
  return `the container was not started: ${problem}`;
}

/** Collects what comes through a FIFO until it matches. */
class LineReader {
  readonly #path: string;
  readonly #source: Socket;
  #text = '';
  #look: () => void = () => undefined;

  constructor(path: string) {
    this.#path = path;
    this.#source = readPipe(path);
    this.#source.on('error', () => undefined);
    this.#source.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  #take(chunk: Buffer): void {
    this.#text = (this.#text + chunk.toString('utf8')).slice(-8192);
    this.#look();
  }

  /** Undefined when nothing that matches was written until `end` resolved. */
  match(pattern: RegExp, end: Promise<void>): Promise<RegExpExecArray | undefined> {
    return new Promise((resolve, reject) => {
      this.#look = () => {
        const found = pattern.exec(this.#text);
        if (found !== null) resolve(found);
      };
      this.#look();
      end
        .then(() => {
          // Who has ended may have written just before: that is in the FIFO still, whatever this process was busy with.
          this.#take(readNow(this.#path));
          resolve(undefined);
        })
        .catch(reject);
    });
  }

  close(): void {
    this.#source.destroy();
  }
}
