import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerConfig, PodSandboxConfig } from '../runtime.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** What is on disk of a sandbox, so that the next Causeway finds it: `sandboxes/<id>/sandbox.json`. */
export interface SandboxRecord {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly createdAt: number;
  /** Its own address in the pod network, where it has one. */
  readonly address: string | undefined;
  readonly holder: ProcessIdentity | undefined;
  /** Stopped on purpose. */
  readonly stopped: boolean;
}

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** `containers/<id>/container.json`. */
export interface ContainerRecord {
  readonly id: string;
  readonly sandboxId: string;
  readonly config: ContainerConfig;
  readonly user: ContainerUser;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly exitCode: number | undefined;
  readonly reason: string | undefined;
  readonly message: string | undefined;
  /** The shell that tends it, on the host's side. */
  readonly shim: ProcessIdentity | undefined;
  /** The container's first process. */
  readonly init: ProcessIdentity | undefined;
  /** Set just before the word to go: the command may have run from then on. */
  readonly began?: boolean;
  readonly logPath: string;
}

/** Writes whole or not at all. Mode 0600: the environment of a container may hold secrets. */
export function writeRecord(path: string, record: SandboxRecord | ContainerRecord): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
  renameSync(temporary, path);
}

/** Undefined when it is not there or cut off; both mean that its making was not finished. */
export function readRecord<T extends SandboxRecord | ContainerRecord>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

export function listDirectories(path: string): string[] {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

async function openUp(path: string): Promise<void> {
  const stats = await lstat(path);
  if (!stats.isDirectory()) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await openUp(join(path, name));
}

/** Removes a tree that a container wrote to: it may have taken the permissions of its own directories away. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    await openUp(path).catch(() => undefined);
    await rm(path, { recursive: true, force: true });
  }
}

export function sandboxDirectory(state: string, id: string): string {
  return join(state, 'sandboxes', id);
}

export function containerDirectory(state: string, id: string): string {
  return join(state, 'containers', id);
}
