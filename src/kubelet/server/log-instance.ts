import { CausewayError } from '../../lib/errors.ts';
import type { ContainerInstance, ServedContainer } from './pod-provider.ts';

/** Reasons for waiting that Kubernetes words. */
const waitingSentences: ReadonlyMap<string, string> = new Map([
  ['ErrImagePull', "image can't be pulled"],
  ['ImagePullBackOff', 'trying and failing to pull image'],
]);

/** The run of a container whose log is meant. Throws `BadRequest` with Kubernetes' sentence when there is none. */
export function logInstance(podName: string, container: ServedContainer, previous: boolean): ContainerInstance {
  const which = `container ${JSON.stringify(container.name)} in pod ${JSON.stringify(podName)}`;
  if (previous) {
    if (container.previous === undefined) throw badRequest(`previous terminated ${which} not found`);
    return container.previous;
  }
  const { state } = container;
  switch (state.kind) {
    case 'unknown':
      throw badRequest(`${which} is not available`);
    case 'running':
      return state.instance;
    case 'terminated': {
      const instance = state.instance ?? container.previous;
      if (instance === undefined) throw badRequest(`${which} is terminated`);
      return instance;
    }
    case 'waiting':
      if (container.previous !== undefined) return container.previous;
      throw badRequest(`${which} is waiting to start: ${waitingSentences.get(state.reason) ?? state.reason}`);
  }
}

function badRequest(message: string): CausewayError {
  return new CausewayError('BadRequest', message);
}
