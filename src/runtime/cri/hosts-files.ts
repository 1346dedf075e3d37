import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostsFileOf } from '../hosts-file.ts';
import type { PodSandbox } from '../runtime.ts';

/** The `/etc/hosts` of pods: the runtime's own would be the host's. */
export class HostsFiles {
  readonly #directory: string;

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'hosts');
    mkdirSync(this.#directory, { recursive: true, mode: 0o755 });
  }

  /** Writes it as it must be now; answers its path. */
  write({ id, config, ips }: PodSandbox): string {
    const path = this.#path(id);
    writeFileSync(`${path}.new`, hostsFileOf(config, config.hostNetwork ? undefined : ips[0]), { mode: 0o644 });
    renameSync(`${path}.new`, path);
    return path;
  }

  remove(sandboxId: string): void {
    rmSync(this.#path(sandboxId), { force: true });
  }

  #path(sandboxId: string): string {
    return join(this.#directory, sandboxId);
  }
}
