/** `Signal` of CRI v1 by Kubernetes' names: the value is the place in this list, counted from 1. */
const NAMES = (
  'SIGABRT SIGALRM SIGBUS SIGCHLD SIGCLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGIOT SIGKILL SIGPIPE SIGPOLL SIGPROF ' +
  'SIGPWR SIGQUIT SIGSEGV SIGSTKFLT SIGSTOP SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM ' +
  'SIGWINCH SIGXCPU SIGXFSZ SIGRTMIN'
).split(' ');

/** Undefined for what CRI has no value for. `SIGRTMIN+3` and its like follow `SIGRTMIN`. */
export function criSignal(name: string): number | undefined {
  const realTime = /^SIGRTM(IN\+|AX-|AX$)(\d*)$/.exec(name);
  if (realTime !== null) {
    const offset = Number(realTime[2]);
    // SIGRTMIN is 35, SIGRTMAX 65; each side has its half of the names between.
    if (realTime[1] === 'IN+') return offset >= 1 && offset <= 15 ? 35 + offset : undefined;
    return offset <= 14 ? 65 - offset : undefined;
  }
  const place = NAMES.indexOf(name);
  return place < 0 ? undefined : place + 1;
}
