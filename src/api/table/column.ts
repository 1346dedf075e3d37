import type { KubeObject } from '../object.ts';

/** One column of a `Table`: `metav1.TableColumnDefinition`. */
export interface TableColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  /** `name` marks the column that names the object. */
  readonly format: '' | 'name';
  /** 0 is always shown; 1 with `-o wide`. */
  readonly priority: number;
  readonly description: string;
}

/** As a kind's file writes it: the description is text, or the field whose description it is. */
export interface ColumnSpec extends Omit<TableColumn, 'description'> {
  readonly description: string | FieldOf;
}

/** A field of a definition: `{ definition: 'io.k8s.api.core.v1.PodStatus', field: 'podIP' }`. */
export interface FieldOf {
  readonly definition: string;
  readonly field: string;
}

/** `metav1.TableRowCondition`. */
export interface RowCondition {
  readonly type: 'Completed';
  readonly status: 'True';
  readonly reason: string;
  readonly message: string;
}

/** How a kind is shown. `cells` answers one value a column; `now` is in milliseconds. */
export interface TableSpec {
  readonly columns: readonly ColumnSpec[];
  readonly cells: (object: KubeObject, now: number) => unknown[];
  readonly conditions?: (object: KubeObject) => readonly RowCondition[] | undefined;
}

/** `docOf('core.v1.PodStatus.podIP')`. */
export function docOf(reference: string): FieldOf {
  const dot = reference.lastIndexOf('.');
  const type = reference.slice(0, dot);
  return { definition: prefixed(type), field: reference.slice(dot + 1) };
}

function prefixed(type: string): string {
  if (type.startsWith('meta.')) return `io.k8s.apimachinery.pkg.apis.${type}`;
  if (type.startsWith('apiregistration.')) return `io.k8s.kube-aggregator.pkg.apis.${type}`;
  return `io.k8s.api.${type}`;
}

type Description = string | FieldOf;

export function column(name: string, description: Description, type: TableColumn['type'] = 'string'): ColumnSpec {
  return { name, type, format: '', priority: 0, description };
}

export function wide(name: string, description: Description, type: TableColumn['type'] = 'string'): ColumnSpec {
  return { name, type, format: '', priority: 1, description };
}

export const nameColumn: ColumnSpec = {
  name: 'Name',
  type: 'string',
  format: 'name',
  priority: 0,
  description: docOf('meta.v1.ObjectMeta.name'),
};

export const ageColumn: ColumnSpec = column('Age', docOf('meta.v1.ObjectMeta.creationTimestamp'));

export const containerColumns: readonly ColumnSpec[] = [
  wide('Containers', 'Names of each container in the template.'),
  wide('Images', 'Images referenced by each container in the template.'),
];

/** `a,b` and `image-a,image-b`: the cells of `containerColumns`. */
export function containerCells(
  containers: readonly { name?: string | undefined; image?: string | undefined }[] | undefined,
): [names: string, images: string] {
  const list = containers ?? [];
  return [list.map((c) => c.name ?? '').join(','), list.map((c) => c.image ?? '').join(',')];
}

/** The first `max` joined by commas, then ` + 2 more...`. */
export function listWithMore(list: readonly string[], max: number, separator = ','): string {
  const shown = list.slice(0, max).join(separator);
  return list.length > max ? `${shown} + ${list.length - max} more...` : shown;
}
