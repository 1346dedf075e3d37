import type { Readable } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';
import type { SpdyStream } from '../../streaming/spdy-stream.ts';
import type { ExecOptions, ProcessStreams } from '../runtime.ts';
import { openStreamSession } from './stream-upgrade.ts';

/** The version of the remote command protocol in which the error stream carries a `Status` (k8s.io/apimachinery). */
const PROTOCOL = 'v4.channel.k8s.io';

type Wanted = Omit<ExecOptions, 'command'>;

export interface RemoteSession extends Omit<ProcessStreams, 'exited'> {
  /** How the process ended, by the runtime's word; rejects when it could not be run, or the connection broke. */
  readonly exitCode: Promise<number>;
}

/** Joins what the runtime runs behind `url`: the streams of exec and attach, over SPDY/3.1, which has half-close. */
export async function joinRemoteProcess(url: string, wanted: Wanted, signal: AbortSignal): Promise<RemoteSession> {
  const connection = await openStreamSession(url, PROTOCOL, signal);
  const close = (): void => connection.destroy();
  signal.addEventListener('abort', close, { once: true });
  void connection.closed.then(() => signal.removeEventListener('abort', close));
  try {
    const open = (type: string): SpdyStream => connection.openStream(new Map([['streamtype', [type]]]));
    // The runtime begins when it has all of them.
    const error = open('error');
    // From now on: what it says may come with the answer to its opening.
    const exitCode = endOf(error);
    exitCode.catch(() => undefined);
    const stdin = wanted.stdin ? open('stdin') : undefined;
    const stdout = wanted.stdout ? open('stdout') : undefined;
    const stderr = wanted.stderr && !wanted.tty ? open('stderr') : undefined;
    const resize = wanted.tty ? open('resize') : undefined;
    // We send nothing on these: when the runtime has ended its half too, there is nothing left to say.
    for (const stream of [error, stdout, stderr]) stream?.end();
    const streams = [error, stdin, stdout, stderr, resize].filter((stream) => stream !== undefined);
    await Promise.all(streams.map(({ accepted }) => accepted));
    // Nothing comes on these two.
    stdin?.resume();
    resize?.resume();
    return {
      stdin,
      stdout,
      stderr,
      exitCode,
      resize: (columns, rows) => {
        if (resize?.writable === true) resize.write(JSON.stringify({ Width: columns, Height: rows }));
      },
      close,
    };
  } catch (cause) {
    close();
    signal.throwIfAborted();
    throw cause instanceof CausewayError
      ? cause
      : new CausewayError('BadGateway', 'the container runtime did not open the streams', { cause });
  }
}

/** What the error stream says at the end: nothing or `Success` for 0, a cause `ExitCode`, or why it could not be run. */
async function endOf(error: Readable): Promise<number> {
  const text = await whole(error);
  if (text === '') throw new CausewayError('BadGateway', 'the connection to the container runtime ended');
  const status = parsed(text);
  if (status.status === 'Success') return 0;
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
  if (cause !== undefined) return Number(cause.message);
  throw new CausewayError('InternalError', withoutPrefix(status.message ?? text));
}

/** All that came before the stream ended: containerd resets it behind what it says. */
async function whole(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => stream.once('end', resolve).once('close', resolve));
  return Buffer.concat(chunks).toString();
}

interface Status {
  readonly status?: string;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly reason: string; readonly message: string }[] };
}

function parsed(text: string): Status {
  try {
    return JSON.parse(text) as Status;
  } catch {
    return { message: text };
  }
}

/** Who shows it says that again. */
function withoutPrefix(message: string): string {
  return message
    .replace(/^Internal error occurred: /, '')
    .replace(/^error (executing command in|attaching to) container: /, '');
}
