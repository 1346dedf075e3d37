import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { CausewayError } from '../../lib/errors.ts';
import type { ExecOptions, ProcessStreams } from '../runtime.ts';
import type { Container } from './container.ts';
import { execCommand } from './entry.ts';
import { EXECS_PER_CONTAINER } from './limits.ts';
import type { Pipe } from './pipe-pool.ts';
import { identifyChild, isAlive, killTree } from './process-identity.ts';
import { TOOL_ENVIRONMENT } from './run-tool.ts';
import type { RuntimeContext } from './runtime-context.ts';
import { withSealedStdio } from './sealed-stdio.ts';

/** Milliseconds without output after the end, before a pipe that a background process still holds is closed. */
const LINGER_MS = 1_000;

/** One stream between Causeway and the process. */
interface Strand {
  readonly ours: Socket;
  readonly theirs: number;
  readonly pipe: Pipe;
}

interface Strands {
  readonly stdin: Strand | undefined;
  readonly stdout: Strand | undefined;
  readonly stderr: Strand | undefined;
  readonly control: Strand | undefined;
}

async function strand(context: RuntimeContext, container: Container, direction: 'in' | 'out'): Promise<Strand> {
  const pipe = await context.pipes.take();
  if (context.host.root) pipe.giveTo(container.record.user);
  const ours = direction === 'in' ? pipe.writer() : pipe.reader();
  ours.on('error', () => undefined);
  return { ours, theirs: pipe.end(direction === 'in' ? 'read' : 'write'), pipe };
}

/** Only the process holds its ends from now on, so that each stream ends when it should. */
function release(strands: readonly Strand[]): void {
  for (const { theirs, pipe } of strands) {
    closeSync(theirs);
    pipe.close();
  }
}

/** Runs a command with the rights, namespaces, limits and environment of a running container. */
export async function execInContainer(
  context: RuntimeContext,
  container: Container,
  options: ExecOptions,
  signal: AbortSignal,
): Promise<ProcessStreams> {
  const { name } = container.record.config;
  if (options.command.length === 0)
    throw new CausewayError('BadRequest', 'you must specify at least one command for the container');
  if (options.command.some((word) => word.includes('\0')))
    throw new CausewayError('BadRequest', 'a command cannot hold a NUL character');
  checkRunning(container);
  if (container.sessions.full)
    throw new CausewayError(
      'TooManyRequests',
      `container "${name}" runs ${EXECS_PER_CONTAINER} exec'd processes already`,
    );
  const leave = container.sessions.take();
  const made: Strand[] = [];
  const open = async (wanted: boolean, direction: 'in' | 'out'): Promise<Strand | undefined> => {
    if (!wanted) return undefined;
    const one = await strand(context, container, direction);
    made.push(one);
    return one;
  };
  try {
    const strands: Strands = {
      stdin: await open(options.stdin, 'in'),
      stdout: await open(options.stdout || options.tty, 'out'),
      stderr: await open(options.stderr && !options.tty, 'out'),
      control: await open(options.tty, 'in'),
    };
    signal.throwIfAborted();
    checkRunning(container);
    return run(context, container, options, { signal, strands, leave });
  } catch (error) {
    leave();
    for (const { ours } of made) ours.destroy();
    throw error;
  } finally {
    release(made);
  }
}

function checkRunning(container: Container): void {
  const { init, config } = container.record;
  if (!container.running || init === undefined || !isAlive(init))
    throw new CausewayError('NotFound', `container "${config.name}" is not running`);
}

function run(
  context: RuntimeContext,
  container: Container,
  options: ExecOptions,
  { signal, strands, leave }: { readonly signal: AbortSignal; readonly strands: Strands; readonly leave: () => void },
): ProcessStreams {
  const [file = '', ...args] = execCommand(container.entry, options.command, options.tty);
  const all = Object.values(strands).filter((entry) => entry !== undefined);
  const end = (entry: Strand | undefined): number | 'ignore' => entry?.theirs ?? 'ignore';
  const wanted = [end(strands.stdin), end(strands.stdout), end(strands.stderr), end(strands.control)];
  const child = withSealedStdio(wanted, (stdio) =>
    spawn(file, args, {
      stdio,
      detached: true,
      cwd: '/',
      env: { ...TOOL_ENVIRONMENT, CAUSEWAY_STATE: context.stateDirectory },
    }),
  );
  const identity = identifyChild(child);
  const kill = async (): Promise<void> => {
    if (identity !== undefined && child.exitCode === null && child.signalCode === null) await killTree(identity);
  };
  const close = (): void => {
    kill().catch((error: unknown) => {
      context.log.warn('a process of exec could not be ended', { error: String(error) });
    });
    for (const { ours } of all) ours.destroy();
  };
  const ended = container.sessions.add(kill);
  signal.addEventListener('abort', close, { once: true });
  const exited = exitOf(child).finally(() => {
    ended();
    leave();
    signal.removeEventListener('abort', close);
    strands.stdin?.ours.destroy();
    strands.control?.ours.destroy();
    for (const output of [strands.stdout, strands.stderr]) if (output !== undefined) endWhenQuiet(output.ours);
  });
  exited.catch(() => undefined);
  if (!options.stdout) strands.stdout?.ours.resume();
  return {
    stdin: strands.stdin?.ours,
    stdout: options.stdout ? strands.stdout?.ours : undefined,
    stderr: strands.stderr?.ours,
    exited,
    close,
    resize: (columns, rows) => {
      const control = strands.control?.ours;
      if (control !== undefined && !control.destroyed) control.write(`${columns} ${rows}\n`);
    },
  };
}

function exitOf(child: ChildProcess): Promise<{ exitCode: number }> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new CausewayError('InternalError', 'the command could not be started', { cause: error })),
    );
    child.once('exit', (code, signal) => resolve({ exitCode: code ?? 128 + signalNumber(signal) }));
  });
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === 'SIGKILL' ? 9 : signal === 'SIGTERM' ? 15 : 1;
}

/** A process in the background that inherited the pipe must not keep the session open for ever. */
function endWhenQuiet(source: Socket): void {
  let seen = -1;
  const timer = setInterval(() => {
    if (source.destroyed || source.readableEnded) {
      clearInterval(timer);
      return;
    }
    // What the reader has not taken yet must not be lost.
    if (source.bytesRead === seen && source.readableLength === 0) {
      clearInterval(timer);
      source.push(null);
    }
    seen = source.bytesRead;
  }, LINGER_MS);
  timer.unref();
  source.once('close', () => clearInterval(timer));
}
