import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Container, ExecAction, GRPCAction, HTTPGetAction, TCPSocketAction } from '../../api/generated/types.ts';
import { deadline } from '../../lib/deadline.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { failure } from './probe-failure.ts';
import { resolvePort } from './probe-port.ts';

/** What a probe or a hook acts on. */
export interface ActionTarget {
  readonly container: Container;
  readonly containerId: string;
  readonly podIP: string;
  readonly runtime: Runtime;
  /** PEM: an `https` action verifies the server with it. */
  readonly trustedCa: () => string | Buffer;
}

export interface ActionResult {
  readonly ok: boolean;
  /** What is shown in the event, such as `HTTP probe failed with statuscode: 500`. */
  readonly output: string;
}

export interface Action {
  readonly exec?: ExecAction | undefined;
  readonly httpGet?: HTTPGetAction | undefined;
  readonly tcpSocket?: TCPSocketAction | undefined;
  readonly grpc?: GRPCAction | undefined;
}

/** What is kept of an action's output. */
const MAX_OUTPUT_BYTES = 10 * 1024;

/** Does one probe or hook action within `timeoutMs`, and not longer than until `over`. Never throws. */
export async function perform(
  action: Action,
  target: ActionTarget,
  timeoutMs: number,
  over: AbortSignal,
): Promise<ActionResult> {
  const signal = deadline(timeoutMs, over);
  try {
    signal.throwIfAborted();
    if (action.exec !== undefined) return await execAction(action.exec, target, signal);
    if (action.httpGet !== undefined) return await httpAction(action.httpGet, target, signal);
    if (action.tcpSocket !== undefined) return await tcpAction(action.tcpSocket, target, signal);
    if (action.grpc !== undefined) return await grpcAction(action.grpc, target, signal);
    return { ok: false, output: 'missing probe handler' };
  } catch (error) {
    const late = signal.aborted && !over.aborted;
    return { ok: false, output: failure(action, target, late ? timeoutMs : undefined, error) };
  }
}

async function execAction(exec: ExecAction, target: ActionTarget, signal: AbortSignal): Promise<ActionResult> {
  const process = await target.runtime.exec(
    target.containerId,
    { command: exec.command ?? [], stdin: false, stdout: true, stderr: true, tty: false },
    signal,
  );
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (const stream of [process.stdout, process.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      if (bytes < MAX_OUTPUT_BYTES) chunks.push(chunk);
      bytes += chunk.length;
    });
    stream?.on('error', () => undefined);
  }
  const abort = (): void => process.close();
  signal.addEventListener('abort', abort, { once: true });
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => undefined);
  try {
    const { exitCode } = await Promise.race([process.exited, aborted]);
    return { ok: exitCode === 0, output: Buffer.concat(chunks).toString().slice(0, MAX_OUTPUT_BYTES) };
  } finally {
    signal.removeEventListener('abort', abort);
    process.close();
  }
}

async function httpAction(get: HTTPGetAction, target: ActionTarget, signal: AbortSignal): Promise<ActionResult> {
  const host = (get.host ?? '') === '' ? target.podIP : get.host!;
  const port = resolvePort(target.container, get.port);
  const secure = (get.scheme ?? 'HTTP').toUpperCase() === 'HTTPS';
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.36', accept: '*/*', connection: 'close' };
  for (const header of get.httpHeaders ?? []) headers[header.name.toLowerCase()] = header.value;
  const options = { host, port, path: get.path ?? '/', method: 'GET', headers, signal, agent: false } as const;
  const status = await new Promise<number>((resolve, reject) => {
    const request = secure ? httpsRequest({ ...options, ca: target.trustedCa() }) : httpRequest(options);
    request.once('error', reject);
    request.once('response', (response) => {
      response.on('error', () => undefined);
      response.destroy();
      resolve(response.statusCode ?? 0);
    });
    request.end();
  });
  return status >= 200 && status < 400
    ? { ok: true, output: '' }
    : { ok: false, output: `HTTP probe failed with statuscode: ${status}` };
}

async function tcpAction(tcp: TCPSocketAction, target: ActionTarget, signal: AbortSignal): Promise<ActionResult> {
  const host = (tcp.host ?? '') === '' ? target.podIP : tcp.host!;
  const port = resolvePort(target.container, tcp.port);
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
  return { ok: true, output: '' };
}

/** `grpc.health.v1.Health/Check`: one message with the service's name as field 1; the answer's field 1 is 1 for SERVING. */
async function grpcAction(grpc: GRPCAction, target: ActionTarget, signal: AbortSignal): Promise<ActionResult> {
  const name = Buffer.from(grpc.service ?? '');
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, 5);
  const host = target.podIP.includes(':') ? `[${target.podIP}]` : target.podIP;
  const session = connectHttp2(`http://${host}:${grpc.port}`);
  try {
    return await new Promise<ActionResult>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      session.once('error', reject);
      const stream = session.request({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('error', reject);
      stream.once('end', () => {
        const body = Buffer.concat(chunks);
        const serving = body.length >= 7 && body[5] === 0x08 && body[6] === 1;
        resolve({ ok: serving, output: serving ? '' : 'service unhealthy (responded with "NOT_SERVING")' });
      });
      stream.end(frame);
    });
  } finally {
    session.destroy();
  }
}
