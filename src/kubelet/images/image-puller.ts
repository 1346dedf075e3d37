import type { Container, Pod, Secret } from '../../api/generated/types.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ImageService } from '../../runtime/runtime.ts';
import type { ObjectSource } from '../object-source.ts';
import { credentialsFor, type ImagePlace, placeOf } from './pull-secrets.ts';

/** Kubernetes' back-off of pulls (`kubelet --image-pull`): 10 s, doubled up to 5 min. */
const INITIAL_MS = 10_000;
const MAX_MS = 300_000;

/** Why there is no image: `reason` is what `kubectl get pods` shows. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly reason: 'ErrImagePull' | 'ImagePullBackOff' | 'ErrImageNeverPull' | 'InvalidImageName';

  constructor(reason: ImageError['reason'], message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

export interface PullerDependencies {
  readonly images: ImageService;
  readonly source: Pick<ObjectSource, 'secret'>;
  readonly clock: Clock;
  /** For the pod's events. */
  readonly tell: (pod: Pod, container: Container, type: 'Normal' | 'Warning', reason: string, message: string) => void;
}

interface Failure {
  readonly until: number;
  readonly delay: number;
  readonly message: string;
}

/** Gets the images of one pod's containers. */
export class ImagePuller {
  readonly #d: PullerDependencies;
  readonly #failures = new Map<string, Failure>();

  constructor(dependencies: PullerDependencies) {
    this.#d = dependencies;
  }

  /** The id of the container's image, which is pulled where its policy says so. Throws `ImageError`. */
  async ensure(pod: Pod, container: Container, signal: AbortSignal): Promise<string> {
    const { images, tell } = this.#d;
    const image = container.image ?? '';
    const place = placeOf(image);
    if (place === undefined)
      throw new ImageError(
        'InvalidImageName',
        `Failed to apply default image tag "${image}": couldn't parse image name`,
      );
    const policy = container.imagePullPolicy ?? 'IfNotPresent';
    const here = policy === 'Always' ? undefined : await images.find(image);
    if (here !== undefined) {
      tell(pod, container, 'Normal', 'Pulled', `Container image "${image}" already present on machine`);
      return here.id;
    }
    if (policy === 'Never') {
      const message = `Container image "${image}" is not present with pull policy of Never`;
      tell(pod, container, 'Warning', 'ErrImageNeverPull', message);
      throw new ImageError('ErrImageNeverPull', message);
    }
    return this.#pull(pod, container, image, place, signal);
  }

  async #pull(pod: Pod, container: Container, image: string, place: ImagePlace, signal: AbortSignal): Promise<string> {
    const { clock, tell } = this.#d;
    const before = this.#failures.get(image);
    if (before !== undefined && clock.now() < before.until) {
      tell(pod, container, 'Normal', 'BackOff', `Back-off pulling image "${image}"`);
      throw new ImageError('ImagePullBackOff', `Back-off pulling image "${image}": ErrImagePull: ${before.message}`);
    }
    tell(pod, container, 'Normal', 'Pulling', `Pulling image "${image}"`);
    const began = performance.now();
    try {
      const id = await this.#pullWithSecrets(pod, container, image, place, signal);
      this.#failures.delete(image);
      const seconds = ((performance.now() - began) / 1000).toFixed(3);
      tell(pod, container, 'Normal', 'Pulled', `Successfully pulled image "${image}" in ${seconds}s`);
      return id;
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      const delay = before === undefined ? INITIAL_MS : Math.min(MAX_MS, before.delay * 2);
      this.#failures.set(image, { until: clock.now() + delay, delay, message });
      tell(pod, container, 'Warning', 'Failed', `Failed to pull image "${image}": ${message}`);
      throw new ImageError('ErrImagePull', message, error);
    }
  }

  /** With each credential that is for this registry until one is taken, or with none where there is none. */
  async #pullWithSecrets(
    pod: Pod,
    container: Container,
    image: string,
    place: ImagePlace,
    signal: AbortSignal,
  ): Promise<string> {
    const credentials = credentialsFor(place, await this.#secrets(pod, container, signal));
    let failure: unknown;
    for (const credential of credentials.length === 0 ? [undefined] : credentials) {
      try {
        return await this.#d.images.pull(image, credential, signal);
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  }

  async #secrets(pod: Pod, container: Container, signal: AbortSignal): Promise<Secret[]> {
    const found: Secret[] = [];
    const missing: string[] = [];
    for (const { name = '' } of pod.spec?.imagePullSecrets ?? []) {
      const secret = await this.#d.source.secret(pod.metadata.namespace ?? '', name, signal).catch(() => undefined);
      if (secret === undefined) missing.push(name);
      else found.push(secret);
    }
    if (missing.length > 0) {
      const names = missing.join(', ');
      const message = `Unable to retrieve some image pull secrets (${names}); attempting to pull the image may not succeed.`;
      this.#d.tell(pod, container, 'Warning', 'FailedToRetrieveImagePullSecret', message);
    }
    return found;
  }
}
