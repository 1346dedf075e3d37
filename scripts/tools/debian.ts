import { execFile } from 'node:child_process';
import {
  access,
  chmod,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** For each step of apt; a machine without a network must not wait for long. */
const TIMEOUT_MS = 120_000;

export interface Program {
  /** What is looked for in PATH, and its name in `.tools/bin`. */
  readonly program: string;
  /** The Debian package that has it, and where. */
  readonly debian: string;
  readonly path: string;
  /** The name is ours: one elsewhere in PATH is that of another checkout, and the tests do not look there. */
  readonly ours?: boolean;
  /** It starts itself again by its own file, so that there is a link to it: started by a loader, that file would be the loader. */
  readonly runsItself?: boolean;
}

/** Debian's name for this machine, and the dynamic loader of it. */
interface Machine {
  readonly triplet: string;
  readonly loader: string;
}

const MACHINES: Readonly<Record<string, Machine>> = {
  x64: { triplet: 'x86_64-linux-gnu', loader: '/lib64/ld-linux-x86-64.so.2' },
  arm64: { triplet: 'aarch64-linux-gnu', loader: '/lib/ld-linux-aarch64.so.1' },
};

/** After a try that failed, a start without a network is not held up again for this long. */
const RETRY_AFTER_MS = 3_600_000;

/**
 * Puts those programs into `<tools>/bin` that PATH does not have. Needs Debian's apt and a network, and no root. With `insist` it also
 * tries when it failed a short while ago.
 */
export async function installFromDebian(tools: string, wanted: readonly Program[], insist: boolean): Promise<void> {
  const found = await Promise.all(
    wanted.map(({ program, ours }) => (ours === true ? isExecutable(join(tools, 'bin', program)) : isInPath(program))),
  );
  const missing = wanted.filter((_, index) => found[index] !== true);
  if (missing.length === 0) return;
  const names = [...new Set(missing.map(({ debian }) => debian))];
  const machine = MACHINES[process.arch];
  if (machine === undefined || !(await isInPath('apt-get'))) {
    throw new Error(
      `${names.join(', ')}: this is not Debian on x64 or arm64; install them with the system's package manager`,
    );
  }
  const failure = join(tools, 'not-installed');
  if (!insist && (await ageOf(failure)) < RETRY_AFTER_MS) {
    throw new Error(`${names.join(', ')}: no success less than an hour ago (to try again: rm ${failure})`);
  }
  console.error(`installing into .tools: ${names.join(', ')}`);
  const into = join(tools, 'debian');
  await mkdir(into, { recursive: true });
  try {
    await unpack(tools, names, into);
    for (const { path } of missing) {
      if (!(await isExecutable(join(into, path)))) throw new Error('apt could not download them');
    }
  } catch (cause) {
    await writeFile(failure, '');
    throw new Error(`${names.join(', ')}: ${whatAptSaid(cause)}`, { cause });
  }
  await rm(failure, { force: true });
  for (const { program, path, runsItself } of missing) {
    const to = join(tools, 'bin', program);
    if (runsItself === true) await installLink(to, path);
    else await installWrapper(to, machine, join(into, path), path);
  }
}

async function isInPath(program: string): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const found = await Promise.all(folders.map((folder) => isExecutable(join(folder, program))));
  return found.includes(true);
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function ageOf(file: string): Promise<number> {
  try {
    return Date.now() - (await stat(file)).mtimeMs;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Downloads packages, and those that they depend on and the machine lacks, with lists and a cache of its own. */
async function unpack(tools: string, names: readonly string[], into: string): Promise<void> {
  const work = await mkdtemp(join(tools, 'download-'));
  const archives = join(work, 'cache/archives');
  await mkdir(join(work, 'lists/partial'), { recursive: true });
  await mkdir(join(archives, 'partial'), { recursive: true });
  const settings = {
    'Dir::State::lists': join(work, 'lists'),
    'Dir::Cache': join(work, 'cache'),
    'Debug::NoLocking': '1',
    'APT::Sandbox::User': '',
    'APT::Install-Recommends': '0',
    'Acquire::http::Timeout': '15',
    'Acquire::https::Timeout': '15',
    'Acquire::Retries': '1',
  };
  const options = ['-qq', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
  try {
    await run('apt-get', [...options, 'update'], { timeout: TIMEOUT_MS });
    // A package that is installed, and whose program is not in PATH, is fetched all the same.
    await run('apt-get', [...options, '--yes', '--download-only', '--reinstall', 'install', ...names], {
      timeout: TIMEOUT_MS,
    });
    const files = (await readdir(archives)).filter((name) => name.endsWith('.deb'));
    for (const file of files) await run('dpkg-deb', ['-x', join(archives, file), into]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** apt's first error, without its mark. */
function whatAptSaid(error: unknown): string {
  const { stderr = '', message } = error as { stderr?: string; message: string };
  const line = stderr.split('\n').find((text) => text.startsWith('E: ')) ?? stderr.split('\n')[0] ?? '';
  return line === '' ? (message.split('\n')[0] ?? '') : line.replace(/^E: /, '');
}

async function installLink(to: string, path: string): Promise<void> {
  await symlink(join('../debian', path), `${to}.new`);
  await rename(`${to}.new`, to);
}

/** The program finds the libraries that were unpacked with it; a variable would go on to whatever the program starts. */
async function installWrapper(to: string, { loader, triplet }: Machine, file: string, path: string): Promise<void> {
  const isStatic = await run(loader, ['--verify', file]).then(
    () => false,
    () => true,
  );
  const libraries = `"$here/usr/lib/${triplet}:$here/lib/${triplet}:$here/usr/lib/${triplet}/systemd"`;
  const command = isStatic ? `"$here/${path}"` : `${loader} --library-path ${libraries} "$here/${path}"`;
  await writeFile(`${to}.new`, `#!/bin/sh\nhere=\${0%/*}/../debian\nexec ${command} "$@"\n`);
  await chmod(`${to}.new`, 0o755);
  await rename(`${to}.new`, to);
}
