import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { sleep } from '../../lib/deadline.ts';
import type { Log } from '../../lib/log.ts';
import type { CriClient } from './cri-client.ts';
import { cri } from './cri-messages.ts';
import { LOG_FILE_BYTES, LOG_FILES, LOG_LOOK_MS } from './limits.ts';
import type { RuntimeListing } from './runtime-listing.ts';

export interface LogRotationOptions {
  readonly client: CriClient;
  readonly listing: RuntimeListing;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps the logs that the runtime writes from filling the disk: moves a large one away and has it opened anew. */
export class LogRotation {
  readonly #o: LogRotationOptions;
  readonly #over = new AbortController();

  constructor(options: LogRotationOptions) {
    this.#o = options;
  }

  start(): void {
    void this.#run();
  }

  close(): void {
    this.#over.abort();
  }

  async #run(): Promise<void> {
    while (await sleep(LOG_LOOK_MS, this.#over.signal)) {
      for (const { id, state, logPath } of this.#o.listing.last.containers.values()) {
        if (state !== 'running') continue;
        await this.#look(id, logPath).catch((error: unknown) =>
          this.#o.log.warn('a container log could not be rotated', { container: id, error: String(error) }),
        );
      }
    }
  }

  async #look(containerId: string, path: string): Promise<void> {
    const { size } = await stat(path).catch(() => ({ size: 0 }));
    if (size < LOG_FILE_BYTES) return;
    const at = new Date(this.#o.clock.now())
      .toISOString()
      .replaceAll(/[-:.Z]/g, '')
      .replace('T', '-');
    const rotated = `${path}.${at}`;
    await rename(path, rotated);
    try {
      await this.#o.client.ask(cri.reopenContainerLog, { containerId });
    } catch (error) {
      // It still writes to the file that was moved.
      await rename(rotated, path);
      throw error;
    }
    await removeOldest(path);
  }
}

async function removeOldest(path: string): Promise<void> {
  const prefix = `${basename(path)}.`;
  const rotated = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix)).sort();
  for (const name of rotated.slice(0, Math.max(0, rotated.length - (LOG_FILES - 1))))
    await rm(join(dirname(path), name));
}
