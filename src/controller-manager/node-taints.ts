import type { Node, NodeCondition, Taint } from '../api/generated/types.ts';
import { rfc3339 } from '../lib/clock.ts';

const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';

/** Conditions that taint a node while they are True. */
const PRESSURES: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
/** Keys that are this controller's, by effect; any other taint is somebody's own. */
const OWN_KEYS: Readonly<Record<string, ReadonlySet<string>>> = {
  NoSchedule: new Set([NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(PRESSURES)]),
  NoExecute: new Set([NOT_READY, UNREACHABLE]),
};

export function readyStatus(conditions: readonly NodeCondition[] | undefined): string | undefined {
  return conditions?.find((c) => c.type === 'Ready')?.status;
}

/** What a node's conditions say of it. `evict`: pods that do not tolerate a node that is lost have to leave it. */
export function wantedTaints(node: Node, conditions: readonly NodeCondition[], evict: boolean): Taint[] {
  const wanted: Taint[] = [];
  const ready = readyStatus(conditions);
  const key = ready === 'Unknown' ? UNREACHABLE : NOT_READY;
  if (ready !== 'True') wanted.push({ key, effect: 'NoSchedule' });
  // A node that has never reported has no pods yet.
  if (evict && ready !== undefined && ready !== 'True') wanted.push({ key, effect: 'NoExecute' });
  for (const [type, taint] of Object.entries(PRESSURES)) {
    if (conditions.some((c) => c.type === type && c.status === 'True')) {
      wanted.push({ key: taint, effect: 'NoSchedule' });
    }
  }
  if (node.spec?.unschedulable === true) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
  return wanted;
}

/** The node's taints with this controller's own replaced; undefined when they are right already. */
export function replaceTaints(node: Node, wanted: readonly Taint[], now: number): Taint[] | undefined {
  const known = node.spec?.taints ?? [];
  const own = known.filter(isOwn);
  if (own.length === wanted.length && wanted.every((w) => own.some((o) => isSame(o, w)))) return undefined;
  return [
    ...known.filter((t) => !isOwn(t)),
    ...wanted.map((w) => own.find((o) => isSame(o, w)) ?? { ...w, timeAdded: rfc3339(now) }),
  ];
}

/** Whether the node has the taint already that makes pods leave. */
export function isEvicting(node: Node): boolean {
  return (node.spec?.taints ?? []).some((t) => t.effect === 'NoExecute' && isOwn(t));
}

function isOwn(taint: Taint): boolean {
  return OWN_KEYS[taint.effect]?.has(taint.key) === true;
}

function isSame(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect;
}
