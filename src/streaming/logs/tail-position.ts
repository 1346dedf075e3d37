import type { FileHandle } from 'node:fs/promises';
import { isFullLine } from './cri-log-filter.ts';
import type { LogFile } from './log-files.ts';
import { READ_BYTES } from './log-options.ts';

const NEWLINE = 0x0a;

export interface LogPosition {
  /** Index into the files that were given. */
  readonly file: number;
  readonly offset: number;
}

/**
 * Where the last `lines` lines of the container's output begin; several lines of the file that are parts of one long line count as one. Reads backwards from the
 * newest file's end.
 */
export async function tailPosition(files: readonly LogFile[], lines: number): Promise<LogPosition> {
  if (lines === 0) return { file: files.length - 1, offset: await endOf(files.at(-1)!.handle) };
  // The line that ends just before the wanted ones is the (lines + 1)th from the end.
  let left = lines + 1;
  for (let file = files.length - 1; file >= 0; file--) {
    const { handle } = files[file]!;
    const found = await backwards(handle, left, file === files.length - 1);
    if (found.offset !== undefined) return { file, offset: found.offset };
    left = found.left;
  }
  return { file: 0, offset: 0 };
}

async function endOf(handle: FileHandle): Promise<number> {
  const { size } = await handle.stat();
  return size;
}

/** The offset after the `left`th full line from the end; or, where there are not so many, how many were missing. */
async function backwards(
  handle: FileHandle,
  left: number,
  newest: boolean,
): Promise<{ readonly offset?: number; readonly left: number }> {
  let blockEnd = await endOf(handle);
  let rest: Buffer = Buffer.alloc(0);
  let missing = left;
  let first = newest;
  while (blockEnd > 0) {
    const blockStart = Math.max(0, blockEnd - READ_BYTES);
    const block = Buffer.allocUnsafe(blockEnd - blockStart + rest.length);
    await readFully(handle, block.subarray(0, blockEnd - blockStart), blockStart);
    rest.copy(block, blockEnd - blockStart);
    let lineEnd = block.length;
    // The line that begins before this block is looked at with the next one.
    for (;;) {
      const newline = lineEnd < 2 ? -1 : block.lastIndexOf(NEWLINE, lineEnd - 2);
      if (newline < 0 && blockStart > 0) break;
      const lineStart = newline + 1;
      if (lineEnd > lineStart) {
        const complete = block[lineEnd - 1] === NEWLINE;
        const full = isFullLine(block, lineStart, lineEnd);
        // What is at the very end and not complete is a line too: one that is being written.
        if ((full && complete) || (first && !(full && complete))) missing -= 1;
        first = false;
        if (missing === 0) return { offset: blockStart + lineEnd, left: 0 };
      }
      lineEnd = lineStart;
      if (lineEnd === 0) break;
    }
    rest = block.subarray(0, lineEnd);
    blockEnd = blockStart;
  }
  return { left: missing };
}

async function readFully(handle: FileHandle, into: Buffer, position: number): Promise<void> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await handle.read(into, filled, into.length - filled, position + filled);
    if (bytesRead === 0) throw new Error('a log file became shorter while it was read');
    filled += bytesRead;
  }
}
