import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { LOG_FILE_BYTES, LOG_FILES, LOG_LINE_BYTES } from './limits.ts';

export type OutputStream = 'stdout' | 'stderr';

const NEWLINE = 0x0a;

/**
 * A container's log in CRI's format, `<RFC 3339 with nanoseconds> <stream> <F|P> <line>` (kubernetes/design-proposals, CRI logging).
 * Written at once and synchronously: what was read from the pipe is in the file before anything else can happen to this process.
 * Rotated by size as kubelet does: `0.log` becomes `0.log.20261124-080000`. Where the disk is full, lines are lost, as with containerd: the
 * container goes on, and so does this process.
 */
export class ContainerLog {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #maxFiles: number;
  readonly #unfinished: Record<OutputStream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  readonly #failed: (error: unknown) => void;
  #failing = false;
  #fd: number | undefined;
  #size = 0;
  #lastStamp = { ms: 0, sub: 0 };

  /** `failed` is told when lines begin to be lost, once until one is written again. */
  constructor(
    path: string,
    clock: Clock,
    failed: (error: unknown) => void,
    limits: { maxBytes?: number; maxFiles?: number } = {},
  ) {
    this.#path = path;
    this.#clock = clock;
    this.#failed = failed;
    this.#maxBytes = limits.maxBytes ?? LOG_FILE_BYTES;
    this.#maxFiles = limits.maxFiles ?? LOG_FILES;
  }

  /** Takes output as it comes; a line is written when it is complete or too long. */
  write(stream: OutputStream, chunk: Buffer): void {
    const lines: string[] = [];
    const head = this.#head(stream);
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#line(lines, head, stream, chunk.subarray(start, end));
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(lines, head, stream, chunk.subarray(start));
    this.#append(lines);
  }

  /** The stream ended: a last line without a newline is a line. */
  end(stream: OutputStream): void {
    if (this.#unfinished[stream].length === 0) return;
    const lines: string[] = [];
    this.#line(lines, this.#head(stream), stream, Buffer.alloc(0));
    this.#append(lines);
  }

  /** Nothing more comes from this process. What was read of a line is there as a part of it: the next one to write goes on with it. */
  close(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const part = this.#unfinished[stream];
      if (part.length === 0) continue;
      this.#unfinished[stream] = Buffer.alloc(0);
      this.#append([`${this.#head(stream)}P ${part.toString('latin1')}\n`]);
    }
    this.#closeFile();
  }

  #closeFile(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #head(stream: OutputStream): string {
    return `${this.#stamp()} ${stream} `;
  }

  /** Nanoseconds are counted up within one millisecond, so that stamps of one log never repeat or go back. */
  #stamp(): string {
    const ms = this.#clock.now();
    if (ms > this.#lastStamp.ms) this.#lastStamp = { ms, sub: 0 };
    else this.#lastStamp.sub += 1;
    const at = new Date(this.#lastStamp.ms).toISOString().slice(0, 23);
    return `${at}${String(Math.min(this.#lastStamp.sub, 999_999)).padStart(6, '0')}Z`;
  }

  #line(lines: string[], head: string, stream: OutputStream, rest: Buffer): void {
    const before = this.#unfinished[stream];
    let line = before.length === 0 ? rest : Buffer.concat([before, rest]);
    if (before.length > 0) this.#unfinished[stream] = Buffer.alloc(0);
    while (line.length > LOG_LINE_BYTES) {
      lines.push(`${head}P ${line.toString('latin1', 0, LOG_LINE_BYTES)}\n`);
      line = line.subarray(LOG_LINE_BYTES);
    }
    lines.push(`${head}F ${line.toString('latin1')}\n`);
  }

  #keep(lines: string[], head: string, stream: OutputStream, rest: Buffer): void {
    let kept = Buffer.concat([this.#unfinished[stream], rest]);
    while (kept.length > LOG_LINE_BYTES) {
      lines.push(`${head}P ${kept.toString('latin1', 0, LOG_LINE_BYTES)}\n`);
      kept = kept.subarray(LOG_LINE_BYTES);
    }
    this.#unfinished[stream] = Buffer.from(kept);
  }

  #append(lines: readonly string[]): void {
    if (lines.length === 0) return;
    const bytes = Buffer.from(lines.join(''), 'latin1');
    try {
      let fd = this.#fd ?? this.#open();
      if (this.#size > 0 && this.#size + bytes.length > this.#maxBytes) fd = this.#rotate();
      this.#writeLines(fd, bytes);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#failed(error);
      this.#failing = true;
      this.#closeFile();
    }
  }

  /** Of what does not fit, whole lines at most: the next one that does begins a line. */
  #writeLines(fd: number, bytes: Buffer): void {
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(fd, bytes, written);
    } finally {
      const whole = written === 0 ? 0 : bytes.lastIndexOf(NEWLINE, written - 1) + 1;
      if (whole < written) ftruncateSync(fd, this.#size + whole);
      this.#size += whole;
    }
  }

  #open(): number {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 });
    this.#fd = openSync(this.#path, 'a', 0o640);
    this.#size = fstatSync(this.#fd).size;
    return this.#fd;
  }

  #rotate(): number {
    this.#closeFile();
    const at = new Date(this.#clock.now()).toISOString().replaceAll(/[-:]/g, '').replace('T', '-').slice(0, 15);
    const rotated = this.rotatedFiles();
    const last = rotated.at(-1) ?? '';
    // Later than every other in the order of names, also within one second.
    const again = last.startsWith(`${this.#path}.${at}`)
      ? Number(last.slice(this.#path.length + at.length + 2)) + 1
      : 0;
    const name = `${this.#path}.${at}${again === 0 ? '' : `.${String(again).padStart(6, '0')}`}`;
    renameSync(this.#path, name);
    const old = [...rotated, name].sort();
    for (const path of old.slice(0, Math.max(0, old.length - (this.#maxFiles - 1)))) unlinkSync(path);
    return this.#open();
  }

  /** Files that were rotated away, oldest first. */
  rotatedFiles(): string[] {
    const directory = dirname(this.#path);
    const prefix = `${basename(this.#path)}.`;
    return readdirSync(directory)
      .filter((name) => name.startsWith(prefix))
      .sort()
      .map((name) => join(directory, name));
  }
}
