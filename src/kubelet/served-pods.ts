import type { ContainerStatus as ApiContainerStatus, Container, Pod } from '../api/generated/types.ts';
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
export function servedPods(
  pods: () => readonly Pod[],
  view: RuntimeView,
  mirrorUid: (pod: Pod) => string | undefined = () => undefined,
): PodProvider {
  const serve = (pod: Pod): ServedPod => {
    const mirror = mirrorUid(pod);
    return { ...servedPod(pod, view), ...(mirror === undefined ? {} : { mirrorUid: mirror }) };
  };
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
  runs: readonly ContainerStatus[],
  view: RuntimeView,
): ServedContainer {
  const running = runs.find((run) => run.config.name === spec.name && run.state === 'running');
  const instance = (reference: string): ContainerInstance => {
    const run = runs.find(({ id }) => reference.endsWith(`://${id}`));
    return {
      id: reference,
      logPath: run?.logPath,
      get ended() {
        return run === undefined ? Promise.resolve() : view.exitOf(run.id);
      },
    };
  };
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const status = statuses.find(({ name }) => name === spec.name);
  const last = status?.lastState?.terminated?.containerID;
  return {
    name: spec.name,
    tty: spec.tty === true,
    running: running === undefined ? undefined : { id: running.id, startedAt: running.startedAt ?? running.createdAt },
    state: stateOf(status, instance),
    previous: last === undefined ? undefined : instance(last),
  };
}

function stateOf(
  status: ApiContainerStatus | undefined,
  instance: (reference: string) => ContainerInstance,
): ContainerState {
  const { running, terminated, waiting } = status?.state ?? {};
  if (running !== undefined) return { kind: 'running', instance: instance(status?.containerID ?? '') };
  if (terminated !== undefined) {
    const reference = terminated.containerID;
    return { kind: 'terminated', instance: reference === undefined ? undefined : instance(reference) };
  }
  return waiting === undefined ? { kind: 'unknown' } : { kind: 'waiting', reason: waiting.reason ?? '' };
}
