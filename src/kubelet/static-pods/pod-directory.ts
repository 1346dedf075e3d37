import { type FSWatcher, watch } from 'node:fs';
import { constants, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../../api/generated/types.ts';
import type { Clock } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { StaticPodParser } from './static-pod-file.ts';

/** As Kubernetes' `fileCheckFrequency`: what inotify missed, as on a file system of the network, is found then. */
const RESCAN_MS = 20_000;
/** Writers write in pieces: what changed is read when it has been quiet for so long. */
const QUIET_MS = 100;
/** Bytes of one file: a pod is far smaller. */
const MAX_FILE_BYTES = 1 << 20;
/** Files of one directory: far more than a node can run. */
const MAX_FILES = 1_000;

export interface DirectoryDependencies {
  /** Absolute. */
  readonly path: string;
  readonly nodeName: string;
  readonly parser: Pick<StaticPodParser, 'parse'>;
  /** All static pods that there are now. */
  readonly changed: (pods: readonly Pod[]) => void;
  readonly clock: Clock;
  readonly log: Log;
  /** Where it is not the usual time. */
  readonly rescanMs?: number;
}

interface Read {
  readonly text: string;
  readonly pod: Pod | undefined;
}

/**
 * Follows a directory of static pods. A file that cannot be used is told of once in each of its states, and the others run. What a file
 * said before goes on as long as the file is there: a half-written file ends no pod.
 */
export class PodDirectory {
  readonly #d: DirectoryDependencies;
  #files = new Map<string, Read>();
  #told = new Map<string, string>();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(dependencies: DirectoryDependencies) {
    this.#d = dependencies;
  }

  /** Reads the directory for the first time, and follows it from then on. */
  async start(): Promise<void> {
    await this.#scan();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
    await this.#reading;
  }

  #scan(): Promise<void> {
    if (this.#reading !== undefined) {
      this.#again = true;
      return this.#reading;
    }
    this.#reading = this.#read()
      .catch((error: unknown) => this.#complain(this.#d.path, error))
      .finally(() => {
        this.#reading = undefined;
        const soon = this.#again;
        this.#again = false;
        this.#scanAfter(soon ? QUIET_MS : (this.#d.rescanMs ?? RESCAN_MS));
      });
    return this.#reading;
  }

  #scanAfter(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#scan(), ms);
  }

  /** Before reading, so that no change falls between. A directory that was replaced has to be watched anew. */
  #follow(): void {
    this.#watcher?.close();
    try {
      this.#watcher = watch(this.#d.path, () => this.#scanAfter(QUIET_MS));
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // It is not there, or there are no watches left: scanning goes on.
      this.#watcher = undefined;
    }
  }

  async #read(): Promise<void> {
    const { path, changed } = this.#d;
    this.#follow();
    const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
    if (names.length > MAX_FILES) throw new CausewayError('Invalid', `it has more than ${MAX_FILES} files`);
    const before = this.#files;
    const now = new Map<string, Read>();
    for (const name of names) {
      const file = await this.#readFile(join(path, name), before.get(name));
      if (file !== undefined) now.set(name, file);
    }
    for (const complaint of this.#told.keys()) {
      if (complaint !== path && !names.some((name) => join(path, name) === complaint)) this.#told.delete(complaint);
    }
    this.#told.delete(path);
    this.#files = now;
    if (!this.#closed) changed(this.#distinct());
  }

  /** Undefined for what is no file, or was never a pod. */
  async #readFile(path: string, before: Read | undefined): Promise<Read | undefined> {
    const { parser, nodeName, clock } = this.#d;
    let text: Buffer | undefined;
    try {
      text = await readRegular(path);
      if (text === undefined) return undefined;
      if (before?.text === text.toString('latin1')) return before;
      const pod = parser.parse(text, { path, nodeName, seenAt: clock.now() });
      this.#told.delete(path);
      return { text: text.toString('latin1'), pod };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      this.#complain(path, error);
      return before?.pod === undefined ? undefined : { text: '', pod: before.pod };
    }
  }

  /** The pods, one of each name: of two files the first one counts. */
  #distinct(): Pod[] {
    const found = new Map<string, { pod: Pod; file: string }>();
    for (const [file, { pod }] of this.#files) {
      if (pod === undefined) continue;
      const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
      const first = found.get(name);
      if (first === undefined) found.set(name, { pod, file });
      else this.#complain(join(this.#d.path, file), new Error(`${first.file} has a pod of that name already`));
    }
    return [...found.values()].map(({ pod }) => pod);
  }

  #complain(path: string, error: unknown): void {
    const code = (error as NodeJS.ErrnoException).code;
    const isOurs = error instanceof CausewayError || code === undefined;
    const why = (isOurs && error instanceof Error ? error.message : `it cannot be read (${code})`).split('\n')[0] ?? '';
    if (this.#told.get(path) === why) return;
    this.#told.set(path, why);
    this.#d.log.error(path === this.#d.path ? 'static pods cannot be read' : 'a static pod is not run', { path, why });
  }
}

/** Undefined for a directory, a socket, a device. Opened without waiting: a FIFO must not stop the kubelet. */
async function readRegular(path: string): Promise<Buffer | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return undefined;
    if (stats.size > MAX_FILE_BYTES) throw new CausewayError('Invalid', `it has more than ${MAX_FILE_BYTES} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}
