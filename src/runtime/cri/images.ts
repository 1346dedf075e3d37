import { CausewayError } from '../../lib/errors.ts';
import type { Image, ImageService, RegistryCredential } from '../runtime.ts';
import type { CriClient } from './cri-client.ts';
import { type CriImage, cri } from './cri-messages.ts';
import { PULL_DEADLINE_MS } from './limits.ts';

/** The images of a container runtime. */
export class CriImages implements ImageService {
  readonly #client: CriClient;

  constructor(client: CriClient) {
    this.#client = client;
  }

  async find(image: string): Promise<Image | undefined> {
    const found = await this.status(image);
    return found === undefined ? undefined : shownImage(found);
  }

  /** As CRI says it: with the user that the image runs as. */
  async status(image: string): Promise<CriImage | undefined> {
    const { image: found } = await this.#client.ask(cri.imageStatus, { image: { image } });
    return found === undefined || found.id === '' ? undefined : found;
  }

  async pull(image: string, credential: RegistryCredential | undefined, signal: AbortSignal): Promise<string> {
    const auth =
      credential === undefined ? undefined : { username: credential.username, password: credential.password.reveal() };
    const { imageRef } = await this.#client.change(
      cri.pullImage,
      { image: { image }, auth },
      { timeoutMs: PULL_DEADLINE_MS, signal },
    );
    if (imageRef === '')
      throw new CausewayError('InternalError', `the runtime pulled "${image}" and does not say what`);
    return imageRef;
  }

  async list(): Promise<readonly Image[]> {
    const { images } = await this.#client.ask(cri.listImages, {});
    return images.map(shownImage);
  }

  async remove(id: string): Promise<void> {
    await this.#client.change(cri.removeImage, { image: { image: id } });
  }

  async usage(): Promise<{ readonly path: string; readonly usedBytes: number }> {
    const { imageFilesystems } = await this.#client.ask(cri.imageFsInfo, {});
    const path = imageFilesystems[0]?.fsId?.mountpoint ?? '';
    return { path, usedBytes: imageFilesystems.reduce((sum, each) => sum + (each.usedBytes?.value ?? 0), 0) };
  }
}

function shownImage({ id, repoTags, repoDigests, size, pinned }: CriImage): Image {
  return { id, tags: repoTags, digests: repoDigests, bytes: size, pinned };
}
