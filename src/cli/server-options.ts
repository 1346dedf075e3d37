import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { relative } from 'node:path';
import { dns1123Subdomain } from '../api/names.ts';
import { pinoLog } from '../compose/pino-log.ts';
import type { ServerOptions } from '../compose/server.ts';
import { CausewayError } from '../lib/errors.ts';
import type { ServerFlags } from './program.ts';

/** What a control plane is started with, from its flags. Throws what is wrong with one of them. */
export async function serverOptions(flags: ServerFlags): Promise<ServerOptions> {
  const { advertiseAddress, tlsSan = [], tokenAuthFile } = flags;
  checkAddress('--bind-address', flags.bindAddress);
  if (advertiseAddress !== undefined) checkAddress('--advertise-address', advertiseAddress);
  for (const name of tlsSan) {
    const wrong = isIP(name) === 0 ? dns1123Subdomain(name) : [];
    if (wrong.length > 0) throw new CausewayError('BadRequest', `--tls-san ${name}: ${wrong[0]}`);
  }
  return {
    bindAddress: flags.bindAddress,
    securePort: flags.securePort,
    serviceCidr: flags.serviceClusterIpRange,
    minTlsVersion: flags.tlsMinVersion === 'VersionTLS12' ? 'TLSv1.2' : 'TLSv1.3',
    tlsSans: tlsSan,
    ...(advertiseAddress === undefined ? {} : { advertiseAddress }),
    ...(tokenAuthFile === undefined ? {} : { tokenFile: await readTokenFile(tokenAuthFile) }),
    log: pinoLog(flags.logLevel),
    progress: (line) => console.log(line),
  };
}

export function checkAddress(flag: string, address: string): void {
  if (isIP(address) === 0) throw new CausewayError('BadRequest', `${flag} ${address}: give an IP address`);
}

export function checkNodeName(nodeName: string | undefined): void {
  const wrong = nodeName === undefined ? [] : dns1123Subdomain(nodeName);
  if (wrong.length > 0) throw new CausewayError('BadRequest', `--node-name ${nodeName}: ${wrong[0]}`);
}

async function readTokenFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CausewayError('BadRequest', `--token-auth-file ${path} cannot be read (${code})`, { cause });
  }
}

/** `ready after …`, and how to use it. */
export function printReady(started: number, adminKubeconfig: string): void {
  console.log(`ready after ${((performance.now() - started) / 1000).toFixed(2)} s. Use it with:`);
  console.log(`  export KUBECONFIG=${shellPath(adminKubeconfig)}`);
}

function shellPath(path: string): string {
  const short = relative(process.cwd(), path);
  const shown = short.startsWith('..') ? path : short;
  return /^[\w./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", `'\\''`)}'`;
}
