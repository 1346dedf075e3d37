/**
 * Builds `src/api/generated/` from two pinned packages: the kinds of Kubernetes 1.36. Skips when nothing changed.
 * See docs/architecture.md, "Where the kinds come from".
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildDefinitions } from './schema/definitions.ts';
import { typescriptOf } from './schema/typescript.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const nodeModules = join(root, 'node_modules');
const target = join(root, 'src/api/generated');
const packages = ['@kubernetes/client-node', 'kubernetes-models', '@kubernetes-models/apimachinery'];

/** Everything that decides the result: the packages' versions, this script and the project's own tables. */
function inputHash(): string {
  const hash = createHash('sha256');
  for (const name of packages) {
    const { version } = JSON.parse(readFileSync(join(nodeModules, name, 'package.json'), 'utf8')) as {
      version: string;
    };
    hash.update(`${name}@${version}\n`);
  }
  const scripts = join(root, 'scripts/schema');
  const files = [
    fileURLToPath(import.meta.url),
    ...readdirSync(scripts)
      .sort()
      .map((file) => join(scripts, file)),
  ];
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function write(name: string, content: string | Uint8Array): void {
  const path = join(target, name);
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

function upToDate(hash: string): boolean {
  try {
    return readFileSync(join(target, 'inputs.sha256'), 'utf8') === hash;
  } catch {
    return false;
  }
}

const hash = inputHash();
if (!upToDate(hash)) {
  mkdirSync(target, { recursive: true });
  const definitions = buildDefinitions(nodeModules);
  write('types.ts', typescriptOf(definitions));
  write('inputs.sha256', hash);
}
