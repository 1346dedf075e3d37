import type { DefinitionSchema, PropertySchema, TypeSchema } from '../schema/definition.ts';
import type { DefinitionWords } from './words.ts';

type Json = Record<string, unknown>;

/** How the two versions of OpenAPI differ in the description of types. */
export interface Dialect {
  reference(definition: string): string;
  /** A reference with words beside it. */
  describedReference(reference: string, description: string): Json;
  /** Definitions that the versions describe differently. */
  special(definition: DefinitionSchema): Json | undefined;
}

export const dialectV2: Dialect = {
  reference: (definition) => `#/definitions/${definition}`,
  describedReference: (reference, description) => ({ $ref: reference, description }),
  special: () => undefined,
};

const scalars: ReadonlyMap<string, Json> = new Map([
  ['io.k8s.apimachinery.pkg.api.resource.Quantity', { oneOf: [{ type: 'string' }, { type: 'number' }] }],
  [
    'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
    { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  ],
]);

export const dialectV3: Dialect = {
  reference: (definition) => `#/components/schemas/${definition}`,
  describedReference: (reference, description) => ({ allOf: [{ $ref: reference }], description }),
  special: (definition) => scalars.get(definition.name),
};

/** One definition as OpenAPI, with its words and Kubernetes' extensions. */
export function definitionDocument(definition: DefinitionSchema, words: DefinitionWords, dialect: Dialect): Json {
  const special = dialect.special(definition);
  const described: Json = words[''] === undefined ? {} : { description: words[''] };
  if (special !== undefined) return { ...described, ...special };
  const document: Json = described;
  if (definition.type !== undefined) document['type'] = definition.type;
  if (definition.format !== undefined) document['format'] = definition.format;
  if (definition.properties !== undefined) {
    const properties = Object.entries(definition.properties).map(([key, property]) => [
      key,
      propertyDocument(property, words[key], dialect),
    ]);
    document['properties'] = Object.fromEntries(properties);
  }
  if (definition.required !== undefined) document['required'] = definition.required;
  if (definition.gvk !== undefined) document['x-kubernetes-group-version-kind'] = definition.gvk;
  if (definition.mapType !== undefined) document['x-kubernetes-map-type'] = definition.mapType;
  if (definition.unions !== undefined) document['x-kubernetes-unions'] = definition.unions;
  return document;
}

function propertyDocument(property: PropertySchema, words: string | undefined, dialect: Dialect): Json {
  const document = typeDocument(property, words, dialect);
  if (property.listMapKeys !== undefined) document['x-kubernetes-list-map-keys'] = property.listMapKeys;
  if (property.listType !== undefined) document['x-kubernetes-list-type'] = property.listType;
  if (property.mapType !== undefined) document['x-kubernetes-map-type'] = property.mapType;
  if (property.patchMergeKey !== undefined) document['x-kubernetes-patch-merge-key'] = property.patchMergeKey;
  if (property.patchStrategy !== undefined) document['x-kubernetes-patch-strategy'] = property.patchStrategy.join(',');
  return document;
}

function typeDocument(type: TypeSchema, words: string | undefined, dialect: Dialect): Json {
  if (type.ref !== undefined) {
    const reference = dialect.reference(type.ref);
    return words === undefined ? { $ref: reference } : dialect.describedReference(reference, words);
  }
  const document: Json = words === undefined ? {} : { description: words };
  if (type.type !== undefined) document['type'] = type.type;
  if (type.format !== undefined) document['format'] = type.format;
  if (type.enum !== undefined) document['enum'] = type.enum;
  if (type.items !== undefined) document['items'] = typeDocument(type.items, undefined, dialect);
  if (type.additionalProperties !== undefined) {
    document['additionalProperties'] = typeDocument(type.additionalProperties, undefined, dialect);
  }
  return document;
}

/** The definitions that `definition` refers to. */
export function referencesOf(definition: DefinitionSchema): Set<string> {
  const found = new Set<string>();
  const walk = (type: TypeSchema): void => {
    if (type.ref !== undefined) found.add(type.ref);
    if (type.items !== undefined) walk(type.items);
    if (type.additionalProperties !== undefined) walk(type.additionalProperties);
  };
  for (const property of Object.values(definition.properties ?? {})) walk(property);
  return found;
}
