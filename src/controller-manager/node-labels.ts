import type { Node } from '../api/generated/types.ts';

/** Labels of old that manifests still select nodes by, and those that they are copies of. */
const COPIES: readonly (readonly [from: string, to: string])[] = [
  ['kubernetes.io/os', 'beta.kubernetes.io/os'],
  ['kubernetes.io/arch', 'beta.kubernetes.io/arch'],
];

/** The labels that a node has to get; undefined when it has them. */
export function missingLabels({ metadata }: Node): Record<string, string> | undefined {
  const labels = metadata.labels ?? {};
  const missing = COPIES.flatMap(([from, to]) => {
    const value = labels[from];
    return value === undefined || labels[to] === value ? [] : [[to, value] as const];
  });
  return missing.length === 0 ? undefined : Object.fromEntries(missing);
}
