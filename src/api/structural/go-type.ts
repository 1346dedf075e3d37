import type { TypeSchema } from '../schema/definition.ts';

/** A type as Go prints it: `[]v1.Container`, `map[string]string`, `int32`. Decoding errors name it. */
export function goType(type: TypeSchema): string {
  if (type.ref !== undefined) return type.ref.split('.').slice(-2).join('.');
  switch (type.type) {
    case 'string':
      return type.format === 'byte' ? '[]uint8' : 'string';
    case 'integer':
      return type.format === 'int32' ? 'int32' : 'int64';
    case 'number':
      return 'float64';
    case 'boolean':
      return 'bool';
    case 'array':
      return `[]${goType(type.items ?? {})}`;
    case 'object':
      return `map[string]${goType(type.additionalProperties ?? {})}`;
    default:
      return 'interface {}';
  }
}
