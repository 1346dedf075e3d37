/**
 * Reads what `strace -f -y` saw of a process that says `ACK <n>` after each acknowledgement, and tells for which of them the data file was
 * not synced: either there was no write at all since the acknowledgement before, or some of it was not on the disk.
 *
 * A write counts as on the disk when a sync of the file that began after it has returned 0, or at once when its descriptor was opened with
 * O_DSYNC. The order of LMDB, pages before the meta page that points to them, is checked too.
 */
export interface SyncReport {
  readonly acknowledged: number;
  /** The numbers of the acknowledgements that came too early. */
  readonly early: readonly number[];
  readonly syncs: number;
}

const CALL = /^(\d+) +(?:<\.\.\. )?(\w+)(?:\((\d+)<([^>]*)>| resumed>)?/;
const WRITES = new Set(['write', 'pwrite64', 'writev', 'pwritev', 'pwritev2']);
const SYNCS = new Set(['fdatasync', 'fsync', 'msync']);

export function checkSyncTrace(trace: string, dataFile: string): SyncReport {
  const dsync = new Set<string>();
  /** Unfinished calls: by thread, what to do when they return. */
  const unfinished = new Map<string, (succeeded: boolean) => void>();
  let written = false;
  let pages = 0;
  let synced = 0;
  let metaOnDisk = false;
  let syncs = 0;
  let acknowledged = 0;
  const early: number[] = [];

  const begin = (call: string, descriptor: string, file: string): ((succeeded: boolean) => void) | undefined => {
    if (file !== dataFile) return undefined;
    if (SYNCS.has(call)) {
      const covers = pages;
      return (succeeded) => {
        if (!succeeded) return;
        syncs += 1;
        synced = Math.max(synced, covers);
      };
    }
    if (!WRITES.has(call)) return undefined;
    written = true;
    if (!dsync.has(descriptor)) {
      pages += 1;
      return () => undefined;
    }
    const ordered = synced === pages;
    return (succeeded) => {
      metaOnDisk = succeeded && ordered;
    };
  };

  for (const line of trace.split('\n')) {
    const opened = /openat\(.*O_DSYNC.*= (\d+)<([^>]*)>/.exec(line);
    if (opened?.[2] === dataFile) dsync.add(opened[1] as string);
    const ack = /write\(1<[^>]*>, "ACK (\d+)\\n"/.exec(line);
    if (ack !== null) {
      acknowledged += 1;
      if (!written || synced < pages || !metaOnDisk) early.push(Number(ack[1]));
      written = false;
      metaOnDisk = false;
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
    const finish = begin(call, descriptor, file);
    if (finish === undefined) continue;
    if (line.endsWith('<unfinished ...>')) unfinished.set(thread, finish);
    else finish(/= \d+$/.test(line));
  }
  return { acknowledged, early, syncs };
}
