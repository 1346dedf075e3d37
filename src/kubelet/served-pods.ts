import type { Container, Pod } from '../api/generated/types.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import type { RuntimeView } from './runtime-view.ts';
import type {
  ContainerInstance,
  ContainerState,
  PodProvider,
  ServedContainer,
  ServedPod,
} from './server/pod-provider.ts';

/** The pods of this node as the HTTPS endpoint serves them: the workers' pods over what the runtime has of them. */
export function servedPods(pods: () => readonly Pod[], view: RuntimeView): PodProvider {
  const serve = (pod: Pod): ServedPod => servedPod(pod, view);
  return {
    pods: () => pods().map(serve),
    find: (namespace, name) => {
      // One that was replaced may still be ending: the newest is who has the name.
      const pod = pods().findLast((p) => p.metadata.namespace === namespace && p.metadata.name === name);
      return pod === undefined ? undefined : serve(pod);
    },
  };
}

function servedPod(pod: Pod, view: RuntimeView): ServedPod {
  const { namespace = '', name = '', uid = '' } = pod.metadata;
  const { sandboxes, containers } = view.ofPod(uid);
  const ready = sandboxes.filter((s) => s.state === 'ready').sort((a, b) => b.config.attempt - a.config.attempt)[0];
  const specs: readonly Container[] = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return {
    namespace,
    name,
    uid,
    object: { apiVersion: 'v1', kind: 'Pod', ...pod },
    sandboxId: ready?.id,
    containers: specs.map((spec) => servedContainer(pod, spec, containers, view)),
  };
}

function servedContainer(
  pod: Pod,
  spec: Container,
  all: readonly ContainerStatus[],
  view: RuntimeView,
): ServedContainer {
  const runs = all
    .filter((run) => run.config.name === spec.name)
    .sort((a, b) => b.config.attempt - a.config.attempt || b.createdAt - a.createdAt);
  const [current, before] = runs;
  const instance = (run: ContainerStatus): ContainerInstance => ({
    id: run.id,
    logPath: run.logPath,
    get ended() {
      return view.exitOf(run.id);
    },
  });
  return {
    name: spec.name,
    tty: spec.tty === true,
    state: stateOf(pod, spec, current, instance),
    previous: before === undefined ? undefined : instance(before),
  };
}

function stateOf(
  pod: Pod,
  spec: Container,
  current: ContainerStatus | undefined,
  instance: (run: ContainerStatus) => ContainerInstance,
): ContainerState {
  if (current?.state === 'running') return { kind: 'running', instance: instance(current) };
  if (current?.state === 'exited') return { kind: 'terminated', instance: instance(current) };
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const reason = statuses.find((s) => s.name === spec.name)?.state?.waiting?.reason;
  return { kind: 'waiting', reason: reason ?? 'ContainerCreating' };
}
