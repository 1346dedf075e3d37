import { readFile } from 'node:fs/promises';
import { parseBootstrapToken } from '../api/core/bootstrap-token.ts';
import { labelValue, qualifiedName } from '../api/names.ts';
import { startJoinedNode } from '../compose/joined-node.ts';
import type { Invitation } from '../compose/joining/join.ts';
import { kubeletSettings } from '../compose/kubelet-settings.ts';
import { pinoLog } from '../compose/pino-log.ts';
import { systemClock } from '../lib/clock.ts';
import { CausewayError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import { certificatesIn } from '../pki/trust.ts';
import type { NodeFlags } from './program.ts';
import { checkAddress, checkNodeName } from './server-options.ts';
import { stopSignals } from './stop-signals.ts';

/** `causeway node`: runs until SIGINT or SIGTERM, or until this machine is no node of the cluster any more. */
export async function runNode(flags: NodeFlags): Promise<void> {
  const started = performance.now();
  const { nodeName, nodeIp } = flags;
  checkNodeName(nodeName);
  if (nodeIp !== undefined) checkAddress('--node-ip', nodeIp);
  const invitation = await readInvitation(flags);
  const labels = readLabels(flags.nodeLabels ?? []);
  const kubelet = kubeletSettings(flags);
  const { asked, stopping, hurry } = stopSignals();
  try {
    const node = await startJoinedNode({
      dataDirectory: flags.dataDir,
      invitation,
      labels,
      port: flags.port,
      clock: systemClock,
      log: pinoLog(flags.logLevel),
      kubelet,
      progress: (line) => console.log(line),
      signal: stopping,
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(nodeIp === undefined ? {} : { nodeIp }),
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    console.log(`node ${node.nodeName}: ready after ${seconds} s, at ${node.address}, port ${node.port}`);
    await Promise.race([asked, node.ended]);
    console.log(
      kubelet.shutdown.totalMs > 0
        ? 'stopping: pods first, within the shutdown grace period (once more to end them at once)'
        : 'stopping: pods run on, and the next start takes them up',
    );
    await node.stop(hurry);
  } catch (error) {
    if (!stopping.aborted) throw error;
  }
  console.log('stopped');
}

/** What the flags say of the cluster to join. Throws what is wrong with them. */
export async function readInvitation({ server, token, caCert, caCertFile }: NodeFlags): Promise<Partial<Invitation>> {
  if (caCert !== undefined && caCertFile !== undefined) {
    throw new CausewayError('BadRequest', '--ca-cert and --ca-cert-file: give one of the two');
  }
  const caPem = caCertFile === undefined ? decodeCa(caCert) : await readCa(caCertFile);
  return {
    ...(server === undefined ? {} : { server: serverUrl(server) }),
    ...(token === undefined ? {} : { token: checkToken(token) }),
    ...(caPem === undefined ? {} : { caPem }),
  };
}

function serverUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:') {
    throw new CausewayError('BadRequest', `--server ${text}: http is not encrypted; give https://HOST:PORT`);
  }
  const isBare = url?.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  if (url?.protocol !== 'https:' || !isBare) {
    throw new CausewayError('BadRequest', `--server ${text}: give https://HOST:PORT`);
  }
  return url.origin;
}

function checkToken(token: string): Secret {
  if (parseBootstrapToken(token) === undefined) {
    throw new CausewayError('BadRequest', '--token: a token is six letters or digits, a dot, and sixteen more');
  }
  return new Secret(token);
}

function decodeCa(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const pem = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64').toString() : '';
  if (certificatesIn(pem).length > 0) return pem;
  throw new CausewayError(
    'BadRequest',
    '--ca-cert: give the PEM of a CA certificate in base64, or --ca-cert-file PATH',
  );
}

async function readCa(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new CausewayError('BadRequest', `--ca-cert-file ${path} cannot be read (${cause.code})`, { cause });
  });
}

/** `key=value`, several with a comma between. */
function readLabels(texts: readonly string[]): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const text of texts.flatMap((one) => one.split(',')).filter((one) => one !== '')) {
    const [key = '', value = '', ...rest] = text.split('=');
    const wrong = rest.length > 0 ? ['give key=value'] : [...qualifiedName(key), ...labelValue(value)];
    if (wrong.length > 0) throw new CausewayError('BadRequest', `--node-labels ${text}: ${wrong[0]}`);
    labels[key] = value;
  }
  return labels;
}
