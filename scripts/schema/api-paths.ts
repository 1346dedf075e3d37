import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { groupTable, nameTable } from '../../src/api/resources/names.ts';
import type { DescribedDefinition, GroupVersionKindOf } from '../../src/api/schema/definition.ts';
import type { ResourceDefinition, SubresourceDefinition, Verb } from '../../src/api/scheme.ts';
import { modelNames } from './definitions.ts';
import { lines } from './tables.ts';

interface Operation {
  readonly name: string;
  readonly path: string;
  readonly method: string;
  /** client-node's model of the answer: `V1Pod`, `string`. */
  readonly answer: string;
}

/** One entry of a group-version: a resource, or a subresource such as `pods/log`. */
interface Entry {
  readonly plural: string;
  readonly subresource: string | undefined;
  namespaced: boolean;
  readonly verbs: Set<Verb>;
  /** Definition names of what its item operations answer. */
  answer: string | undefined;
}

type Kinds = ReadonlyMap<string, GroupVersionKindOf | undefined>;

/** Subresources whose kind client-node does not tell, because their answer is no object. */
const connectKinds: Readonly<Record<string, string>> = {
  'pods/attach': 'PodAttachOptions',
  'pods/exec': 'PodExecOptions',
  'pods/log': 'Pod',
  'pods/portforward': 'PodPortForwardOptions',
  'pods/proxy': 'PodProxyOptions',
  'services/proxy': 'ServiceProxyOptions',
  'nodes/proxy': 'NodeProxyOptions',
};

/** Collections that can be listed but not watched. */
const unwatchable: ReadonlySet<string> = new Set(['componentstatuses']);

const verbOrder: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** All REST resources, from the operations that client-node's generated API files have. */
export function buildResources(nodeModules: string, definitions: readonly DescribedDefinition[]): ResourceDefinition[] {
  const folder = join(nodeModules, '@kubernetes/client-node/dist/gen/apis');
  const models = modelNames(definitions);
  const kinds = new Map(definitions.map((definition) => [definition.name, definition.gvk?.[0]]));
  const names = new Map(lines(nameTable).map(([resource, ...rest]) => [resource!, rest]));
  const resources: ResourceDefinition[] = [];
  for (const [name, ...versions] of lines(groupTable)) {
    const group = name === '-' ? '' : name!;
    for (const version of versions) {
      if (ownGroups.has(group)) continue;
      const entries = readEntries(readFileSync(join(folder, `${apiFile(group, version)}.js`), 'utf8'), models);
      resources.push(...resourcesOf(group, version, entries, kinds, names));
    }
  }
  return [...resources, ...ownResources.map((own) => ({ ...own, ...namesOf(names, own.group, own.plural) }))];
}

/** `CoreV1Api`, `RbacAuthorizationV1Api`, `FlowcontrolApiserverV1Api`. */
function apiFile(group: string, version: string): string {
  const words = group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split('.');
  return `${[...words, version].map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')}Api`;
}

const operationPattern =
  /\n {4}async (\w+)\([^)]*\) \{(?:(?!\n {4}\}\n)[\s\S])*?const localVarPath = '([^']+)'(?:(?!\n {4}\}\n)[\s\S])*?HttpMethod\.(\w+)\);/g;
const answerPattern =
  /\n {4}async (\w+)WithHttpInfo\(response\) \{(?:(?!\n {4}\}\n)[\s\S])*?, contentType\), "(\w+)", "/g;

function readOperations(script: string): Operation[] {
  const split = script.indexOf('ResponseProcessor {');
  const answers = new Map([...script.slice(split).matchAll(answerPattern)].map((m) => [m[1]!, m[2]!]));
  return [...script.slice(0, split).matchAll(operationPattern)].map((m) => ({
    name: m[1]!,
    path: m[2]!,
    method: m[3]!,
    answer: answers.get(m[1]!) ?? 'string',
  }));
}

const pathPattern =
  /^\/apis?\/(?:[^/]+\/)?v\d(?:beta\d)?\/(?:(namespaces)\/\{namespace\}\/)?([a-z]+)(\/\{name\})?(?:\/([a-z]+))?$/;

function readEntries(script: string, models: ReadonlyMap<string, string>): Entry[] {
  const entries = new Map<string, Entry>();
  for (const operation of readOperations(script)) {
    const match = pathPattern.exec(operation.path);
    if (match === null) continue; // `/proxy/{path}` and the group's own discovery document
    const [, namespaced, plural, item, subresource] = match as unknown as (string | undefined)[];
    const key = subresource === undefined ? plural! : `${plural}/${subresource}`;
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = { plural: plural!, subresource, namespaced: false, verbs: new Set(), answer: undefined };
      entries.set(key, entry);
    }
    if (namespaced !== undefined) entry.namespaced = true;
    for (const verb of verbsOf(operation, item !== undefined, plural!)) entry.verbs.add(verb);
    const collection = item === undefined && operation.method !== 'POST';
    if (!collection && operation.method !== 'DELETE') entry.answer ??= models.get(operation.answer);
  }
  return [...entries.values()];
}

function verbsOf({ method }: Operation, item: boolean, plural: string): Verb[] {
  switch (method) {
    case 'GET':
      if (item) return ['get'];
      return unwatchable.has(plural) ? ['list'] : ['list', 'watch'];
    case 'POST':
      return ['create'];
    case 'PUT':
      return ['update'];
    case 'PATCH':
      return ['patch'];
    case 'DELETE':
      return item ? ['delete'] : ['deletecollection'];
    default:
      return []; // HEAD and OPTIONS of proxies
  }
}

function resourcesOf(
  group: string,
  version: string,
  entries: readonly Entry[],
  kinds: Kinds,
  names: ReadonlyMap<string, string[]>,
): ResourceDefinition[] {
  const result: ResourceDefinition[] = [];
  for (const entry of entries) {
    if (entry.subresource !== undefined) continue;
    if (entry.answer === undefined) throw new Error(`${group}/${version} ${entry.plural}: no kind`);
    const kind = kinds.get(entry.answer)?.kind;
    if (kind === undefined) throw new Error(`${entry.answer} is no kind`);
    const subresources = entries
      .filter((other) => other.plural === entry.plural && other.subresource !== undefined)
      .map((other) => subresourceOf(group, version, other, kinds))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    result.push({
      group,
      version,
      kind,
      plural: entry.plural,
      singular: kind.toLowerCase(),
      namespaced: entry.namespaced,
      ...namesOf(names, group, entry.plural),
      verbs: verbOrder.filter((verb) => entry.verbs.has(verb)),
      subresources,
      definition: entry.answer,
    });
  }
  return result.sort((a, b) => (a.plural < b.plural ? -1 : 1));
}

function subresourceOf(group: string, version: string, entry: Entry, kinds: Kinds): SubresourceDefinition {
  const name = entry.subresource!;
  const verbs = verbOrder.filter((verb) => entry.verbs.has(verb));
  const connect = connectKinds[`${entry.plural}/${name}`];
  if (connect !== undefined) return { name, group, version, kind: connect, verbs };
  const gvk = entry.answer === undefined ? undefined : kinds.get(entry.answer);
  if (gvk === undefined) throw new Error(`${group}/${version} ${entry.plural}/${name}: no kind`);
  return { name, ...gvk, verbs };
}

function namesOf(
  names: ReadonlyMap<string, string[]>,
  group: string,
  plural: string,
): Pick<ResourceDefinition, 'shortNames' | 'categories'> {
  const [short, categories] = names.get(group === '' ? plural : `${plural}.${group}`) ?? [];
  return {
    shortNames: short === undefined || short === '-' ? [] : short.split(','),
    categories: categories === undefined ? [] : categories.split(','),
  };
}

const metricsResource = { group: 'metrics.k8s.io', version: 'v1beta1', singular: '', subresources: [] } as const;

/** Resources that no package has: those of metrics-server, and the project's own: what each communication path is, and what was seen on it. */
const ownResources: readonly Omit<ResourceDefinition, 'shortNames' | 'categories'>[] = [
  {
    ...metricsResource,
    kind: 'NodeMetrics',
    plural: 'nodes',
    namespaced: false,
    verbs: ['get', 'list'],
    definition: 'io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics',
  },
  {
    ...metricsResource,
    kind: 'PodMetrics',
    plural: 'pods',
    namespaced: true,
    verbs: ['get', 'list'],
    definition: 'io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics',
  },
  {
    group: 'paths.causeway.dev',
    version: 'v1',
    kind: 'CommunicationPath',
    plural: 'communicationpaths',
    singular: 'communicationpath',
    namespaced: false,
    verbs: ['get', 'list', 'watch'],
    subresources: [],
    definition: 'dev.causeway.paths.v1.CommunicationPath',
  },
];

const ownGroups: ReadonlySet<string> = new Set(ownResources.map(({ group }) => group));
