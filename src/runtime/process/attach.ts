import type { Writable } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';
import type { AttachOptions, ProcessStreams } from '../runtime.ts';
import type { Container } from './container.ts';
import { ATTACHED_CLIENTS } from './limits.ts';

/** Joins the container's own standard streams. Several clients may; each has its own copy of the output. */
export function attachToContainer(container: Container, options: AttachOptions, signal: AbortSignal): ProcessStreams {
  const { config } = container.record;
  const { output } = container;
  if (!container.running || output === undefined)
    throw new CausewayError('NotFound', `container "${config.name}" is not running`);
  if (container.attached >= ATTACHED_CLIENTS)
    throw new CausewayError(
      'TooManyRequests',
      `container "${config.name}" has ${ATTACHED_CLIENTS} attached clients already`,
    );
  signal.throwIfAborted();
  const stdout = options.stdout ? output.tap('stdout') : undefined;
  const stderr = options.stderr && !config.tty ? output.tap('stderr') : undefined;
  const stdin: Writable | undefined = options.stdin && config.stdin ? container.input.writable() : undefined;
  for (const stream of [stdout, stderr, stdin]) stream?.on('error', () => undefined);
  container.attached += 1;
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    container.attached -= 1;
    signal.removeEventListener('abort', close);
    stdin?.end();
    stdout?.destroy();
    stderr?.destroy();
  };
  signal.addEventListener('abort', close, { once: true });
  const exited = container.exited.then((end) => {
    // The taps end by themselves when all output is read.
    stdin?.destroy();
    return end;
  });
  return {
    stdin,
    stdout,
    stderr,
    exited,
    close,
    resize: (columns, rows) => {
      if (config.tty) container.resize(columns, rows);
    },
  };
}
