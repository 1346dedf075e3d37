/**
 * A program of its own, started in a pod's network namespace: makes TCP connections to the pod's loopback and hands the connected
 * sockets to Causeway (SCM_RIGHTS, by Node's IPC channel), so that not a byte of a forwarded port passes through it.
 */
import { connect, type Socket } from 'node:net';

interface Request {
  readonly id: number;
  readonly port: number;
}

function dial({ id, port }: Request, hosts: readonly string[]): void {
  const [host, ...others] = hosts;
  const socket: Socket = connect({ host: host ?? '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  // Not a byte may be read on this side: it would be lost with the hand-over.
  socket.pause();
  socket.once('error', (error: NodeJS.ErrnoException) => {
    if (others.length > 0 && error.code === 'ECONNREFUSED') dial({ id, port }, others);
    else process.send?.({ id, error: error.code ?? 'EIO' });
  });
  socket.once('connect', () => {
    process.send?.({ id }, socket, { keepOpen: false });
  });
}

process.on('message', (message: Request) => dial(message, ['127.0.0.1', '::1']));
process.on('disconnect', () => process.exit(0));
