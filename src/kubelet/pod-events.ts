import type { Container, Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';

/** Records an event about a pod, or about one of its containers. */
export function recordPodEvent(
  events: EventRecorder,
  pod: Pod,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
  container?: Container,
): void {
  const about = { ...pod, apiVersion: 'v1', kind: 'Pod' };
  if (container === undefined) {
    events.record(about, type, reason, message);
    return;
  }
  const isInit = (pod.spec?.initContainers ?? []).some((c) => c.name === container.name);
  events.record(about, type, reason, message, `spec.${isInit ? 'initContainers' : 'containers'}{${container.name}}`);
}
