import type { AttachOptions, ContainerStatus, ExecOptions, ProcessStreams } from '../runtime.ts';
import type { CriClient } from './cri-client.ts';
import { cri } from './cri-messages.ts';
import { joinRemoteProcess } from './remote-process.ts';
import { bounded } from './stalled-reader.ts';

/** A command in a running container. */
export async function executedProcess(
  client: CriClient,
  containerId: string,
  { command, ...wanted }: ExecOptions,
  signal: AbortSignal,
): Promise<ProcessStreams> {
  signal.throwIfAborted();
  const streams = { ...wanted, stderr: wanted.stderr && !wanted.tty };
  const { url } = await client.ask(cri.exec, { containerId, cmd: command, ...streams });
  const { exitCode, ...session } = await joinRemoteProcess(url, streams, signal);
  const exited = exitCode.then((code) => {
    session.stdin?.destroy();
    return { exitCode: code };
  });
  exited.catch(() => undefined);
  return { ...session, exited };
}

/** The container's own streams. A client that does not read is cut off: the runtime would let it hold up the log. */
export async function attachedProcess(
  {
    client,
    container,
    ended,
  }: {
    readonly client: CriClient;
    readonly container: ContainerStatus;
    /** Resolves when the container runs no more. */
    readonly ended: () => Promise<ContainerStatus>;
  },
  { stdin, stdout, stderr }: AttachOptions,
  signal: AbortSignal,
): Promise<ProcessStreams> {
  signal.throwIfAborted();
  const { config, id } = container;
  const { tty } = config;
  const streams = { stdin: stdin && config.stdin, stdout, stderr: stderr && !tty, tty };
  const { url } = await client.ask(cri.attach, { containerId: id, ...streams });
  const session = await joinRemoteProcess(url, streams, signal);
  const exited = ended().then(({ exitCode }) => {
    session.stdin?.destroy();
    return { exitCode: exitCode ?? 137 };
  });
  exited.catch(() => undefined);
  return {
    stdin: session.stdin,
    stdout: session.stdout && bounded(session.stdout, session.close),
    stderr: session.stderr && bounded(session.stderr, session.close),
    resize: session.resize,
    close: session.close,
    exited,
  };
}
