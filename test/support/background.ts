import type { ChildProcess } from 'node:child_process';

/** A program that goes on while a test looks at what it prints. */
export class Background {
  readonly child: ChildProcess;
  /** The exit code, once its output has been read to the end; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly #what: string;
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcess, what: string) {
    this.child = child;
    this.#what = what;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    child.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code));
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until what it has printed on stdout matches. */
  async until(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#stdout);
      if (match !== null) return match;
      if (Date.now() > end) {
        throw new Error(`${this.#what} did not print ${pattern}, but:\n${this.#stdout}\nand:\n${this.#stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  write(text: string): void {
    this.child.stdin?.write(text);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.ended;
  }
}
