/**
 * A program of its own: runs a command on a pseudoterminal and passes bytes between that and its own standard streams. Started in the
 * mount namespace of a sandbox, so that the terminal is one of the pod's. Outlives Causeway with its container.
 *
 *   node tty-pump.ts UID GID COLUMNS ROWS COMMAND [ARGUMENT…]
 *
 * Descriptor 3 takes lines `COLUMNS ROWS`. SIGTERM ends the command by SIGKILL. The exit code is the command's own, 128 + n for signal n.
 *
 * The command gets the terminal as its standard streams, not as its controlling terminal: that the last step takes, inside of the
 * container, so that a ^C reaches what runs there and not the programs that led there.
 */
import { spawn } from 'node:child_process';
import { chownSync, closeSync, constants as files, fstatSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { ReadStream } from 'node:tty';
import * as nodePty from '@lydell/node-pty';
import { withSealedStdio } from './sealed-stdio.ts';

/** What @lydell/node-pty exports and does not type: a terminal that no process is on yet (openpty(3)). */
interface OpenTerminal {
  readonly master: ReadStream;
  readonly slave: ReadStream;
  readonly ptsName: string;
  resize(columns: number, rows: number): void;
}
type OpenPty = (options: { encoding: null; cols: number; rows: number }) => OpenTerminal;

/** Bytes waiting for the reader before the terminal is paused: the command then blocks in write, as on a real terminal. */
const QUEUE_BYTES = 256 * 1024;
/** Milliseconds for the last output: a process in the background may keep the terminal open. */
const DRAIN_MS = 300;

const [uid, gid, columns, rows, file, ...args] = process.argv.slice(2);
if (uid === undefined || gid === undefined || file === undefined) {
  writeSync(2, 'tty-pump: too few arguments\n');
  process.exit(125);
}

const open = Reflect.get(nodePty, 'open') as OpenPty;
// Bytes, not text: a multi-byte character may be cut anywhere.
const terminal = open({ encoding: null, cols: Number(columns) || 80, rows: Number(rows) || 24 });
const slave = openSync(terminal.ptsName, files.O_RDWR | files.O_NOCTTY);
// Its own stream would take the command's input away.
terminal.slave.destroy();
try {
  // So that the container's user may open its own terminal again by name.
  chownSync(terminal.ptsName, Number(uid), Number(gid));
} catch {
  // Without root it is the same user.
}
// The other side of the terminal is not for the command: it could type into its own terminal, or keep it open.
const child = withSealedStdio([slave, slave, slave], (stdio) => spawn(file, args, { stdio, cwd: '/' }));
closeSync(slave);

const screen = terminal.master;
const output = new Socket({ fd: 1, readable: false, writable: true });
output.on('error', () => undefined);
output.on('drain', () => screen.resume());
screen.on('data', (chunk: Buffer) => {
  output.write(chunk);
  if (output.writableLength > QUEUE_BYTES) screen.pause();
});
// EIO is how a terminal says that nobody has it open any more.
screen.removeAllListeners('error');
screen.on('error', () => screen.destroy());

const keyboard = screen as unknown as Socket;
// Without a standard input it is /dev/null, which is nothing to wait on.
if (fstatSync(0).isFIFO()) {
  const input = new Socket({ fd: 0, readable: true, writable: false });
  input.on('error', () => undefined);
  input.on('data', (chunk: Buffer) => {
    if (keyboard.destroyed || keyboard.write(chunk)) return;
    input.pause();
    keyboard.once('drain', () => input.resume());
  });
}

const control = new Socket({ fd: 3, readable: true, writable: false });
let line = '';
control.on('error', () => undefined);
control.on('data', (chunk: Buffer) => {
  line += chunk.toString('latin1');
  const lines = line.split('\n');
  line = (lines.pop() ?? '').slice(-32);
  for (const text of lines) {
    const match = /^(\d{1,5}) (\d{1,5})$/.exec(text);
    const [width, height] = [Number(match?.[1]), Number(match?.[2])];
    if (width > 0 && width < 65536 && height > 0 && height < 65536 && !screen.destroyed) terminal.resize(width, height);
  }
});

process.on('SIGTERM', () => child.kill('SIGKILL'));
for (const signal of ['SIGHUP', 'SIGINT', 'SIGPIPE'] as const) process.on(signal, () => undefined);

child.once('error', () => process.exit(125));
child.once('exit', (code, signal) => {
  const exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  const finish = (): void => {
    output.end(() => process.exit(exitCode));
  };
  if (screen.destroyed) finish();
  else {
    const timer = setTimeout(finish, DRAIN_MS);
    screen.once('close', () => {
      clearTimeout(timer);
      finish();
    });
  }
});
