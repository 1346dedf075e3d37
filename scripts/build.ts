/**
 * `npm run build`: the JavaScript package in `dist/package`, and `dist/causeway-VERSION.tgz` made of it by `npm pack`.
 * `--out FOLDER` puts both somewhere else.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { builtManifest, importedPackages, type Manifest } from './built-manifest.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'dist') } } });
const out = resolve(values.out);
const target = join(out, 'package');

/** Files under `src/` that are read at run time, besides code. */
const ASSETS = ['src/api/generated/*.json', 'src/api/generated/*.jsonl'];
const DOCUMENTS = ['LICENSE', 'README.md', 'CHANGELOG.md'];

function read<Shape>(path: string): Shape {
  return JSON.parse(readFileSync(join(root, path), 'utf8')) as Shape;
}

function run(program: string, ...args: string[]): void {
  try {
    execFileSync(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: Buffer; stderr: Buffer };
    process.stderr.write(`${stdout}${stderr}`);
    console.error(`${program} failed`);
    process.exit(1);
  }
}

rmSync(target, { recursive: true, force: true });
for (const archive of globSync('causeway-*.tgz', { cwd: out })) rmSync(join(out, archive));
mkdirSync(target, { recursive: true });
run('tsc', '-p', 'tsconfig.build.json', '--outDir', target);
for (const asset of globSync(ASSETS, { cwd: root }))
  cpSync(join(root, asset), join(target, asset.slice('src/'.length)));
for (const document of DOCUMENTS) cpSync(join(root, document), join(target, document));
chmodSync(join(target, 'cli/main.js'), 0o755);

const code = globSync('**/*.js', { cwd: target }).map((file) => readFileSync(join(target, file), 'utf8'));
const imported = new Set(code.flatMap(importedPackages));
const manifest = builtManifest(read<Manifest>('package.json'), imported, existsSync(join(target, 'index.js')));
writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
run('npm', 'pack', '--silent', '--pack-destination', out, target);
const [archive = ''] = globSync('causeway-*.tgz', { cwd: out });
console.log(join(out, archive));
