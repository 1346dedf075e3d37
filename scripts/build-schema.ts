/**
 * Builds `src/api/generated/` from two pinned packages: the kinds of Kubernetes 1.36. Skips when nothing changed.
 * See docs/architecture.md, "Where the kinds come from".
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { groupTable } from '../src/api/resources/names.ts';
import type { DescribedDefinition } from '../src/api/schema/definition.ts';
import { ownDefinitions } from '../src/api/schema/own-definitions.ts';
import { buildResources } from './schema/api-paths.ts';
import { buildDefinitions } from './schema/definitions.ts';
import { lines, withFieldNumbers, withMergeKeys } from './schema/tables.ts';
import { typescriptOf } from './schema/typescript.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const nodeModules = join(root, 'node_modules');
const target = join(root, 'src/api/generated');
const tables = ['schema/merge-keys.ts', 'schema/own-definitions.ts', 'protobuf/fields.ts', 'resources/names.ts'];
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
  const folder = join(root, 'scripts/schema');
  const scripts = readdirSync(folder)
    .sort()
    .map((file) => join(folder, file));
  const files = [fileURLToPath(import.meta.url), ...scripts, ...tables.map((table) => join(root, 'src/api', table))];
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

/** `apps/v1/Deployment` → definition name. The kinds that every group has are found under core's `/v1/`. */
function kindIndex(definitions: readonly DescribedDefinition[]): Record<string, string> {
  const index: Record<string, string> = {};
  for (const { name, gvk } of definitions) {
    const first = gvk?.[0];
    if (first !== undefined) index[`${first.group}/${first.version}/${first.kind}`] = name;
  }
  return index;
}

function groupOrder(): { name: string; versions: string[] }[] {
  return lines(groupTable).map(([name, ...versions]) => ({ name: name === '-' ? '' : name!, versions }));
}

/** One definition a line, so that a reader can find and parse the one that it needs. */
function structureLine({ name, description: _, properties, ...rest }: DescribedDefinition): string {
  const bare = Object.entries(properties ?? {}).map(([key, { description: _words, ...property }]) => [key, property]);
  const structure = properties === undefined ? rest : { ...rest, properties: Object.fromEntries(bare) };
  return `${name} ${JSON.stringify(structure)}\n`;
}

/** The words of one definition: under the empty key its own, under each field's name the field's. */
function descriptionLine({ name, description, properties }: DescribedDefinition): string {
  const words: Record<string, string> = description === undefined ? {} : { '': description };
  for (const [key, property] of Object.entries(properties ?? {})) {
    if (property.description !== undefined) words[key] = property.description;
  }
  return `${name} ${JSON.stringify(words)}\n`;
}

const hash = inputHash();
if (!upToDate(hash)) {
  mkdirSync(target, { recursive: true });
  const all = [...buildDefinitions(nodeModules), ...ownDefinitions].sort((a, b) => (a.name < b.name ? -1 : 1));
  const definitions = withFieldNumbers(withMergeKeys(all));
  write('types.ts', typescriptOf(definitions));
  const resources = buildResources(nodeModules, definitions);
  write('kinds.json', `${JSON.stringify({ resources, groups: groupOrder(), kinds: kindIndex(definitions) })}\n`);
  write('schema.jsonl', definitions.map(structureLine).join(''));
  write('descriptions.jsonl', definitions.map(descriptionLine).join(''));
  write('inputs.sha256', hash);
}
