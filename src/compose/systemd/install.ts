import { execFile } from 'node:child_process';
import { access, mkdir, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { CausewayError } from '../../lib/errors.ts';
import { DATA_MARKER } from '../data-directory.ts';
import { mustBeSafe } from './safe-program.ts';
import { SERVER_USER, type UnitRole, unitFile, unitName } from './unit-file.ts';

const run = promisify(execFile);
const UNITS = 'etc/systemd/system';
const USERS = 'etc/sysusers.d/causeway.conf';
const ROLES: readonly UnitRole[] = ['server', 'node'];

export interface InstallOptions {
  readonly role: UnitRole;
  /** What starts Causeway: absolute paths, without the command. */
  readonly program: readonly string[];
  readonly flags: readonly string[];
  readonly dataDirectory: string;
  /** Where the file system begins: `/`, or a directory in which an image is made. Outside `/` nothing is started. */
  readonly root: string;
  readonly progress: (line: string) => void;
}

/** Makes a service of a control plane or a node, and starts it where systemd runs. Called again it replaces what was there. */
export async function install(options: InstallOptions): Promise<void> {
  const { role, program, flags, dataDirectory, root, progress } = options;
  const live = root === '/';
  if (!/^(\/[\w.-]+)+$/.test(dataDirectory)) {
    throw new CausewayError('BadRequest', `--data-dir ${dataDirectory}: give an absolute path without spaces`);
  }
  if (live) {
    mustBeRoot();
    for (const path of program) {
      if (role === 'server') await mustBeSeen(path);
      await mustBeSafe(path);
    }
  }
  if (role === 'server') {
    const line = `u ${SERVER_USER} - "Causeway control plane" ${dataDirectory} -\n`;
    await write(join(root, USERS), line);
    if (live) await command('systemd-sysusers', [join(root, USERS)]);
  }
  await mkdir(join(root, dataDirectory), { recursive: true, mode: 0o700 });
  // Links in it are not followed.
  if (live && role === 'server') await command('chown', ['-R', `${SERVER_USER}:${SERVER_USER}`, dataDirectory]);
  const unit = join(root, UNITS, unitName(role));
  await write(unit, unitFile(role, { program, flags, dataDirectory }));
  progress(`wrote ${unit}`);
  if (!live) return;
  if (!(await systemdRuns())) {
    progress(`systemd does not run here: start it with systemctl enable --now ${unitName(role)} where it does`);
    return;
  }
  await command('systemctl', ['daemon-reload']);
  await command('systemctl', ['enable', unitName(role)]);
  await command('systemctl', ['restart', unitName(role)]);
  progress(`${unitName(role)} runs, and starts with the machine`);
}

export interface UninstallOptions {
  readonly root: string;
  /** Leaves the data directories. */
  readonly keepData: boolean;
  /** Ends the pods of a node that was stopped. */
  readonly endNode: (dataDirectory: string) => Promise<void>;
  readonly progress: (line: string) => void;
}

/** Stops and removes what `install` made, data and user included. Throws `NotFound` when there is nothing. */
export async function uninstall({ root, keepData, endNode, progress }: UninstallOptions): Promise<void> {
  const live = root === '/';
  if (live) mustBeRoot();
  const running = live && (await systemdRuns());
  let found = false;
  for (const role of ROLES) {
    const unit = join(root, UNITS, unitName(role));
    const text = await readFile(unit, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    found = true;
    if (running) await command('systemctl', ['disable', '--now', unitName(role)]);
    await rm(unit);
    progress(`removed ${unit}`);
    const dataDirectory = /^ExecStart=.* --data-dir (\/\S+)/m.exec(text)?.[1];
    if (dataDirectory === undefined || keepData) continue;
    const data = join(root, dataDirectory);
    if (role === 'node' && (await exists(join(data, DATA_MARKER)))) await endNode(data);
    progress(await removeData(data));
  }
  if (!found)
    throw new CausewayError('NotFound', `nothing is installed: there is no ${join(root, UNITS, 'causeway-*.service')}`);
  await rm(join(root, USERS), { force: true });
  if (running) await command('systemctl', ['daemon-reload']);
  if (
    live &&
    !keepData &&
    (await run('id', [SERVER_USER]).then(
      () => true,
      () => false,
    ))
  ) {
    await command('userdel', [SERVER_USER]);
  }
}

/** Only what is Causeway's. */
async function removeData(directory: string): Promise<string> {
  const names = await readdir(directory).catch(() => undefined);
  if (names === undefined) return `${directory} is gone already`;
  if (names.length > 0 && !names.includes(DATA_MARKER)) return `left ${directory}: it is no data directory of Causeway`;
  await rm(directory, { recursive: true });
  return `removed ${directory}`;
}

function mustBeRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new CausewayError('Forbidden', 'services are installed as root: run it with sudo');
}

async function mustBeSeen(path: string): Promise<void> {
  const real = await realpath(path);
  if (!/^\/(home|root|run\/user)\//.test(real)) return;
  throw new CausewayError('BadRequest', `${real} is in a home, which the service cannot see: npm install -g causeway`);
}

async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content, { mode: 0o644 });
}

/** As sd_booted(3) finds out. */
async function systemdRuns(): Promise<boolean> {
  return exists('/run/systemd/system');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function command(program: string, args: readonly string[]): Promise<void> {
  try {
    await run(program, args);
  } catch (cause) {
    const { stderr = '', message } = cause as { stderr?: string; message: string };
    const why = (stderr.trim() === '' ? message : stderr).trim().split('\n')[0];
    throw new CausewayError('InternalError', `${program} ${args.join(' ')}: ${why}`, { cause });
  }
}
