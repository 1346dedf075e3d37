import { baselineChecks } from './baseline-checks.ts';
import type { Check, CheckPod, PodLike, Violation } from './check.ts';
import type { LevelVersion } from './level.ts';
import { restrictedChecks } from './restricted-checks.ts';

/** What of the level's standard the pod breaks, in a fixed order; empty when nothing. */
export function violations({ level, minor }: LevelVersion, pod: PodLike): readonly Violation[] {
  if (level === 'privileged') return [];
  const found: Violation[] = [];
  for (const check of checksFor(level, minor)) {
    const violation = check(pod);
    if (violation !== undefined) found.push(violation);
  }
  return found;
}

/** `hostPath volumes (volume "a"), privileged (container "c" must not …)`. */
export function describeViolations(found: readonly Violation[]): string {
  return found.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');
}

/** `hostPath volumes, privileged`: without what differs from pod to pod. */
export function describeReasons(found: readonly Violation[]): string {
  return found.map(({ reason }) => reason).join(', ');
}

const memo = new Map<string, readonly CheckPod[]>();

function checksFor(level: 'baseline' | 'restricted', minor: number | undefined): readonly CheckPod[] {
  const key = `${level}:${minor ?? 'latest'}`;
  const known = memo.get(key);
  if (known !== undefined) return known;
  const restricted = level === 'restricted' ? applicable(restrictedChecks, minor) : [];
  const replaced = new Set(restricted.flatMap(({ check }) => check.overrides ?? []));
  const baseline = applicable(baselineChecks, minor).filter(({ check }) => !replaced.has(check.id));
  const checks = [...baseline, ...restricted].map(({ run }) => run);
  // There are as many keys as minors below the newest, and one above: labels cannot fill the map.
  if (minor === undefined || minor <= newest) memo.set(key, checks);
  return checks;
}

const newest = Math.max(...[...baselineChecks, ...restrictedChecks].flatMap((c) => c.versions.map((v) => v.from)));

/** The checks that exist at the version, each as of that version. A version that is not known yet means the newest. */
function applicable(checks: readonly Check[], minor = Number.POSITIVE_INFINITY): { check: Check; run: CheckPod }[] {
  return checks.flatMap((check) => {
    const version = check.versions.findLast(({ from }) => from <= minor);
    return version === undefined ? [] : [{ check, run: version.check }];
  });
}
