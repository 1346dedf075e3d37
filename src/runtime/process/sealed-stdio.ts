import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';

const CLOSE_ON_EXEC = 0o2000000;

/** Descriptors above 2 that a new process would inherit: what this process itself was started with, or a native library opened so. */
function inheritable(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => {
      if (fd <= 2) return false;
      try {
        const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
        return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
      } catch {
        return false;
      }
    });
}

/**
 * Completes a `stdio` option so that nothing else of this process reaches the new one: an open file of Causeway in a container would be
 * a way around every wall. Node can neither close nor mark a descriptor, so each that would leak is covered by `/dev/null`.
 */
export function withSealedStdio<T>(
  wanted: readonly ('ignore' | 'pipe' | number)[],
  use: (stdio: ('ignore' | 'pipe' | number)[]) => T,
): T {
  const stdio = [...wanted];
  const leaks = inheritable().filter((fd) => fd >= wanted.length);
  if (leaks.length === 0) return use(stdio);
  const nothing = openSync('/dev/null', 'r');
  try {
    for (const fd of leaks) {
      while (stdio.length < fd) stdio.push('ignore');
      stdio[fd] = nothing;
    }
    return use(stdio);
  } finally {
    closeSync(nothing);
  }
}
