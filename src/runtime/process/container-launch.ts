import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CausewayError } from '../../lib/errors.ts';
import { type EntryContext, sharesPidNamespace, startCommand } from './entry.ts';
import { tell } from './fifo.ts';
import { START_DEADLINE_MS } from './limits.ts';
import { type MountExpectation, mountProblem, readMountTable } from './mount-table.ts';
import { type Pipe, type PipePool, readPipe } from './pipe-pool.ts';
import { identify, isAlive, type ProcessIdentity, processTree } from './process-identity.ts';
import { TOOL_ENVIRONMENT } from './run-tool.ts';
import { SHIM } from './scripts.ts';
import { withSealedStdio } from './sealed-stdio.ts';

/** Milliseconds for bubblewrap to build the container's root. */
const BUILD_MS = 3_000;

/** Starts the shell that tends the container, which starts everything else. Its FIFOs are in place. */
export async function spawnShim(entry: EntryContext, pool: PipePool, stateDirectory: string): Promise<ProcessIdentity> {
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
    const shim = child.pid === undefined ? undefined : identify(child.pid);
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

  /** `found` gets the container's first process as soon as it is known. */
  async complete(expectation: MountExpectation, found: (init: ProcessIdentity) => void): Promise<string | undefined> {
    const { directory } = this.#entry;
    const over = new AbortController();
    const deadline = AbortSignal.any([over.signal, AbortSignal.timeout(START_DEADLINE_MS)]);
    const info = new LineReader(join(directory, 'info'));
    const start = new LineReader(join(directory, 'start'));
    try {
      const gone = this.#goneBefore(deadline);
      const told = await Promise.race([info.match(/"child-pid": (\d+),?$/m), gone]);
      const init = told === undefined ? undefined : this.#findInit(Number(told[1]));
      if (init === undefined) return this.#failure();
      found(init);
      const problem = await verifyMounts(init, expectation, deadline);
      if (problem !== undefined) return this.#lastWords() ?? problem;
      tell(join(directory, 'go'), 'g');
      const answer = await Promise.race([start.match(/^(started|error \d+ .*)$/m), gone]);
      if (answer === undefined) return this.#failure();
      return answer[1] === 'started' ? undefined : answer[1]?.replace(/^error \d+ /, '');
    } finally {
      over.abort();
      info.close();
      start.close();
    }
  }

  async #goneBefore(deadline: AbortSignal): Promise<undefined> {
    // The exit file is the shim's last word before it waits; a shim that was killed leaves none.
    while (!deadline.aborted && isAlive(this.#shim) && !existsSync(join(this.#entry.directory, 'exit')))
      await delay(20, undefined, { ref: false });
    // What it said before it went may be in the pipe still.
    await delay(30, undefined, { ref: false });
    return undefined;
  }

  /** The kernel numbers processes by namespace; bubblewrap names its child by its own. */
  #findInit(told: number): ProcessIdentity | undefined {
    if (!sharesPidNamespace(this.#entry.sandbox)) return identify(told);
    const pid = processTree(this.#shim.pid).find((candidate) => {
      try {
        const status = readFileSync(`/proc/${candidate}/status`, 'latin1');
        const numbers = /^NSpid:\t(.*)$/m.exec(status)?.[1]?.split('\t');
        return numbers !== undefined && numbers.length > 1 && Number(numbers.at(-1)) === told;
      } catch {
        return false;
      }
    });
    return pid === undefined ? undefined : identify(pid);
  }

  #failure(): string {
    return `the container could not be started: ${this.#lastWords() ?? (isAlive(this.#shim) ? 'it took too long' : 'it ended before its command began')}`;
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
  let problem: string | undefined = 'it did not come up';
  const until = performance.now() + BUILD_MS;
  while (!deadline.aborted && performance.now() < until && isAlive(init)) {
    try {
      problem = mountProblem(readMountTable(init.pid), expectation);
    } catch {
      problem = 'its mounts cannot be read';
    }
    if (problem === undefined) return undefined;
    await delay(1);
  }
  return `the container was not started: ${problem}`;
}

/** Collects what comes through a FIFO until it matches. */
class LineReader {
  readonly #source: Socket;
  #text = '';

  constructor(path: string) {
    this.#source = readPipe(path);
    this.#source.on('error', () => undefined);
  }

  match(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      this.#source.on('data', (chunk: Buffer) => {
        this.#text = (this.#text + chunk.toString('utf8')).slice(-8192);
        const found = pattern.exec(this.#text);
        if (found !== null) resolve(found);
      });
    });
  }

  close(): void {
    this.#source.destroy();
  }
}
