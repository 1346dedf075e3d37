/**
 * Builds `src/api/generated/` from two pinned packages: the kinds of Kubernetes 1.36. Skips when nothing changed.
 * See docs/architecture.md, "Where the kinds come from".
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
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
const tables = [
  'schema/merge-keys.ts',
  'schema/own-definitions.ts',
  'schema/metrics-definitions.ts',
  'schema/certificates-definitions.ts',
  'protobuf/fields.ts',
  'resources/names.ts',
];
const outputs = ['types.ts', 'schema.jsonl', 'descriptions.jsonl', 'kinds.json'];
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

/** Through a name of its own, for two builds may run at once. */
function write(name: string, content: string): void {
  const path = join(target, name);
  writeFileSync(`${path}.${process.pid}`, content);
  renameSync(`${path}.${process.pid}`, path);
}

function upToDate(hash: string): boolean {
  try {
    const { inputs } = JSON.parse(readFileSync(join(target, 'kinds.json'), 'utf8')) as { inputs?: string };
    return inputs === hash && outputs.every((name) => existsSync(join(target, name)));
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
  const resources = buildResources(nodeModules, definitions);
  write('types.ts', typescriptOf(definitions));
  write('schema.jsonl', definitions.map(structureLine).join(''));
  write('descriptions.jsonl', definitions.map(descriptionLine).join(''));
  // Last, for it says that all the others are there.
  const kinds = { inputs: hash, resources, groups: groupOrder(), kinds: kindIndex(definitions) };
  write('kinds.json', `${JSON.stringify(kinds)}\n`);
}
