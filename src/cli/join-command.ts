import { isIPv4 } from 'node:net';
import { CausewayError } from '../lib/errors.ts';

/** The line that joins a node. It carries the CA, so that the server is verified before anything is sent to it. */
export function joinCommand(server: string, token: string, caPem: string): string {
  const { origin } = serverUrl(server);
  return `causeway node --server ${origin} --token ${token} --ca-cert ${Buffer.from(caPem).toString('base64')}`;
}

/** Whether only this machine itself can reach a server at that address. */
export function isLoopback(server: string): boolean {
  const { hostname } = serverUrl(server);
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'));
}

/** What a shell takes as it stands. */
const HOST = /^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d+)?$/;

function serverUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' && HOST.test(url.host) && url.href === `${url.origin}/`) return url;
  throw new CausewayError('BadRequest', `--server ${text}: give https://HOST:PORT`);
}
