import { createServer } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { CausewayError } from '../lib/errors.ts';

/** Where this machine itself finds what listens on `bindAddress`. */
export function localAddress(bindAddress: string): string {
  if (bindAddress === '0.0.0.0') return '127.0.0.1';
  return bindAddress === '::' ? '::1' : bindAddress;
}

/** Whether it stands for every address of the machine. */
export function isAnyAddress(bindAddress: string): boolean {
  return bindAddress === '0.0.0.0' || bindAddress === '::';
}

/** This machine's addresses by which others may call it, IPv4 first; link-local ones are left out. */
export function machineAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = all.filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address));
  const of = (family: string): string[] => outside.filter((a) => a.family === family).map(({ address }) => address);
  return [...new Set([...of('IPv4'), ...of('IPv6')])];
}

/** `https://[::1]:6443`. */
export function httpsUrl(host: string, port: number): string {
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The first address of a network of Services, which is the apiserver's. Throws what is wrong with the flag. */
export function firstAddress(cidr: string): string {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr);
  const parts = match?.slice(1, 5).map(Number) ?? [];
  const prefix = Number(match?.[5]);
  if (match === null || parts.some((p) => p > 255) || prefix < 8 || prefix > 30) {
    throw new CausewayError(
      'BadRequest',
      `--service-cluster-ip-range ${cidr}: give an IPv4 network such as 10.96.0.0/16`,
    );
  }
  const number = parts.reduce((n, p) => n * 256 + p, 0);
  const base = number - (number % 2 ** (32 - prefix)) + 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.');
}

/** The host's name as a Node may be called: an RFC 1123 subdomain. */
export function defaultNodeName(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  return name === '' ? 'node' : name;
}

/** A port that is taken is found out before anything is changed. `flag` names what chooses another one. */
export function checkPort(port: number, host: string, flag: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? `is taken: give another one with ${flag}, or 0 for a free one`
          : `cannot be listened on (${error.code})`;
      reject(new CausewayError('Conflict', `port ${port} of ${host} ${why}`, { cause: error }));
    });
    server.listen(port, host, () => server.close(() => resolve()));
  });
}
