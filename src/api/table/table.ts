import { CausewayError } from '../../lib/errors.ts';
import { invalidValue } from '../field-error.ts';
import type { KubeObject } from '../object.ts';
import type { RowCondition, TableColumn } from './column.ts';
import type { TableDefinition } from './definitions.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** `metav1.Table`. */
export interface Table {
  readonly kind: 'Table';
  readonly apiVersion: 'meta.k8s.io/v1';
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly columnDefinitions: readonly TableColumn[];
  readonly rows: readonly TableRow[];
}

export interface TableRow {
  readonly cells: readonly unknown[];
  readonly conditions?: readonly RowCondition[];
  /** The object, its metadata as `PartialObjectMetadata`, or null. */
  readonly object: unknown;
}

/** Reads `?includeObject=`: empty means `Metadata`. Throws `Invalid`. */
export function parseIncludeObject(text: string | undefined): IncludeObject {
  if (text === undefined || text === '') return 'Metadata';
  if (text === 'None' || text === 'Metadata' || text === 'Object') return text;
  const cause = invalidValue('includeObject', text, "must be 'Metadata', 'Object', 'None', or empty");
  throw new CausewayError('BadRequest', `Unable to convert to Table as requested: ${cause.field}: ${cause.message}`);
}

export function tableRow(
  definition: TableDefinition,
  object: KubeObject,
  include: IncludeObject,
  now: number,
): TableRow {
  const conditions = definition.conditions?.(object);
  return {
    cells: definition.cells(object, now),
    ...(conditions === undefined ? {} : { conditions }),
    object: include === 'Object' ? object : include === 'Metadata' ? partialObjectMetadata(object) : null,
  };
}

/** `metav1.PartialObjectMetadata` of `meta.k8s.io/v1`. */
export function partialObjectMetadata(object: KubeObject): Record<string, unknown> {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

/**
 * The whole `Table`. `listMetadata` is that of the list (`resourceVersion`, `continue`, `remainingItemCount`), or the object's resource version for one object
 * or watch event. A watch sends the columns with its first event only: `columns: false` leaves them out.
 */
export function makeTable(
  definition: TableDefinition,
  objects: readonly KubeObject[],
  options: {
    readonly listMetadata: Readonly<Record<string, unknown>>;
    readonly include: IncludeObject;
    readonly now: number;
    readonly columns?: boolean;
  },
): Table {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: options.listMetadata,
    columnDefinitions: options.columns === false ? [] : definition.columns,
    rows: objects.map((object) => tableRow(definition, object, options.include, options.now)),
  };
}
