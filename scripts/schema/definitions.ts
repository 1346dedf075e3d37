import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type {
  DescribedDefinition,
  DescribedProperty,
  GroupVersionKindOf,
  TypeSchema,
} from '../../src/api/schema/definition.ts';
import { type ModelProperty, readModel } from './client-node.ts';
import { type Declaration, type DeclaredProperty, readDeclarations } from './kubernetes-models.ts';
import {
  kindsOfEveryGroup,
  metaKinds,
  removedDefinitions,
  specialDefinitions,
  specialDescriptions,
  specialProperties,
} from './rules.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** Group folder of `kubernetes-models` → definition prefix, where it is not `io.k8s.api.<first label>`. */
const prefixes: Readonly<Record<string, string>> = {
  'apiextensions.k8s.io': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  'apiregistration.k8s.io': 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
};

/** The stable group-versions of Kubernetes 1.36, in the order in which they claim a short TypeScript name. */
export const stableGroupVersions: readonly (readonly [folder: string, version: string])[] = [
  ['', 'v1'],
  ['apps', 'v1'],
  ['authentication.k8s.io', 'v1'],
  ['authorization.k8s.io', 'v1'],
  ['autoscaling', 'v2'],
  ['autoscaling', 'v1'],
  ['batch', 'v1'],
  ['certificates.k8s.io', 'v1'],
  ['coordination.k8s.io', 'v1'],
  ['rbac.authorization.k8s.io', 'v1'],
  ['discovery.k8s.io', 'v1'],
  ['events.k8s.io', 'v1'],
  ['flowcontrol.apiserver.k8s.io', 'v1'],
  ['networking.k8s.io', 'v1'],
  ['node.k8s.io', 'v1'],
  ['policy', 'v1'],
  ['resource.k8s.io', 'v1'],
  ['scheduling.k8s.io', 'v1'],
  ['storage.k8s.io', 'v1'],
  ['admissionregistration.k8s.io', 'v1'],
  ['apiextensions.k8s.io', 'v1'],
  ['apiregistration.k8s.io', 'v1'],
];

function prefixOf(group: string, version: string): string {
  if (group === '') return `io.k8s.api.core.${version}`;
  return `${prefixes[group] ?? `io.k8s.api.${group.split('.')[0]}`}.${version}`;
}

function upperFirst(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** `io.k8s.api.core.v1.Pod` → `IoK8sApiCoreV1Pod`, as `kubernetes-models` spells references. */
function flatName(definition: string): string {
  return definition
    .split(/[.-]/)
    .map((part) => upperFirst(part))
    .join('');
}

/** client-node drops the group of a model unless two groups collide: `V1Pod`, but `CoreV1Event`. */
function modelCandidates(definition: string): string[] {
  const [group, version, kind] = definition.split('.').slice(-3) as [string, string, string];
  return [
    `${upperFirst(group)}${upperFirst(version)}${kind}`,
    `${upperFirst(version)}${kind}`,
    `${upperFirst(group)}${kind}`,
  ];
}

/** client-node's model name of each definition: `V1Pod` → `io.k8s.api.core.v1.Pod`. The more precise name wins. */
export function modelNames(definitions: readonly DescribedDefinition[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const position of [1, 2, 0]) {
    for (const { name } of definitions) names.set(modelCandidates(name)[position]!, name);
  }
  return names;
}

/** Reads both packages and joins them: client-node for what exists, kubernetes-models for references and words. */
export function buildDefinitions(nodeModules: string): DescribedDefinition[] {
  const models = join(nodeModules, '@kubernetes/client-node/dist/gen/models');
  const kinds = join(nodeModules, 'kubernetes-models');
  const machinery = join(nodeModules, '@kubernetes-models/apimachinery');
  const declarations: Declaration[] = [];
  for (const [group, version] of stableGroupVersions) {
    declarations.push(
      ...readDeclarations(join(kinds, group === '' ? version : `${group}/${version}`), prefixOf(group, version)),
    );
  }
  declarations.push(
    ...readDeclarations(join(machinery, 'apis/meta/v1'), meta),
    ...readDeclarations(join(machinery, 'api/resource'), 'io.k8s.apimachinery.pkg.api.resource'),
    ...readDeclarations(join(machinery, 'runtime'), 'io.k8s.apimachinery.pkg.runtime'),
    ...readDeclarations(join(machinery, 'util/intstr'), 'io.k8s.apimachinery.pkg.util.intstr'),
    ...readDeclarations(join(machinery, 'version'), 'io.k8s.apimachinery.pkg.version'),
  );

  const references = new Map<string, string>();
  for (const { definition } of declarations) {
    references.set(`II${flatName(definition).slice(1)}`, definition);
    references.set(`I${flatName(definition)}`, definition);
  }
  const result: DescribedDefinition[] = [];
  for (const declaration of declarations) {
    const special = specialDefinitions[declaration.definition];
    const model = modelCandidates(declaration.definition).find((name) => existsSync(join(models, `${name}.js`)));
    const properties = model === undefined ? undefined : readModel(models, model);
    // A declaration without a model is of something removed from Kubernetes before 1.36.
    if (special === undefined && properties === undefined) continue;
    if (removedDefinitions.has(declaration.definition)) continue;
    result.push(joined(declaration, properties ?? [], references));
  }
  return result.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function joined(
  declaration: Declaration,
  model: readonly ModelProperty[],
  references: ReadonlyMap<string, string>,
): DescribedDefinition {
  const { definition } = declaration;
  const description = specialDescriptions[definition] ?? declaration.description;
  const words = description === '' ? {} : { description };
  const special = specialDefinitions[definition];
  if (special !== undefined) return { name: definition, ...words, ...special };
  const required = model.filter((property) => property.required).map((property) => property.name);
  const gvk = kindsOf(declaration);
  return {
    name: definition,
    ...words,
    type: 'object',
    properties: Object.fromEntries(model.map((p) => [p.name, propertyNode(declaration, p, references)])),
    ...(required.length === 0 ? {} : { required }),
    ...(gvk.length === 0 ? {} : { gvk }),
  };
}

function kindsOf({ definition, apiVersion, kind }: Declaration): GroupVersionKindOf[] {
  const name = definition.slice(definition.lastIndexOf('.') + 1);
  if (definition.startsWith(meta) && metaKinds.has(name)) {
    const groups = kindsOfEveryGroup.has(name) ? stableGroupVersions : [['', 'v1'] as const];
    return groups.map(([group, version]) => ({ group, version, kind: name }));
  }
  if (apiVersion === undefined || kind === undefined) return [];
  const slash = apiVersion.indexOf('/');
  return [{ group: apiVersion.slice(0, Math.max(slash, 0)), version: apiVersion.slice(slash + 1), kind }];
}

function propertyNode(
  declaration: Declaration,
  property: ModelProperty,
  references: ReadonlyMap<string, string>,
): DescribedProperty {
  const declared = declaration.properties.get(property.name);
  if (declared === undefined) throw new Error(`${declaration.definition}.${property.name}: not in kubernetes-models`);
  const special = specialProperties[`${declaration.definition}.${property.name}`];
  const type = special ?? typeNode(declaration, declared.type, property, references);
  return { ...describe(declared, property), ...type };
}

const typeMetaDescriptions: Readonly<Record<string, string>> = {
  apiVersion:
    'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
  kind: 'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
};

function describe(declared: DeclaredProperty, property: ModelProperty): { description?: string } {
  const description = declared.description || (literalType.test(declared.type) && typeMetaDescriptions[property.name]);
  return description ? { description } : {};
}

const literalType = /^"[^"]*"$/;
const literalUnion = /^(?:"[^"]*"\s*\|\s*)*"[^"]*"$/;
const arrayType = /^Array<([\s\S]+)>$/;
const mapType = /^\{\s*\[key: string\]: ([\s\S]+);\s*\}$/;
const integerFormats = new Set(['int32', 'int64']);

function typeNode(
  declaration: Declaration,
  type: string,
  property: ModelProperty,
  references: ReadonlyMap<string, string>,
): TypeSchema {
  const inner = (text: string): TypeSchema => typeNode(declaration, text.trim(), property, references);
  const array = arrayType.exec(type);
  if (array !== null) return { type: 'array', items: inner(array[1]!) };
  const map = mapType.exec(type);
  if (map !== null) return { type: 'object', additionalProperties: inner(map[1]!) };
  const reference =
    references.get(type) ??
    (type === `I${declaration.definition.split('.').at(-1)}` ? declaration.definition : undefined);
  if (reference !== undefined) return { ref: reference };
  const format = property.format === '' ? {} : { format: property.format };
  switch (type) {
    case 'string':
      return { type: 'string', ...format };
    case 'number':
      return { type: integerFormats.has(property.format) ? 'integer' : 'number', ...format };
    case 'boolean':
      return { type: 'boolean' };
    default:
  }
  if (literalUnion.test(type)) {
    const values = [...type.matchAll(/"([^"]*)"/g)].map((m) => m[1]!);
    const constant = property.name === 'apiVersion' || property.name === 'kind';
    return { type: 'string', ...(constant ? {} : { enum: values }) };
  }
  if (/^I\w+\["(?:apiVersion|kind)"\]$/.test(type)) return { type: 'string' };
  throw new Error(`${declaration.definition}.${property.name}: cannot read the type ${type}`);
}
