import { type Read, readString } from './scalars.ts';

/** `items` of a JSON schema: one schema, or a list of them. */
export function readSchemaOrArray(schema: () => Read): Read {
  return (value, context) =>
    Array.isArray(value) ? value.map((item) => schema()(item ?? {}, context)) : schema()(value, context);
}

/** `additionalProperties` of a JSON schema: a schema, or whether there may be any. */
export function readSchemaOrBool(schema: () => Read): Read {
  return (value, context) => (typeof value === 'boolean' ? value : schema()(value, context));
}

/** `dependencies` of a JSON schema: a schema, or names of properties. */
export function readSchemaOrStrings(schema: () => Read): Read {
  return (value, context) =>
    Array.isArray(value) ? value.map((item) => readString(item, context)) : schema()(value, context);
}
