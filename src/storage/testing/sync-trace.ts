/**
 * Reads what `strace -f -y` saw of a process that says `ACK <n>` after each acknowledgement, and tells which came too early: before a write to the
 * journal, through a descriptor that is opened for synchronous writes, had returned. Tells too what was written in the wrong order:
 *
 * - LMDB's meta page before a sync of the pages that it points to had returned 0;
 * - a journal's file from its start, before such a meta page was written after the last write to that file.
 */
export interface SyncReport {
  readonly acknowledged: number;
  /** The numbers of the acknowledgements that came too early. */
  readonly early: readonly number[];
  /** Lines of the trace that came too early. */
  readonly disordered: readonly string[];
  /** Times that a journal's file was written from its start. */
  readonly turns: number;
}

const CALL = /^(\d+) +(?:<\.\.\. )?(\w+)(?:\((\d+)<([^>]*)>| resumed>)?/;
const WRITES = new Set(['write', 'pwrite64', 'writev', 'pwritev', 'pwritev2']);
const SYNCS = new Set(['fdatasync', 'fsync', 'msync']);
/** How strace shows the beginning of a frame. What else is written to a journal only gives it its size. */
const FRAME = '"\\377\\376cwjou\\377';
const AT_START = /, 0(?:\) += \d+| <unfinished \.\.\.>)$/;

export function checkSyncTrace(trace: string, dataFile: string, journalFiles: readonly string[]): SyncReport {
  /** Descriptors for synchronous writes, with their files. */
  const synchronous = new Set<string>();
  /** Unfinished calls: by thread, what to do when they return. */
  const unfinished = new Map<string, (succeeded: boolean) => void>();
  /** Of the data file: pages written, and how many of them a sync covers. */
  let pages = 0;
  let synced = 0;
  /** Journal writes by file that no meta page followed yet. */
  const ahead = new Map<string, number>();
  let journaled = false;
  let turns = 0;
  let acknowledged = 0;
  const early: number[] = [];
  const disordered: string[] = [];

  const beginMeta = (line: string): ((succeeded: boolean) => void) => {
    if (synced !== pages) disordered.push(line);
    const covered = new Map(ahead);
    return (succeeded) => {
      if (!succeeded) return;
      for (const [file, count] of covered) ahead.set(file, (ahead.get(file) ?? 0) - count);
    };
  };
  const beginJournal = (line: string, file: string, isSynchronous: boolean): ((succeeded: boolean) => void) => {
    if (AT_START.test(line)) {
      turns += 1;
      if ((ahead.get(file) ?? 0) > 0) disordered.push(line);
    }
    ahead.set(file, (ahead.get(file) ?? 0) + 1);
    return (succeeded) => {
      journaled ||= succeeded && isSynchronous;
    };
  };
  const begin = (
    line: string,
    call: string,
    descriptor: string,
    file: string,
  ): ((succeeded: boolean) => void) | undefined => {
    const isSynchronous = synchronous.has(`${descriptor} ${file}`);
    if (journalFiles.includes(file)) {
      return WRITES.has(call) && line.includes(FRAME) ? beginJournal(line, file, isSynchronous) : undefined;
    }
    if (file !== dataFile) return undefined;
    if (SYNCS.has(call)) {
      const covers = pages;
      return (succeeded) => {
        if (succeeded) synced = Math.max(synced, covers);
      };
    }
    if (!WRITES.has(call)) return undefined;
    if (isSynchronous) return beginMeta(line);
    pages += 1;
    return undefined;
  };

  for (const line of trace.split('\n')) {
    const opened = /openat\(.*O_DSYNC.*= (\d+)<([^>]*)>/.exec(line);
    if (opened !== null) synchronous.add(`${opened[1]} ${opened[2]}`);
    const ack = /write\(1<[^>]*>, "ACK (\d+)\\n"/.exec(line);
    if (ack !== null) {
      acknowledged += 1;
      if (!journaled) early.push(Number(ack[1]));
      journaled = false;
      continue;
    }
    const match = CALL.exec(line);
    if (match === null) continue;
    const [, thread = '', call = '', descriptor = '', file = ''] = match;
    if (line.includes('resumed>')) {
      unfinished.get(thread)?.(/= \d+$/.test(line));
      unfinished.delete(thread);
      continue;
    }
    const finish = begin(line, call, descriptor, file);
    if (finish === undefined) continue;
    if (line.endsWith('<unfinished ...>')) unfinished.set(thread, finish);
    else finish(/= \d+$/.test(line));
  }
  return { acknowledged, early, disordered, turns };
}
