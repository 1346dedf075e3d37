/**
 * A program of its own: runs a command under a pseudoterminal and passes bytes between that and its own standard streams.
 * Started in the mount namespace of a sandbox, so that the terminal is one of the pod's. Outlives Causeway with its container.
 *
 *   node tty-pump.ts UID GID COLUMNS ROWS COMMAND [ARGUMENT…]
 *
 * Descriptor 3 takes lines `COLUMNS ROWS`. SIGTERM ends the command by SIGKILL. The exit code is the command's own, 128 + n for signal n.
 */
import { chownSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { spawn } from '@lydell/node-pty';

/** Bytes waiting for the reader before the terminal is paused: the command then blocks in write, as on a real terminal. */
const QUEUE_BYTES = 256 * 1024;
/** Milliseconds for the last output to reach the reader. */
const DRAIN_MS = 5_000;

const [uid, gid, columns, rows, file, ...args] = process.argv.slice(2);
if (uid === undefined || gid === undefined || file === undefined) {
  writeSync(2, 'tty-pump: too few arguments\n');
  process.exit(125);
}

const terminal = spawn(file, args, {
  name: 'xterm',
  cols: Number(columns) || 80,
  rows: Number(rows) || 24,
  cwd: '/',
  // Bytes, not text: a multi-byte character may be cut anywhere.
  encoding: null,
  env: { PATH: process.env['PATH'], CAUSEWAY_STATE: process.env['CAUSEWAY_STATE'] },
});

const slave: unknown = Reflect.get(terminal, 'ptsName');
if (typeof slave === 'string') {
  try {
    // So that the container's user may open its own terminal again by name.
    chownSync(slave, Number(uid), Number(gid));
  } catch {
    // Without root it is the same user.
  }
}

const output = new Socket({ fd: 1, readable: false, writable: true });
output.on('error', () => undefined);
output.on('drain', () => terminal.resume());
terminal.onData((data: unknown) => {
  output.write(data as Buffer);
  if (output.writableLength > QUEUE_BYTES) terminal.pause();
});

const input = new Socket({ fd: 0, readable: true, writable: false });
input.on('error', () => undefined);
input.on('data', (chunk: Buffer) => terminal.write(chunk as unknown as string));

const control = new Socket({ fd: 3, readable: true, writable: false });
let line = '';
control.on('error', () => undefined);
control.on('data', (chunk: Buffer) => {
  line += chunk.toString('latin1');
  const lines = line.split('\n');
  line = (lines.pop() ?? '').slice(-32);
  for (const text of lines) {
    const match = /^(\d{1,5}) (\d{1,5})$/.exec(text);
    if (match !== null && Number(match[1]) > 0 && Number(match[2]) > 0)
      terminal.resize(Number(match[1]), Number(match[2]));
  }
});

process.on('SIGTERM', () => {
  try {
    process.kill(-terminal.pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
});
for (const signal of ['SIGHUP', 'SIGINT', 'SIGPIPE'] as const) process.on(signal, () => undefined);

terminal.onExit(({ exitCode, signal }) => {
  const code = signal !== undefined && signal !== 0 ? 128 + signal : exitCode;
  setTimeout(() => process.exit(code), DRAIN_MS).unref();
  output.end(() => process.exit(code));
});
