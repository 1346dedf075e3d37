import { isDeepStrictEqual } from 'node:util';
import type { Node } from '../../api/generated/types.ts';
import type { AdmissionAttributes } from '../plugin.ts';
import { nameOf, refusal } from '../refuse.ts';
import { forbiddenLabels } from './node-labels.ts';

/** What is under it gives a node rights, or says where it came from. */
const OWN_DOMAIN = /^(?:[^/]+\.)?causeway\.dev\//;

/** A node writes its own Node, but nothing by which others judge it or that keeps it from being deleted. */
export function admitNode(node: string, attributes: AdmissionAttributes): void {
  const me = `node ${JSON.stringify(node)}`;
  const { operation, object, oldObject } = attributes;
  const requested = nameOf(attributes);
  if (requested !== node) {
    throw refusal(attributes, `${me} is not allowed to modify node ${JSON.stringify(requested)}`);
  }
  if (object === undefined) return;
  const creates = operation === 'CREATE';
  if (!creates && operation !== 'UPDATE') return;
  const now = object as unknown as Node;
  const before = creates ? undefined : (oldObject as unknown as Node | undefined);
  const differs = (what: (one: Node | undefined) => unknown): boolean => !isDeepStrictEqual(what(now), what(before));

  const source = now.spec?.configSource;
  if (source && differs((one) => one?.spec?.configSource)) {
    const what = creates ? 'create pods with a non-nil' : 'update configSource to a new non-nil';
    throw refusal(attributes, `${me} is not allowed to ${what} configSource`);
  }
  // When it is made, Kubernetes lets a node taint itself: it only keeps work away.
  if (!creates && differs((one) => one?.spec?.taints ?? [])) {
    throw refusal(attributes, `${me} is not allowed to modify taints`);
  }
  if (!creates && differs((one) => one?.spec?.unschedulable ?? false)) {
    throw refusal(attributes, `${me} is not allowed to modify unschedulable: a cordoned node stays so`);
  }
  // CVE-2025-5187: an owner that does not exist makes the garbage collector delete the Node.
  if (differs((one) => one?.metadata?.ownerReferences ?? [])) {
    throw refusal(attributes, `${me} is not allowed to ${creates ? 'set' : 'modify'} ownerReferences`);
  }
  // A finalizer would keep a node in the cluster that somebody has deleted.
  if (differs((one) => one?.metadata?.finalizers ?? [])) {
    throw refusal(attributes, `${me} is not allowed to ${creates ? 'set' : 'modify'} finalizers`);
  }
  if (differs((one) => ownAnnotations(one?.metadata?.annotations))) {
    throw refusal(attributes, `${me} is not allowed to ${creates ? 'set' : 'modify'} annotations of causeway.dev`);
  }
  const labels = forbiddenLabels(now.metadata?.labels, before?.metadata?.labels);
  if (labels.length === 0) return;
  const list = labels.join(', ');
  throw refusal(
    attributes,
    creates ? `${me} is not allowed to set the following labels: ${list}` : `is not allowed to modify labels: ${list}`,
  );
}

function ownAnnotations(annotations: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations ?? {}).filter(([key]) => OWN_DOMAIN.test(key)));
}
