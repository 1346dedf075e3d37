import type { ListType, PatchStrategy, PropertySchema, SchemaSource, TypeSchema } from './definition.ts';

/** What a merge of any kind must know about one field. */
export interface FieldMergeInfo {
  /** `object`: a struct with a definition; `map`: free string keys; `list`; `scalar`: everything else, also any JSON. */
  readonly kind: 'object' | 'list' | 'map' | 'scalar';
  /** Strategic merge: Kubernetes' `patchStrategy` tag. Empty: objects and maps merge, lists are replaced. */
  readonly strategy: readonly PatchStrategy[];
  /** Strategic merge: the field that identifies an element of a list with strategy `merge`; absent for lists of scalars. */
  readonly mergeKey?: string;
  /** Definition of the value (`object`) or of the elements (`list`, `map`), when that is a struct. */
  readonly elementDefinition?: string;
  /** The type of the elements of a `list` or `map` that are no struct: `string`, `integer`, … */
  readonly elementType?: string;
  /** Server-side apply: how a list is owned. Absent on a list: atomic. */
  readonly listType?: ListType;
  readonly listMapKeys?: readonly string[];
  /** Server-side apply: an atomic struct or map is owned as one value. */
  readonly mapType?: 'atomic' | 'granular';
}

/** What strategic merge and server-side apply look up. Unknown definitions and fields answer undefined. */
export interface MergeSchema {
  fieldMergeInfo(definition: string, field: string): FieldMergeInfo | undefined;
  /** True when a struct of that definition is owned as one value (`x-kubernetes-map-type: atomic`). */
  isAtomic(definition: string): boolean;
}

export function mergeSchema(schema: SchemaSource): MergeSchema {
  const cache = new Map<string, Map<string, FieldMergeInfo | undefined>>();
  return {
    fieldMergeInfo(definition, field) {
      let fields = cache.get(definition);
      if (fields === undefined) {
        fields = new Map();
        cache.set(definition, fields);
      }
      if (fields.has(field)) return fields.get(field);
      const properties = schema.get(definition)?.properties;
      if (properties === undefined || !Object.hasOwn(properties, field)) return undefined;
      const info = infoOf(schema, properties[field]!);
      fields.set(field, info);
      return info;
    },
    isAtomic: (definition) => schema.get(definition)?.mapType === 'atomic',
  };
}

function infoOf(schema: SchemaSource, property: PropertySchema): FieldMergeInfo {
  return {
    ...shapeOf(schema, property),
    strategy: property.patchStrategy ?? [],
    ...(property.patchMergeKey === undefined ? {} : { mergeKey: property.patchMergeKey }),
    ...(property.listType === undefined ? {} : { listType: property.listType }),
    ...(property.listMapKeys === undefined ? {} : { listMapKeys: property.listMapKeys }),
    ...(property.mapType === undefined ? {} : { mapType: property.mapType }),
  };
}

function shapeOf(
  schema: SchemaSource,
  type: TypeSchema,
): Pick<FieldMergeInfo, 'kind' | 'elementDefinition' | 'elementType'> {
  if (type.ref !== undefined) {
    return isStruct(schema, type.ref) ? { kind: 'object', elementDefinition: type.ref } : { kind: 'scalar' };
  }
  if (type.type === 'array') return { kind: 'list', ...elementOf(schema, type.items) };
  if (type.type === 'object') return { kind: 'map', ...elementOf(schema, type.additionalProperties) };
  return { kind: 'scalar' };
}

function elementOf(
  schema: SchemaSource,
  element: TypeSchema | undefined,
): Pick<FieldMergeInfo, 'elementDefinition' | 'elementType'> {
  if (element?.ref !== undefined) {
    return isStruct(schema, element.ref) ? { elementDefinition: element.ref } : { elementType: 'string' };
  }
  return element?.type === undefined ? {} : { elementType: element.type };
}

/** A definition with properties; Quantity, Time, RawExtension and the like count as values. */
function isStruct(schema: SchemaSource, definition: string): boolean {
  return schema.get(definition)?.properties !== undefined;
}
