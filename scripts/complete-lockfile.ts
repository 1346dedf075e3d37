/**
 * Adds to package-lock.json the optional packages that it names and does not have. `npm install` leaves out those of other
 * platforms where the registry in use lacks them, and `npm ci` then refuses the whole file, on every machine. With
 * `--check` nothing is written: it fails and names what is missing.
 *
 * An entry that is added has no integrity, for nobody here has seen the package; it is never installed on a platform whose
 * entry the registry had. A registry that has them all fills them in: `rm package-lock.json && npm install`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Entry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const file = join(dirname(fileURLToPath(import.meta.url)), '..', 'package-lock.json');
const SYSTEMS = new Set(['aix', 'android', 'darwin', 'freebsd', 'linux', 'openbsd', 'openharmony', 'sunos', 'win32']);
const PROCESSORS = new Set([
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
]);

/** `@oxc-parser/binding-linux-arm-musleabihf` → linux, arm, musl. */
function platform(name: string): Pick<Entry, 'os' | 'cpu' | 'libc'> | undefined {
  const parts = name.slice(name.indexOf('/') + 1).split('-');
  const os = parts.find((part) => SYSTEMS.has(part));
  const cpu = parts.find((part) => PROCESSORS.has(part));
  if (os === undefined || cpu === undefined) return undefined;
  const last = parts.at(-1) ?? '';
  const libc = last.startsWith('musl') ? 'musl' : last.startsWith('gnu') ? 'glibc' : undefined;
  return { os: [os], cpu: [cpu], ...(os === 'linux' && libc !== undefined && { libc: [libc] }) };
}

/** Where a package that the one at `from` asks for can be, nearest first: `node_modules/a/node_modules/b`, `node_modules/b`. */
function* placesOf(from: string, name: string): Generator<string> {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    yield `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (at === '') return;
  }
}

const text = readFileSync(file, 'utf8');
const lock = JSON.parse(text) as { packages: Record<string, Entry> };
const added: Record<string, Entry> = {};
for (const [from, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if ([...placesOf(from, name)].some((place) => place in lock.packages)) continue;
    const on = platform(name);
    if (on === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
      console.error(`${from} needs ${name} ${version}, which is not in package-lock.json and cannot be added by hand`);
      process.exitCode = 1;
      continue;
    }
    added[`node_modules/${name}`] = { version, ...(entry.dev === true && { dev: true }), optional: true, ...on };
  }
}

const names = Object.keys(added);
if (names.length > 0 && process.argv.includes('--check')) {
  console.error(
    `package-lock.json lacks ${names.length} packages (${names[0]}, …), so npm ci fails: run node scripts/complete-lockfile.ts`,
  );
  process.exitCode = 1;
} else if (names.length > 0) {
  const packages = Object.entries({ ...lock.packages, ...added }).sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, undefined, 2)}\n`);
  console.log(`added ${names.length} packages to package-lock.json`);
}
