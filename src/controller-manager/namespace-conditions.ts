import type { NamespaceCondition } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import type { TypedResource } from '../client/rest-client.ts';
import { rfc3339 } from '../lib/clock.ts';
import { resourceName } from './discovered-resources.ts';

export interface Remaining {
  readonly type: TypedResource<KubeObject>;
  readonly objects: readonly KubeObject[];
}

/** How far the emptying of a namespace has come. */
export interface Emptying {
  readonly remaining: readonly Remaining[];
  /** What could not be deleted, and why. */
  readonly failures: readonly string[];
  readonly discoveryFailure: string | undefined;
}

type ConditionText = readonly [type: string, isBad: boolean, reason: string, message: string];

/** What holds the deletion of a namespace up, in Kubernetes' words. All five conditions are always told. */
export function namespaceConditions(
  emptying: Emptying,
  known: readonly NamespaceCondition[],
  now: number,
): NamespaceCondition[] {
  const texts: readonly ConditionText[] = [
    discoveryText(emptying),
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ],
    contentText(emptying),
    remainingText(emptying),
    finalizersText(emptying),
  ];
  return texts.map(([type, isBad, reason, message]) => {
    const status = isBad ? 'True' : 'False';
    const before = known.find((c) => c.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : rfc3339(now);
    return { type, status, reason, message, lastTransitionTime };
  });
}

function discoveryText({ discoveryFailure }: Emptying): ConditionText {
  const type = 'NamespaceDeletionDiscoveryFailure';
  return discoveryFailure === undefined
    ? [type, false, 'ResourcesDiscovered', 'All resources successfully discovered']
    : [type, true, 'DiscoveryFailed', `Discovery failed for some groups, 1 failing: ${discoveryFailure}`];
}

function contentText({ failures }: Emptying): ConditionText {
  const type = 'NamespaceDeletionContentFailure';
  const text = `Failed to delete all resource types, ${failures.length} remaining: ${failures.join(', ')}`;
  return failures.length > 0
    ? [type, true, 'ContentDeletionFailed', text]
    : [type, false, 'ContentDeleted', 'All content successfully deleted, may be waiting on finalization'];
}

function remainingText({ remaining }: Emptying): ConditionText {
  const type = 'NamespaceContentRemaining';
  const parts = remaining.map((r) => `${resourceName(r.type)} has ${r.objects.length} resource instances`).sort();
  return parts.length > 0
    ? [type, true, 'SomeResourcesRemain', `Some resources are remaining: ${parts.join(', ')}`]
    : [type, false, 'ContentRemoved', 'All content successfully removed'];
}

function finalizersText({ remaining }: Emptying): ConditionText {
  const type = 'NamespaceFinalizersRemaining';
  const counts = new Map<string, number>();
  for (const object of remaining.flatMap((r) => r.objects)) {
    for (const f of object.metadata.finalizers ?? []) counts.set(f, (counts.get(f) ?? 0) + 1);
  }
  const parts = [...counts].map(([f, n]) => `${f} in ${n} resource instances`).sort();
  return parts.length > 0
    ? [
        type,
        true,
        'SomeFinalizersRemain',
        `Some content in the namespace has finalizers remaining: ${parts.join(', ')}`,
      ]
    : [type, false, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'];
}
