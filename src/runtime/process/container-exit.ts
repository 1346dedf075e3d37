import { readFileSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { shimPipe } from './container-launch.ts';
import { readPipe } from './pipe-pool.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** What the shim wrote when its container ended, and when; undefined while it has not. */
export function exitOnDisk(directory: string): { readonly code: number; readonly at: number } | undefined {
  const path = join(directory, 'exit');
  try {
    const text = readFileSync(path, 'latin1');
    return /^\d+\n$/.test(text) ? { code: Number(text), at: statSync(path).mtimeMs } : undefined;
  } catch {
    return undefined;
  }
}

/** Tells the end of one container, once: by its shim's word, or by the shim's own end. */
export class ExitWatch {
  readonly #source: Socket;
  #closed = false;

  /** `ended` gets the exit code, undefined when the shim was killed before it could say. Throws when the shim is gone already. */
  constructor(directory: string, shim: ProcessIdentity, ended: (exitCode: number | undefined) => void) {
    const source = readPipe(shimPipe(shim, 'status'));
    this.#source = source;
    const end = (exitCode: number | undefined): void => {
      if (this.#closed) return;
      this.close();
      ended(exitCode);
    };
    let text = '';
    source.on('error', () => undefined);
    source.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('latin1')).slice(-64);
      const match = /^exit (\d+)\n/m.exec(text);
      if (match !== null) end(Number(match[1]));
    });
    source.once('close', () => end(exitOnDisk(directory)?.code));
  }

  /** Nothing is told from now on. */
  close(): void {
    this.#closed = true;
    this.#source.destroy();
  }
}
