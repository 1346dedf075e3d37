import type { LogOptions } from './log-options.ts';

const NEWLINE = 0x0a;
const SPACE = 0x20;
const COLON = 0x3a;
const FULL = 0x46;
const PARTIAL = 0x50;
/** Of `stdout` and `stderr`, which differ in their fourth byte. */
const STREAM_BYTES = 6;
/** `2026-11-24T08:00:00.000000000Z` */
const USUAL_TIME_BYTES = 30;
const UTC = 0x5a;

/*
 * A line of a CRI log (k8s.io/cri-api, "container log format"):
 *
 *   2026-11-24T08:00:00.000000000Z stdout F the text of one line
 *   2026-11-24T08:00:00.000000000Z stderr P a part of a long line, whose end follows
 *   `--- time ------------------´ stream tag[:tag…] text
 *
 * Lines are turned into output in the buffer that they came in: what goes out is never longer than what came in.
 */
export class CriLogFilter {
  readonly #timestamps: boolean;
  readonly #stream: number | undefined;
  #since: number | undefined;
  #left: number;
  /** The last text that went out ended without its line's end. */
  #insideLine = false;

  constructor(options: Pick<LogOptions, 'timestamps' | 'since' | 'limitBytes' | 'stream'>) {
    this.#timestamps = options.timestamps;
    this.#since = options.since;
    this.#left = options.limitBytes ?? Number.POSITIVE_INFINITY;
    if (options.stream !== undefined) this.#stream = options.stream.charCodeAt(3);
  }

  /** `limitBytes` is reached: nothing more comes. */
  get done(): boolean {
    return this.#left <= 0;
  }

  /**
   * The output of whole lines: `bytes` ends with a line end, or is what a writer that died left at the end of its file. Overwrites `bytes` and answers a part of it.
   * A line that is not in the format is left out, as the kubelet does.
   */
  filter(bytes: Buffer): Buffer {
    let out = 0;
    for (let start = 0; start < bytes.length && out < this.#left; ) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline;
      out = this.#line(bytes, start, end, out);
      start = end + 1;
    }
    out = Math.min(out, this.#left);
    this.#left -= out;
    return bytes.subarray(0, out);
  }

  /** Moves the text of one line to `out`; answers where the output ends then. */
  #line(bytes: Buffer, start: number, end: number, out: number): number {
    const time = endOfTime(bytes, start);
    const stream = time + 1;
    const tag = stream + STREAM_BYTES + 1;
    if (time < 0 || tag >= end || bytes[tag - 1] !== SPACE) return out;
    const partial = bytes[tag] === PARTIAL;
    const text = textStart(bytes, tag, end);
    if (text === undefined) return out;
    if (this.#stream !== undefined && bytes[stream + 3] !== this.#stream) return out;
    if (this.#since !== undefined) {
      if (!(Date.parse(bytes.toString('latin1', start, time)) >= this.#since)) return out;
      // Lines are in the order of time: the first that is late enough ends the search.
      this.#since = undefined;
    }
    let to = out;
    if (this.#timestamps && !this.#insideLine) {
      bytes.copyWithin(to, start, stream);
      to += stream - start;
    }
    bytes.copyWithin(to, text, end);
    to += end - text;
    this.#insideLine = partial;
    if (!partial) bytes[to++] = NEWLINE;
    return to;
  }
}

/** Where the text begins, behind the tags; undefined when this is no line of the format. */
function textStart(bytes: Buffer, tag: number, end: number): number | undefined {
  if (bytes[tag] !== FULL && bytes[tag] !== PARTIAL) return undefined;
  const after = tag + 1;
  if (after === end) return end;
  if (bytes[after] === SPACE) return after + 1;
  if (bytes[after] !== COLON) return undefined;
  const space = bytes.indexOf(SPACE, after);
  return space < 0 || space >= end ? end : space + 1;
}

/** True for a line, given by where it starts and ends, that completes a line of the container's output. */
export function isFullLine(bytes: Buffer, start: number, end: number): boolean {
  const time = endOfTime(bytes, start);
  const tag = time + 1 + STREAM_BYTES + 1;
  return time >= 0 && tag < end && bytes[tag] === FULL;
}

/** Where the space behind the time is; -1: nowhere. */
function endOfTime(bytes: Buffer, start: number): number {
  const usual = start + USUAL_TIME_BYTES;
  return bytes[usual] === SPACE && bytes[usual - 1] === UTC ? usual : bytes.indexOf(SPACE, start);
}
