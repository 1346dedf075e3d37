import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { sleep } from '../lib/deadline.ts';
import { corkPerTick } from './cork-per-tick.ts';
import { DISCONNECT_GRACE_MS } from './limits.ts';
import type { RemoteCommandSession } from './remote-command-session.ts';
import { exitStatus, internalErrorStatus, type RemoteCommandStatus } from './remote-command-status.ts';

/** What runs at the other end; the runtime's `ProcessStreams` has this shape. */
export interface RemoteProcess {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  resize(columns: number, rows: number): void;
  readonly exited: Promise<{ readonly exitCode: number }>;
  /** Ends the streams; an exec'd process is killed, an attached container goes on. */
  close(): void;
}

/**
 * Joins a session and a process until the process ended and all its output was sent, then sends the status and closes the session. When the client goes away
 * first, the process sees the end of its stdin and may finish what it does; after `DISCONNECT_GRACE_MS` it is closed. Resolves when both are closed. Never rejects.
 */
export async function runRemoteCommand(
  session: RemoteCommandSession,
  process: RemoteProcess,
  options: {
    readonly kind: 'exec' | 'attach';
    readonly disconnectGraceMs?: number;
    /** Closes the process at once, without grace: the node stops, or the client's credential ended. */
    readonly endSignal?: AbortSignal;
  },
): Promise<void> {
  void pumpStdin(session.stdin, process.stdin);
  const outputs = Promise.all([pump(process.stdout, session.stdout), pump(process.stderr, session.stderr)]);
  void followResizes(session, process);
  const ended = finish(process, outputs, options.kind);
  const gone = session.signal.aborted ? Promise.resolve() : once(session.signal, 'abort').then(() => undefined);
  const status = await Promise.race([ended, gone]);
  if (status !== undefined) {
    await session.writeStatus(status);
  } else {
    await atMost(options.disconnectGraceMs ?? DISCONNECT_GRACE_MS, ended, options.endSignal);
  }
  process.close();
  await session.close();
}

async function atMost(ms: number, ended: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  const enough = new AbortController();
  const either = signal === undefined ? enough.signal : AbortSignal.any([enough.signal, signal]);
  await Promise.race([ended, sleep(ms, either)]);
  enough.abort();
}

async function finish(
  process: RemoteProcess,
  outputs: Promise<unknown>,
  kind: 'exec' | 'attach',
): Promise<RemoteCommandStatus> {
  try {
    const { exitCode } = await process.exited;
    await outputs;
    return kind === 'exec' ? exitStatus(exitCode) : exitStatus(0);
  } catch (error) {
    const what = kind === 'exec' ? 'error executing command in container' : 'error attaching to container';
    return internalErrorStatus(`${what}: ${(error as Error).message}`);
  }
}

/** The end of the client's input becomes the end of the process's; a process that closed its stdin makes the client stop sending. */
async function pumpStdin(from: Readable | undefined, to: Writable | undefined): Promise<void> {
  if (to === undefined) {
    from?.destroy();
    return;
  }
  if (from === undefined) {
    to.end();
    return;
  }
  to.on('error', () => undefined);
  corkPerTick(from, to);
  from.pipe(to);
  to.once('close', () => from.destroy());
  await ended(from);
  // Also when the client left in the middle: what it sent is handed over, and then the process sees the end.
  to.end();
}

/** Output that the client did not ask for, or does not take any more, is read and thrown away, so that the process does not stand still. */
async function pump(from: Readable | undefined, to: Writable | undefined): Promise<void> {
  if (from === undefined) {
    to?.end();
    return;
  }
  from.on('error', () => undefined);
  if (to === undefined) {
    from.resume();
    await ended(from);
    return;
  }
  from.pipe(to);
  to.once('close', () => {
    if (from.readableEnded) return;
    from.unpipe(to);
    from.resume();
  });
  await ended(from);
  if (!to.writableFinished && !to.destroyed)
    await Promise.race([once(to, 'finish'), once(to, 'close')]).catch(() => undefined);
}

async function ended(stream: Readable): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return;
  await new Promise<void>((resolve) => {
    stream.once('end', resolve);
    stream.once('close', resolve);
  });
}

async function followResizes(session: RemoteCommandSession, process: RemoteProcess): Promise<void> {
  for await (const { columns, rows } of session.resizes) {
    try {
      process.resize(columns, rows);
    } catch {
      // The process ended between; its status says so.
    }
  }
}
