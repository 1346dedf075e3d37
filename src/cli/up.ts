import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { relative } from 'node:path';
import { dns1123Subdomain } from '../api/names.ts';
import { tuneHeap } from '../compose/heap-tuning.ts';
import { kubeletSettings } from '../compose/kubelet-settings.ts';
import { pinoLog } from '../compose/pino-log.ts';
import { up } from '../compose/up.ts';
import { CausewayError } from '../lib/errors.ts';
import type { UpFlags } from './program.ts';

/** `causeway up`: runs until SIGINT or SIGTERM. */
export async function runUp(flags: UpFlags): Promise<void> {
  const started = performance.now();
  check(flags);
  tuneHeap();
  const { nodeName, tokenAuthFile } = flags;
  const { asked, hurry } = stopSignals();
  const cluster = await up({
    dataDirectory: flags.dataDir,
    bindAddress: flags.bindAddress,
    securePort: flags.securePort,
    serviceCidr: flags.serviceClusterIpRange,
    minTlsVersion: flags.tlsMinVersion === 'VersionTLS12' ? 'TLSv1.2' : 'TLSv1.3',
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(tokenAuthFile === undefined ? {} : { tokenFile: await readTokenFile(tokenAuthFile) }),
    kubelet: kubeletSettings(flags),
    log: pinoLog(flags.logLevel),
    progress: (line) => console.log(line),
  });
  console.log(`ready after ${((performance.now() - started) / 1000).toFixed(2)} s. Use it with:`);
  console.log(`  export KUBECONFIG=${shellPath(cluster.adminKubeconfig)}`);
  console.log('  kubectl get nodes');
  await asked;
  console.log('stopping: pods first, within their grace periods (once more to end them at once)');
  await cluster.stop(hurry);
  console.log('stopped');
}

function check(flags: UpFlags): void {
  if (isIP(flags.bindAddress) === 0) {
    throw new CausewayError('BadRequest', `--bind-address ${flags.bindAddress}: give an IP address`);
  }
  const wrong = flags.nodeName === undefined ? [] : dns1123Subdomain(flags.nodeName);
  if (wrong.length > 0) throw new CausewayError('BadRequest', `--node-name ${flags.nodeName}: ${wrong[0]}`);
}

async function readTokenFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CausewayError('BadRequest', `--token-auth-file ${path} cannot be read (${code})`, { cause });
  }
}

/** Ctrl-C under `npm run` comes twice: from the terminal to everybody in it, and once more from npm. */
const ONE_SIGNAL_MS = 200;

/** The first SIGINT or SIGTERM asks to stop, the second to hurry, the third ends the process as it is. */
function stopSignals(): { readonly asked: Promise<void>; readonly hurry: AbortSignal } {
  const asked = Promise.withResolvers<void>();
  const hurry = new AbortController();
  let times = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      const isEcho = now - last < ONE_SIGNAL_MS;
      last = now;
      if (isEcho) return;
      times++;
      if (times === 1) asked.resolve();
      else if (times === 2) hurry.abort();
      else process.exit(130);
    });
  }
  return { asked: asked.promise, hurry: hurry.signal };
}

function shellPath(path: string): string {
  const short = relative(process.cwd(), path);
  const shown = short.startsWith('..') ? path : short;
  return /^[\w./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", `'\\''`)}'`;
}
