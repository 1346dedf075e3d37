import type { DescribedDefinition, TypeSchema } from '../../src/api/schema/definition.ts';
import { typeNames } from './type-names.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** Definitions whose TypeScript type stands in `api/object.ts`, or is no object. */
const given: Readonly<Record<string, string>> = {
  [`${meta}.ObjectMeta`]: 'ObjectMeta',
  [`${meta}.OwnerReference`]: 'OwnerReference',
  [`${meta}.Time`]: 'string',
  [`${meta}.MicroTime`]: 'string',
  [`${meta}.FieldsV1`]: 'Record<string, unknown>',
  [`${meta}.Patch`]: 'Record<string, unknown>',
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'string',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'number | string',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': 'Record<string, unknown>',
};

const header = `/**
 * Made by scripts/build-schema.ts; do not edit. TypeScript types of the stable Kubernetes kinds.
 *
 * Names: a kind has its short name; where groups collide, the first in the build step's order of groups has it (core first) and the
 * others are prefixed with group and version: \`Event\` and \`EventsV1Event\`. Top-level kinds are type aliases, so that they can be
 * passed as a \`KubeObject\`; nested types are interfaces. A Quantity and every time is a string.
 */
import type { ObjectMeta, OwnerReference } from '../object.ts';

export type { ObjectMeta, OwnerReference };
`;

/** The text of `generated/types.ts`. */
export function typescriptOf(definitions: readonly DescribedDefinition[]): string {
  const names = typeNames(definitions);
  const parts = [header];
  for (const definition of [...definitions].sort((a, b) => (names.get(a.name)! < names.get(b.name)! ? -1 : 1))) {
    const name = names.get(definition.name)!;
    const fixed = given[definition.name];
    if (fixed === name) continue;
    parts.push(docComment(definition.description, ''));
    if (fixed !== undefined) parts.push(`export type ${name} = ${fixed};\n`);
    else if (definition.properties === undefined) {
      parts.push(`export type ${name} = ${definition.type === 'object' ? 'Record<string, unknown>' : 'unknown'};\n`);
    } else parts.push(declarationOf(definition, name, names));
  }
  return parts.join('\n').replaceAll('\n\n\n', '\n\n');
}

function declarationOf(definition: DescribedDefinition, name: string, names: ReadonlyMap<string, string>): string {
  const topLevel = definition.gvk !== undefined;
  const lines = [topLevel ? `export type ${name} = {` : `export interface ${name} {`];
  for (const [key, property] of Object.entries(definition.properties!)) {
    const isMeta = topLevel && key === 'metadata' && property.ref?.endsWith('ObjectMeta') === true;
    const required = isMeta || definition.required?.includes(key) === true;
    const comment = docComment(property.description, '  ');
    if (comment !== '' && !(topLevel && ['apiVersion', 'kind', 'metadata'].includes(key))) lines.push(comment);
    const type = typeOf(property, names);
    // As in KubeObject, so that a kind can be passed as one.
    const orUndefined = topLevel && (key === 'apiVersion' || key === 'kind') ? '' : ' | undefined';
    lines.push(`  ${propertyKey(key)}${required ? `: ${type}` : `?: ${type}${orUndefined}`};`);
  }
  lines.push(topLevel ? '};\n' : '}\n');
  return lines.join('\n');
}

function typeOf(node: TypeSchema, names: ReadonlyMap<string, string>): string {
  if (node.ref !== undefined) return names.get(node.ref)!;
  if (node.enum !== undefined) return node.enum.map((value) => `'${value}'`).join(' | ');
  switch (node.type) {
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'string':
      return 'string';
    case 'array': {
      const item = typeOf(node.items!, names);
      return /[|]/.test(item) ? `(${item})[]` : `${item}[]`;
    }
    case 'object':
      return node.additionalProperties === undefined
        ? 'Record<string, unknown>'
        : `Record<string, ${typeOf(node.additionalProperties, names)}>`;
    default:
      return 'unknown';
  }
}

function propertyKey(key: string): string {
  return /^[A-Za-z_]\w*$/.test(key) ? key : `'${key}'`;
}

/** The first paragraph only: the whole text is in the OpenAPI document. */
function docComment(description: string | undefined, indent: string): string {
  const first = description?.split('\n\n')[0]?.replaceAll('\n', ' ').replaceAll('*/', '*\\/');
  if (first === undefined || first === '') return '';
  const short = first.length > 300 ? `${first.slice(0, first.lastIndexOf(' ', 300))} …` : first;
  return `${indent}/** ${short} */`;
}
