import { chmod, chown, lstat, mkdir, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostPathVolumeSource, Pod, Volume } from '../../api/generated/types.ts';
import type { Clock } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { PodAddresses } from '../downward.ts';
import type { ObjectSource } from '../object-source.ts';
import type { PodCertificateSource } from '../pod-certificate-source.ts';
import { type ProjectedFile, writeAtomically } from './atomic-directory.ts';
import { PodCertificates } from './pod-certificates.ts';
import {
  configMapFiles,
  downwardFiles,
  type ProjectionContext,
  projectedFiles,
  secretFiles,
  type TokenCache,
} from './projections.ts';

/** A volume that is ready to be mounted. */
export interface PreparedVolume {
  readonly hostPath: string;
  /** Its content is the kubelet's: containers get it read-only, whatever they ask. */
  readonly readOnly: boolean;
}

/** The volume sources that this kubelet honours; a pod with another is refused by name. */
export const SUPPORTED_VOLUMES: ReadonlySet<string> = new Set([
  'configMap',
  'downwardAPI',
  'emptyDir',
  'hostPath',
  'projected',
  'secret',
]);

export interface VolumeManagerDependencies {
  /** `<data directory>/kubelet/pods`: one folder a pod UID, 0700. */
  readonly podsDirectory: string;
  readonly source: ObjectSource;
  readonly nodeRoom: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly certificateSource: PodCertificateSource;
  /** Whether a certificate of the cluster's CA is of the authority that signs now. */
  readonly isOfCurrentAuthority: (chain: string) => boolean;
}

/** Prepares the volumes of each pod in a folder of its own, keeps their contents fresh, and removes them with the pod. */
export class VolumeManager {
  readonly #d: VolumeManagerDependencies;
  readonly #certificates: PodCertificates;
  readonly #tokens = new Map<string, Map<string, { token: string; renewAt: number }>>();

  constructor(dependencies: VolumeManagerDependencies) {
    this.#d = dependencies;
    const { certificateSource: source, clock, isOfCurrentAuthority } = dependencies;
    this.#certificates = new PodCertificates({ source, clock, isOfCurrentAuthority });
  }

  /** Makes or refreshes every volume of the pod. Throws what is missing, in one line; `warn` is told of what is old and still serves. */
  async prepare(
    pod: Pod,
    addresses: () => PodAddresses,
    signal: AbortSignal,
    warn: (error: unknown) => void = () => undefined,
  ): Promise<ReadonlyMap<string, PreparedVolume>> {
    const prepared = new Map<string, PreparedVolume>();
    for (const volume of pod.spec?.volumes ?? []) {
      try {
        prepared.set(volume.name, await this.#prepareOne(pod, volume, { addresses, signal, warn }));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new CausewayError('InternalError', `MountVolume.SetUp failed for volume "${volume.name}" : ${why}`, {
          cause: error,
        });
      }
    }
    return prepared;
  }

  /** A pod that has run to its end needs its volumes no more; what else is kept of it stays. */
  async empty(podUid: string): Promise<void> {
    this.#tokens.delete(podUid);
    this.#certificates.forget(podUid);
    await rm(join(this.podDirectory(podUid), 'volumes'), { recursive: true, force: true });
  }

  /** Where an `emptyDir` of a pod is. */
  emptyDirectory(podUid: string, volume: string): string {
    return join(this.podDirectory(podUid), 'volumes', 'emptyDir', volume);
  }

  async teardown(podUid: string): Promise<void> {
    this.#tokens.delete(podUid);
    this.#certificates.forget(podUid);
    await rm(join(this.#d.podsDirectory, podUid), { recursive: true, force: true });
  }

  /** Removes what pods left that nobody runs any more: the kubelet was not there when they went. */
  async removeOthers(isKnown: (podUid: string) => boolean): Promise<void> {
    for (const podUid of await readdir(this.#d.podsDirectory).catch(() => [])) {
      if (!isKnown(podUid)) await this.teardown(podUid);
    }
  }

  podDirectory(podUid: string): string {
    return join(this.#d.podsDirectory, podUid);
  }

  async #prepareOne(
    pod: Pod,
    volume: Volume,
    asked: Pick<ProjectionContext, 'addresses' | 'signal' | 'warn'>,
  ): Promise<PreparedVolume> {
    const uid = pod.metadata.uid ?? '';
    const kind = Object.keys(volume).find((k) => k !== 'name') ?? 'emptyDir';
    if (!SUPPORTED_VOLUMES.has(kind)) throw new CausewayError('Invalid', `volume source ${kind} is not supported`);
    if (volume.hostPath !== undefined) {
      await prepareHostPath(volume.hostPath);
      return { hostPath: volume.hostPath.path, readOnly: false };
    }
    await mkdir(this.#d.podsDirectory, { recursive: true, mode: 0o700 });
    await mkdir(this.podDirectory(uid), { recursive: true, mode: 0o700 });
    const hostPath = join(this.podDirectory(uid), 'volumes', kind, volume.name);
    const gid = pod.spec?.securityContext?.fsGroup;
    if (kind === 'emptyDir') {
      await mkdir(hostPath, { recursive: true });
      await chmod(hostPath, gid === undefined ? 0o777 : 0o2777);
      if (gid !== undefined && process.getuid?.() === 0) await chown(hostPath, 0, gid);
      return { hostPath, readOnly: false };
    }
    const context: ProjectionContext = {
      pod,
      source: this.#d.source,
      nodeRoom: this.#d.nodeRoom,
      tokens: this.#tokenCache(uid),
      certificates: this.#certificates,
      trust: this.#d.certificateSource,
      ...asked,
    };
    await writeAtomically(hostPath, await filesOf(context, volume), gid);
    return { hostPath, readOnly: true };
  }

  #tokenCache(podUid: string): TokenCache {
    let known = this.#tokens.get(podUid);
    if (known === undefined) {
      known = new Map();
      this.#tokens.set(podUid, known);
    }
    const tokens = known;
    return {
      get: (id) => {
        const entry = tokens.get(id);
        return entry !== undefined && entry.renewAt > this.#d.clock.now() ? entry.token : undefined;
      },
      set: (id, token, renewAt) => {
        tokens.set(id, { token, renewAt });
      },
    };
  }
}

function filesOf(context: ProjectionContext, volume: Volume): Promise<ProjectedFile[]> | ProjectedFile[] {
  if (volume.configMap !== undefined) return configMapFiles(context, volume.configMap, volume.configMap.defaultMode);
  if (volume.secret !== undefined) {
    const { secretName, items, optional, defaultMode } = volume.secret;
    return secretFiles(context, { name: secretName, items, optional }, defaultMode);
  }
  if (volume.downwardAPI !== undefined) {
    return downwardFiles(context, volume.downwardAPI.items, volume.downwardAPI.defaultMode);
  }
  return projectedFiles(context, volume.projected?.sources ?? [], volume.projected?.defaultMode);
}

/** `hostPath.type` as Kubernetes checks it. */
async function prepareHostPath(source: HostPathVolumeSource): Promise<void> {
  const { path } = source;
  const found = await stat(path).catch(() => undefined);
  const type = source.type ?? '';
  const fail = (why: string): never => {
    throw new CausewayError('Invalid', `hostPath type check failed: ${path} ${why}`);
  };
  switch (type) {
    case '':
      if (found === undefined) fail('does not exist');
      return;
    case 'DirectoryOrCreate':
      if (found === undefined) await mkdir(path, { recursive: true, mode: 0o755 });
      else if (!found.isDirectory()) fail('is not a directory');
      return;
    case 'Directory':
      if (found?.isDirectory() !== true) fail('is not a directory');
      return;
    case 'FileOrCreate':
      if (found === undefined) await writeFile(path, '', { mode: 0o644, flag: 'wx' });
      else if (!found.isFile()) fail('is not a file');
      return;
    case 'File':
      if (found?.isFile() !== true) fail('is not a file');
      return;
    case 'Socket':
      if (found?.isSocket() !== true) fail('is not a socket file');
      return;
    case 'CharDevice':
      if (found?.isCharacterDevice() !== true) fail('is not a character device');
      return;
    case 'BlockDevice':
      if (found?.isBlockDevice() !== true) fail('is not a block device');
      return;
    default:
      fail(`has the unknown type ${type}`);
  }
}

/**
 * The path of a `subPath` inside a volume. No part of it may be a symbolic link: what a container has written could lead
 * out of the volume (CVE-2017-1002101). A missing part is made as a directory when the volume is writable.
 */
export async function subPathOf(volume: PreparedVolume, subPath: string): Promise<string> {
  const parts = subPath.split('/').filter((p) => p !== '' && p !== '.');
  if (subPath.startsWith('/') || parts.includes('..')) {
    throw new CausewayError('Invalid', `subPath ${JSON.stringify(subPath)} must be relative and must not contain '..'`);
  }
  let path = volume.hostPath;
  for (const part of parts) {
    path = join(path, part);
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) {
      if (volume.readOnly) throw new CausewayError('NotFound', `subPath ${subPath} does not exist in the volume`);
      await mkdir(path, { mode: 0o777 });
      await chmod(path, 0o777);
    } else if (found.isSymbolicLink() && !volume.readOnly) {
      throw new CausewayError('Invalid', `subPath ${subPath} leads through a symbolic link`);
    }
  }
  return volume.readOnly ? realpath(path) : path;
}
