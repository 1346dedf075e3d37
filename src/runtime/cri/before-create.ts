import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';
import type { ContainerConfig } from '../runtime.ts';
import { type ImageUser, localhostProfile } from './container-request.ts';
import type { CriImages } from './images.ts';

/** Whom the image runs as; throws `Invalid`, in Kubernetes' words, where `runAsNonRoot` forbids that, and `NotFound` without the image. */
export async function imageUserOf(images: CriImages, config: ContainerConfig): Promise<ImageUser> {
  const image = await images.status(config.imageRef ?? config.image);
  if (image === undefined) throw new CausewayError('NotFound', `image "${config.image}" is not on this node`);
  const { runAsNonRoot, runAsUser } = config.security;
  const user = { uid: image.uid?.value, username: image.username };
  if (!runAsNonRoot) return user;
  if ((runAsUser ?? user.uid) === 0 || (runAsUser === undefined && user.uid === undefined && user.username === ''))
    throw new CausewayError(
      'Invalid',
      runAsUser === 0
        ? "container's runAsUser breaks non-root policy (runAsNonRoot)"
        : 'container has runAsNonRoot and image will run as root',
    );
  if (runAsUser === undefined && user.uid === undefined)
    throw new CausewayError(
      'Invalid',
      `container has runAsNonRoot and image has non-numeric user (${user.username}), cannot verify user is non-root`,
    );
  return user;
}

/** A profile that is not there would be found out only at the start. */
export function checkSeccompProfile(config: ContainerConfig, directory: string): void {
  const profile = localhostProfile(config.security.seccomp);
  if (profile === undefined || existsSync(join(directory, profile))) return;
  throw new CausewayError(
    'Invalid',
    `securityContext.seccompProfile.localhostProfile: there is no "${profile}" in the node's directory of seccomp profiles`,
  );
}
