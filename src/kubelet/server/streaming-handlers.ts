import type { Duplex } from 'node:stream';
import { CausewayError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { acceptPortForward } from '../../streaming/port-forward.ts';
import { parsePorts } from '../../streaming/port-forward-options.ts';
import { acceptRemoteCommand } from '../../streaming/remote-command.ts';
import type { RemoteCommandSession } from '../../streaming/remote-command-session.ts';
import { internalErrorStatus } from '../../streaming/remote-command-status.ts';
import { type RemoteProcess, runRemoteCommand } from '../../streaming/run-remote-command.ts';
import type { UpgradeRequest } from '../../streaming/upgrade.ts';
import { type CommandQuery, parseCommandQuery, queryOf } from './command-query.ts';
import type { PortForwardRoute, RemoteCommandRoute } from './kubelet-routes.ts';
import type { PodProvider, ServedContainer, ServedPod } from './pod-provider.ts';

export interface StreamingDependencies {
  readonly pods: PodProvider;
  readonly runtime: Pick<Runtime, 'exec' | 'attach' | 'portForward'>;
  readonly log: Log;
  readonly idleTimeoutMs?: number;
}

/** One upgrade that was admitted. `endSignal` ends it: the node stops, or the client's credential has ended. */
export interface AdmittedUpgrade {
  readonly request: UpgradeRequest;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly endSignal: AbortSignal;
}

/** Serves exec or attach to its end. Throws `CausewayError` while the request can still be refused, and `UpgradeRefused` once it was. */
export async function serveRemoteCommand(
  dependencies: StreamingDependencies,
  route: RemoteCommandRoute,
  upgrade: AdmittedUpgrade,
): Promise<void> {
  const query = parseCommandQuery(queryOf(upgrade.request));
  if (route.kind === 'exec' && query.command.length === 0) {
    throw new CausewayError('BadRequest', 'you must specify a command');
  }
  const { container, id } = runningContainer(findPod(dependencies.pods, route), route);
  const { request, socket, head, endSignal } = upgrade;
  const { stdin, stdout, stderr, tty } = query;
  const session = await acceptRemoteCommand(request, socket, head, {
    stdin,
    stdout,
    stderr,
    tty,
    endSignal,
    ...idle(dependencies),
  });
  let process: RemoteProcess;
  try {
    process = await start(dependencies, route.kind, { id, container, query, session, endSignal });
  } catch (error) {
    const what = route.kind === 'exec' ? 'error executing command in container' : 'error attaching to container';
    dependencies.log.warn(what, {
      pod: `${route.namespace}/${route.pod}`,
      container: route.container,
      error: publicMessage(error),
    });
    await session.writeStatus(internalErrorStatus(`${what}: ${publicMessage(error)}`));
    await session.close();
    return;
  }
  await runRemoteCommand(session, process, { kind: route.kind, endSignal });
}

function start(
  { runtime }: StreamingDependencies,
  kind: 'exec' | 'attach',
  what: {
    readonly id: string;
    readonly container: ServedContainer;
    readonly query: CommandQuery;
    readonly session: RemoteCommandSession;
    readonly endSignal: AbortSignal;
  },
): Promise<RemoteProcess> {
  const { id, container, query, session, endSignal } = what;
  const signal = AbortSignal.any([session.signal, endSignal]);
  switch (kind) {
    case 'exec':
      return runtime.exec(id, query, signal);
    case 'attach': {
      // Whether there is a terminal was decided when the container started.
      const { stdin, stdout, stderr } = query;
      return runtime.attach(id, { stdin, stdout, stderr: stderr && !container.tty, tty: container.tty }, signal);
    }
  }
}

/** Serves port-forward to its end; throws as `serveRemoteCommand` does. */
export async function servePortForward(
  dependencies: StreamingDependencies,
  route: PortForwardRoute,
  upgrade: AdmittedUpgrade,
): Promise<void> {
  const query = queryOf(upgrade.request);
  const ports = parsePorts([...query.getAll('port'), ...query.getAll('ports')]);
  const pod = findPod(dependencies.pods, route);
  const { sandboxId } = pod;
  if (sandboxId === undefined) throw new NotRunning(`pod not found (${JSON.stringify(fullName(pod))})`);
  const { request, socket, head, endSignal } = upgrade;
  await acceptPortForward(request, socket, head, {
    podName: pod.name,
    podUid: pod.uid,
    ports,
    connect: (port, signal) => dependencies.runtime.portForward(sandboxId, port, signal),
    endSignal,
    ...idle(dependencies),
  });
}

function findPod(pods: PodProvider, route: RemoteCommandRoute | PortForwardRoute): ServedPod {
  const pod = pods.find(route.namespace, route.pod);
  if (pod === undefined || (route.uid !== undefined && route.uid !== (pod.mirrorUid ?? pod.uid))) {
    throw new CausewayError('NotFound', 'pod does not exist');
  }
  return pod;
}

function runningContainer(
  pod: ServedPod,
  { kind, container: name }: RemoteCommandRoute,
): { readonly container: ServedContainer; readonly id: string } {
  const container = pod.containers.find((candidate) => candidate.name === name);
  if (container?.running !== undefined) return { container, id: container.running.id };
  throw new NotRunning(
    kind === 'exec'
      ? `container not found (${JSON.stringify(name)})`
      : `container ${name} not found in pod ${fullName(pod)}`,
  );
}

function fullName({ name, namespace }: ServedPod): string {
  return `${name}_${namespace}`;
}

/** What is asked for does not run now. Kubernetes' kubelet answers that with 500; it is no fault of this one. */
export class NotRunning extends CausewayError {
  constructor(message: string) {
    super('InternalError', message);
  }
}

function idle({ idleTimeoutMs }: StreamingDependencies): { readonly idleTimeoutMs?: number } {
  return idleTimeoutMs === undefined ? {} : { idleTimeoutMs };
}

/** Only what is meant for callers goes out. */
function publicMessage(error: unknown): string {
  return error instanceof CausewayError ? error.message : 'the runtime failed';
}
