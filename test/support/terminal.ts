import { type IPty, spawn } from '@lydell/node-pty';
import type { KubectlVersion } from './cluster.ts';

export interface TerminalOptions {
  readonly version?: KubectlVersion;
  readonly columns?: number;
  readonly rows?: number;
}

/** A program in a pseudo-terminal, as a person runs it. */
export class Terminal {
  readonly #pty: IPty;
  readonly exited: Promise<number>;
  #text = '';

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv, options: TerminalOptions) {
    this.#pty = spawn(program, [...args], {
      name: 'xterm',
      cols: options.columns ?? 80,
      rows: options.rows ?? 24,
      env,
    });
    this.#pty.onData((data) => {
      this.#text += data;
    });
    this.exited = new Promise((resolve) => this.#pty.onExit(({ exitCode }) => resolve(exitCode)));
  }

  get text(): string {
    return this.#text;
  }

  write(text: string): void {
    this.#pty.write(text);
  }

  resize(columns: number, rows: number): void {
    this.#pty.resize(columns, rows);
  }

  async until(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match !== null) return match;
      if (Date.now() > end) throw new Error(`the terminal did not show ${pattern}, but:\n${this.#text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  kill(): void {
    this.#pty.kill('SIGKILL');
  }
}
