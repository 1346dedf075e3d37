import { type Quantity, tryParseQuantity } from '../quantity.ts';
import { type ColumnSpec, column, nameColumn, type TableSpec } from './column.ts';

type Usage = Readonly<Record<string, string>>;

/** As metrics-server shows them: its columns have the resources' own names. */
const columns: readonly ColumnSpec[] = [
  nameColumn,
  column('cpu', 'Processor time per second.'),
  column('memory', 'The working set of memory.'),
  column('Window', 'How long the time was in which it was measured.'),
];

/** `kubectl get nodes.metrics.k8s.io`. */
export const nodeMetricsTable: TableSpec = {
  columns,
  cells(object) {
    const { usage, window } = object as unknown as { usage?: Usage; window?: string };
    return [object.metadata.name, usage?.['cpu'] ?? '0', usage?.['memory'] ?? '0', window ?? ''];
  },
};

/** `kubectl get pods.metrics.k8s.io`: the containers of each pod together. */
export const podMetricsTable: TableSpec = {
  columns,
  cells(object) {
    const { containers = [], window } = object as unknown as {
      containers?: readonly { readonly usage: Usage }[];
      window?: string;
    };
    const total = (resource: string): string =>
      containers
        .flatMap(({ usage }) => tryParseQuantity(usage[resource]) ?? [])
        .reduce((sum: Quantity | undefined, one) => sum?.add(one) ?? one, undefined)
        ?.toString() ?? '0';
    return [object.metadata.name, total('cpu'), total('memory'), window ?? ''];
  },
};
