import type { Node } from '../api/generated/types.ts';
import { readyStatus } from './node-taints.ts';

const REGION_LABEL = 'topology.kubernetes.io/region';
const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** Nodes with this label do not count when it is judged how much of a zone is lost. */
const NOT_COUNTED_LABEL = 'node.kubernetes.io/exclude-disruption';
/** Kubernetes' defaults: from which part of a zone on it is more likely that something is wrong with the zone than with each node. */
const UNHEALTHY_PART = 0.55;
const FEW_LOST = 2;
/** Beyond so many nodes a zone in trouble is still emptied, ten times slower; smaller ones are not. */
const LARGE_ZONE = 50;
const SLOWER = 10;

/** Nodes of one zone fail together: a rack without power, a switch. */
export function zoneOf(node: Node): string {
  const { [REGION_LABEL]: region = '', [ZONE_LABEL]: zone = '' } = node.metadata.labels ?? {};
  return JSON.stringify([region, zone]);
}

function isReady(node: Node): boolean {
  return readyStatus(node.status?.conditions) === 'True';
}

function isCounted(node: Node): boolean {
  return node.metadata.labels?.[NOT_COUNTED_LABEL] === undefined;
}

/** Not one node answers: more likely it is this side that is cut off, so no pod is made to leave. */
export function isEverythingLost(nodes: readonly Node[]): boolean {
  return nodes.filter(isCounted).every((node) => !isReady(node));
}

/**
 * Ms from one node of this zone whose pods are made to leave to the next; undefined when none of them is. A zone that is lost as
 * a whole is emptied like a healthy one, since other zones answer.
 */
export function evictionInterval(zone: string, nodes: readonly Node[], normalMs: number): number | undefined {
  const counted = nodes.filter((node) => isCounted(node) && zoneOf(node) === zone);
  const lost = counted.filter((node) => !isReady(node)).length;
  const isPartlyLost = lost < counted.length && lost > FEW_LOST && lost / counted.length >= UNHEALTHY_PART;
  if (!isPartlyLost) return normalMs;
  return counted.length > LARGE_ZONE ? normalMs * SLOWER : undefined;
}
