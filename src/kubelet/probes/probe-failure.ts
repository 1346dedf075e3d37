import type { Action, ActionTarget } from './probe-action.ts';
import { resolvePort } from './probe-port.ts';

/** What errors of the network are called in the events of Kubernetes, which people search for. */
const NETWORK_ERRORS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connect: connection refused'],
  ['EHOSTUNREACH', 'connect: no route to host'],
  ['ENETUNREACH', 'connect: network is unreachable'],
  ['ETIMEDOUT', 'i/o timeout'],
]);

/** Why an action failed without an answer, in the words of Kubernetes' events; `timeoutMs` is given when its time was over. */
export function failure(
  action: Action,
  target: Pick<ActionTarget, 'container' | 'podIP'>,
  timeoutMs: number | undefined,
  error: unknown,
): string {
  const message = error instanceof Error ? error.message : String(error);
  const known = NETWORK_ERRORS.get((error as NodeJS.ErrnoException).code ?? '');
  try {
    if (action.httpGet !== undefined) {
      const { host = '', port, scheme = 'HTTP', path = '/' } = action.httpGet;
      const address = `${host === '' ? target.podIP : host}:${resolvePort(target.container, port)}`;
      const dialled = known === undefined ? message : `dial tcp ${address}: ${known}`;
      const why =
        timeoutMs === undefined
          ? dialled
          : 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
      return `Get "${scheme.toLowerCase()}://${address}${path}": ${why}`;
    }
    if (action.tcpSocket !== undefined) {
      const { host = '', port } = action.tcpSocket;
      const address = `${host === '' ? target.podIP : host}:${resolvePort(target.container, port)}`;
      return `dial tcp ${address}: ${timeoutMs === undefined ? (known ?? message) : 'i/o timeout'}`;
    }
  } catch {
    // The port has a name that nothing has: the message says so.
    return message;
  }
  if (timeoutMs === undefined) return message;
  const command = JSON.stringify((action.exec?.command ?? []).join(' '));
  return `command timed out: ${command} timed out after ${timeoutMs / 1000}s`;
}
