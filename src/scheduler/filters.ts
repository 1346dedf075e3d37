import type { Taint } from '../api/generated/types.ts';
import { type Filter, OK } from './framework.ts';
import { interPodAffinityFilter } from './inter-pod-affinity.ts';
import { matchesNodeAffinity } from './node-affinity.ts';
import { tolerates } from './tolerations.ts';
import { topologySpreadFilter } from './topology-spread.ts';

const UNSCHEDULABLE_TAINT: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

const nodeUnschedulable: Filter = {
  name: 'NodeUnschedulable',
  prepare({ pod }) {
    if (tolerates(pod.spec?.tolerations ?? [], UNSCHEDULABLE_TAINT)) return undefined;
    const refused = ['node(s) were unschedulable'];
    return ({ node }) => (node.spec?.unschedulable === true ? refused : OK);
  },
};

const taintToleration: Filter = {
  name: 'TaintToleration',
  prepare({ pod }) {
    const tolerations = pod.spec?.tolerations ?? [];
    const refused = ['node(s) had untolerated taint(s)'];
    return ({ hardTaints }) => (hardTaints.every((taint) => tolerates(tolerations, taint)) ? OK : refused);
  },
};

const nodeAffinity: Filter = {
  name: 'NodeAffinity',
  prepare({ pod }) {
    const { nodeSelector, affinity } = pod.spec ?? {};
    const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    if (nodeSelector === undefined && required === undefined) return undefined;
    const refused = ["node(s) didn't match Pod's node affinity/selector"];
    return ({ node }) => (matchesNodeAffinity(pod, node) ? OK : refused);
  },
};

const nodePorts: Filter = {
  name: 'NodePorts',
  prepare({ hostPorts }) {
    if (hostPorts.length === 0) return undefined;
    const refused = ["node(s) didn't have free ports for the requested pod ports"];
    return ({ pods }) => {
      for (const other of pods.values()) {
        for (const u of other.hostPorts) {
          const clashes = hostPorts.some(
            (w) =>
              w.port === u.port &&
              w.protocol === u.protocol &&
              (w.ip === u.ip || w.ip === '0.0.0.0' || u.ip === '0.0.0.0'),
          );
          if (clashes) return refused;
        }
      }
      return OK;
    };
  },
};

const resourcesFit: Filter = {
  name: 'NodeResourcesFit',
  prepare({ requests }) {
    const wanted = [...requests].filter(([, amount]) => amount > 0);
    return ({ pods, allocatable, requested }) => {
      let reasons: string[] | undefined;
      if (pods.size + 1 > (allocatable.get('pods') ?? 0)) reasons = ['Too many pods'];
      for (const [name, amount] of wanted) {
        if (amount <= (allocatable.get(name) ?? 0) - (requested.get(name) ?? 0)) continue;
        reasons ??= [];
        reasons.push(`Insufficient ${name}`);
      }
      return reasons ?? OK;
    };
  },
};

/** In the order in which they are asked; the first that refuses a node gives its reasons. */
export const FILTERS: readonly Filter[] = [
  nodeUnschedulable,
  taintToleration,
  nodeAffinity,
  nodePorts,
  resourcesFit,
  topologySpreadFilter,
  interPodAffinityFilter,
];
