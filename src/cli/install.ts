import { realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { endNode, joinOnly } from '../compose/joined-node.ts';
import { pinoLog } from '../compose/pino-log.ts';
import { install, uninstall } from '../compose/systemd/install.ts';
import type { UnitRole } from '../compose/systemd/unit-file.ts';
import { systemClock } from '../lib/clock.ts';
import { CausewayError } from '../lib/errors.ts';
import { readInvitation } from './node.ts';
import type { NodeFlags, RootFlag, ServerFlags, UninstallFlags } from './program.ts';
import { checkNodeName, serverOptions } from './server-options.ts';
import { stopSignals } from './stop-signals.ts';

/** What the service does not need, or its unit must not tell. Each takes one value. */
const NOT_IN_UNIT = ['--data-dir', '--root', '--server', '--token', '--ca-cert', '--ca-cert-file'];

/** `causeway install server`. `args` is the command line. */
export async function runInstallServer(flags: ServerFlags & RootFlag, args: readonly string[]): Promise<void> {
  await serverOptions(flags);
  await makeService('server', flags, args);
}

/** `causeway install node`: joins first, so that no token is kept for the service. */
export async function runInstallNode(flags: NodeFlags & RootFlag, args: readonly string[]): Promise<void> {
  const { nodeName, dataDir, root } = flags;
  checkNodeName(nodeName);
  const words = unitFlags(args);
  const invitation = await readInvitation(flags);
  if (root !== '/' && invitation.token !== undefined) {
    throw new CausewayError(
      'BadRequest',
      '--token: an image must not carry the identity of a node; join where it runs',
    );
  }
  if (root === '/') {
    const { stopping } = stopSignals();
    await joinOnly({
      dataDirectory: dataDir,
      invitation,
      clock: systemClock,
      log: pinoLog(flags.logLevel),
      progress: (line) => console.log(line),
      signal: stopping,
      ...(nodeName === undefined ? {} : { nodeName }),
    });
  }
  await makeService('node', flags, words);
}

/** `causeway uninstall`. */
export async function runUninstall({ root, keepData }: UninstallFlags): Promise<void> {
  await uninstall({
    root,
    keepData: keepData === true,
    endNode: (dataDirectory) => endNode(dataDirectory, systemClock, pinoLog('warn')),
    progress: (line) => console.log(line),
  });
}

async function makeService(
  role: UnitRole,
  flags: { dataDir: string } & RootFlag,
  args: readonly string[],
): Promise<void> {
  await install({
    role,
    program: [process.execPath, await realpath(process.argv[1] ?? '')],
    flags: unitFlags(args),
    dataDirectory: flags.dataDir,
    root: flags.root,
    progress: (line) => console.log(line),
  });
}

/** The flags of a command line that the service gets too, as they were given. */
function unitFlags(args: readonly string[]): string[] {
  const words = [...args];
  const flags: string[] = [];
  while (words.length > 0 && !words[0]?.startsWith('-')) words.shift();
  while (words.length > 0) {
    const word = words.shift() ?? '';
    const name = word.split('=')[0] ?? '';
    const values = word.includes('=') ? [] : takeWhile(words, (next) => !next.startsWith('--'));
    if (NOT_IN_UNIT.includes(name)) continue;
    const value = word.includes('=') ? word.slice(name.length + 1) : values[0];
    if (/-(file|path)$/.test(name) && value !== undefined && !isAbsolute(value)) {
      throw new CausewayError(
        'BadRequest',
        `${name} ${value}: a service needs an absolute path: ${join(process.cwd(), value)}`,
      );
    }
    flags.push(word, ...values);
  }
  return flags;
}

function takeWhile(words: string[], wanted: (word: string) => boolean): string[] {
  const end = words.findIndex((word) => !wanted(word));
  return words.splice(0, end < 0 ? words.length : end);
}
