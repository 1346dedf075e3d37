import type { ErrorCause } from '../../lib/errors.ts';
import { child, index, key as keyPath, notSupported, required } from '../field-error.ts';
import { isObject } from '../json-object.ts';
import type { DefinitionSchema, PropertySchema, SchemaSource, TypeSchema } from '../schema/definition.ts';

/**
 * What the schema alone can say against an object that was decoded: required texts that are missing, and values outside their enum. It
 * is the validation of kinds that have no rules of their own. Metadata and status are not looked at: the one has its own rules, the other
 * is written by the system. Required lists and numbers may be missing, for an empty list and a zero are not told from an absent one.
 */
export function checkStructure(schema: SchemaSource, definition: string, object: unknown): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const root = schema.get(definition);
  if (root?.properties === undefined || !isObject(object)) return causes;
  for (const [key, property] of Object.entries(root.properties)) {
    if (key === 'apiVersion' || key === 'kind' || key === 'metadata' || key === 'status') continue;
    checkProperty(schema, root, key, property, object[key], key, causes);
  }
  return causes;
}

function checkProperty(
  schema: SchemaSource,
  owner: DefinitionSchema,
  key: string,
  property: PropertySchema,
  value: unknown,
  path: string,
  causes: ErrorCause[],
): void {
  if (value !== undefined && value !== '') {
    checkValue(schema, property, value, path, causes);
    return;
  }
  if (owner.required?.includes(key) !== true) return;
  const struct = property.ref === undefined ? undefined : schema.get(property.ref);
  // An absent struct is one whose fields are all absent: its own required fields say what is missing.
  if (struct?.properties !== undefined) checkValue(schema, property, {}, path, causes);
  else if (property.type === 'string' || property.ref !== undefined) causes.push(required(path));
}

function checkValue(schema: SchemaSource, type: TypeSchema, value: unknown, path: string, causes: ErrorCause[]): void {
  if (type.enum !== undefined && typeof value === 'string' && !type.enum.includes(value)) {
    causes.push(notSupported(path, value, type.enum));
  } else if (type.items !== undefined && Array.isArray(value)) {
    for (const [i, item] of value.entries()) checkValue(schema, type.items, item, index(path, i), causes);
  } else if (type.additionalProperties !== undefined && isObject(value)) {
    for (const name of Object.keys(value)) {
      checkValue(schema, type.additionalProperties, value[name], keyPath(path, name), causes);
    }
  } else if (type.ref !== undefined && isObject(value)) {
    const definition = schema.get(type.ref);
    for (const [key, property] of Object.entries(definition?.properties ?? {})) {
      if (isObjectMeta(type.ref)) return;
      checkProperty(schema, definition!, key, property, value[key], child(path, key), causes);
    }
  }
}

function isObjectMeta(definition: string): boolean {
  return definition === 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
}
