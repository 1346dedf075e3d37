/** Ctrl-C under `npm run` comes twice: from the terminal to everybody in it, and once more from npm. */
const ONE_SIGNAL_MS = 200;

/** The first SIGINT or SIGTERM asks to stop, the second to hurry, the third ends the process as it is. */
export function stopSignals(): {
  readonly asked: Promise<void>;
  /** Aborts when `asked` resolves. */
  readonly stopping: AbortSignal;
  readonly hurry: AbortSignal;
} {
  const asked = Promise.withResolvers<void>();
  const stopping = new AbortController();
  const hurry = new AbortController();
  let times = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      const isEcho = now - last < ONE_SIGNAL_MS;
      last = now;
      if (isEcho) return;
      times++;
      if (times === 1) {
        asked.resolve();
        stopping.abort();
      } else if (times === 2) hurry.abort();
      else process.exit(130);
    });
  }
  return { asked: asked.promise, stopping: stopping.signal, hurry: hurry.signal };
}
