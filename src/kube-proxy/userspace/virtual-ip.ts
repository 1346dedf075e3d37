import { execFile } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import type { Log } from '../../lib/log.ts';

const run = promisify(execFile);
/** Connections through one address at once: stops pods from using up the node's file descriptors. */
const MAX_CONNECTIONS = 2000;

export interface VirtualIpOptions {
  /** The Service's address and port; port 0 takes a free one. */
  readonly address: string;
  readonly port: number;
  /** The bridge of the pods' network, which is given the address, by the program `ip`; absent when it has it already. */
  readonly assign?: { readonly device: string; readonly ip: string };
  readonly backend: { readonly host: string; readonly port: number };
  readonly log: Log;
}

export interface VirtualIp {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Answers a Service's address on this node by passing bytes to its one backend; TLS is not ended here, so that the client
 * verifies the backend itself. Rejects when the address is in use on this machine or cannot be given.
 */
export async function serveVirtualIp(options: VirtualIpOptions): Promise<VirtualIp> {
  const { address, assign } = options;
  const change = async (verb: 'replace' | 'del'): Promise<void> => {
    if (assign !== undefined) await run(assign.ip, ['address', verb, `${address}/32`, 'dev', assign.device]);
  };
  await change('replace');
  const removeAddress = (): Promise<void> => change('del').catch(() => undefined);
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => pass(client, options, open));
  server.maxConnections = MAX_CONNECTIONS;
  try {
    await listen(server, options.port, address);
  } catch (error) {
    await removeAddress();
    throw error;
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
      await removeAddress();
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function pass(client: Socket, { backend, log }: VirtualIpOptions, open: Set<Socket>): void {
  const upstream = connect({ ...backend, noDelay: true, allowHalfOpen: true });
  for (const socket of [client, upstream]) {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  }
  const end = (why: string) => (error: Error) => {
    log.debug(`a connection through the virtual address ended: ${why}`, { error: error.message });
    client.destroy();
    upstream.destroy();
  };
  client.on('error', end('client'));
  upstream.on('error', end('backend'));
  client.pipe(upstream);
  upstream.pipe(client);
}
