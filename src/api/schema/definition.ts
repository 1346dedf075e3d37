/** The shape of one value in a definition: OpenAPI v2's types, and what Kubernetes adds to them. */
export interface TypeSchema {
  /** The name of another definition; nothing else describes the type then. */
  readonly ref?: string;
  /** Absent with no `ref`: any JSON value. */
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  /** `int32`, `int64`, `double`, `byte`, `date-time`, `int-or-string`. */
  readonly format?: string;
  readonly items?: TypeSchema;
  readonly additionalProperties?: TypeSchema;
  readonly enum?: readonly string[];
}

export type ListType = 'atomic' | 'set' | 'map';
export type PatchStrategy = 'merge' | 'replace' | 'retainKeys';

export interface PropertySchema extends TypeSchema {
  readonly listType?: ListType;
  readonly listMapKeys?: readonly string[];
  readonly mapType?: 'atomic' | 'granular';
  readonly patchStrategy?: readonly PatchStrategy[];
  readonly patchMergeKey?: string;
  /** The protobuf field: a row of `protobuf/fields.ts`, such as `3`, `24*`, `2/4`. Absent where there is none. */
  readonly wire?: string;
}

export interface GroupVersionKindOf {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** One definition of the schema: `io.k8s.api.core.v1.Pod`. */
export interface DefinitionSchema {
  readonly name: string;
  readonly type?: 'object' | 'string';
  readonly format?: string;
  readonly properties?: Readonly<Record<string, PropertySchema>>;
  readonly required?: readonly string[];
  readonly mapType?: 'atomic';
  readonly unions?: readonly Record<string, unknown>[];
  readonly gvk?: readonly GroupVersionKindOf[];
}

/** Where definitions come from. The built-in one is `loadSchema()`; custom resources add their own. */
export interface SchemaSource {
  get(definition: string): DefinitionSchema | undefined;
}

export interface DescribedProperty extends PropertySchema {
  readonly description?: string;
}

/** A definition with its words, as the build step makes it; at run time the words are kept apart. */
export interface DescribedDefinition extends DefinitionSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, DescribedProperty>>;
}
