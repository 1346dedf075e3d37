import type { KubeObject } from '../../api/object.ts';

/** `core/v1` and `events.k8s.io/v1` have the same fields under different names. */
const renamed: readonly (readonly [core: string, other: string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
];

function rename(object: KubeObject, from: 0 | 1, apiVersion: string): KubeObject {
  const names = new Map(renamed.map((pair) => [pair[from], pair[from === 0 ? 1 : 0]]));
  const result: KubeObject = { apiVersion, kind: 'Event', metadata: object.metadata };
  for (const [key, value] of Object.entries(object)) {
    if (key === 'apiVersion' || key === 'kind' || key === 'metadata') continue;
    result[names.get(key) ?? key] = value;
  }
  return result;
}

/** An Event of `events.k8s.io/v1` as `core/v1`, which is how events are stored. */
export function coreEvent(object: KubeObject): KubeObject {
  return rename(object, 1, 'v1');
}

export function newEvent(object: KubeObject): KubeObject {
  return rename(object, 0, 'events.k8s.io/v1');
}
