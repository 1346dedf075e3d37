import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { silentLog } from '../../../lib/log.ts';
import { freePodCidr } from '../../testing/free-pod-cidr.ts';
import type { RuntimeFixture } from '../../testing/pods.ts';
import { createProcessRuntime, type ProcessRuntimeOptions } from '../process-runtime.ts';

export interface ProcessFixture extends RuntimeFixture {
  readonly directory: string;
  /** A file as a cluster's key is one: in a directory that pods must not see. */
  readonly options: ProcessRuntimeOptions;
}

const unclosed = new Set<ProcessFixture>();

/** For `afterEach` of tests that open fixtures: ends those that a test left open because it failed in the middle. */
export async function endUnclosed(): Promise<void> {
  for (const { runtime, directory, options } of unclosed) {
    // Removed by the test itself.
    if (!existsSync(directory)) continue;
    await runtime.close();
    // The test may have closed the runtime already, or opened another: what is on disk counts.
    const again = await createProcessRuntime(options);
    for (const { id } of await again.listPodSandboxes()) await again.removePodSandbox(id);
    await again.close();
    rmSync(directory, { recursive: true, force: true });
  }
  unclosed.clear();
}

/** A process runtime in a directory of its own, all gone after `close`. */
export async function openProcessRuntime(change: Partial<ProcessRuntimeOptions> = {}): Promise<ProcessFixture> {
  const directory = mkdtempSync(join(tmpdir(), 'causeway-runtime-'));
  const podsDirectory = join(directory, 'pods');
  mkdirSync(podsDirectory, { mode: 0o755 });
  const options: ProcessRuntimeOptions = {
    stateDirectory: join(directory, 'runtime'),
    nodePodCidr: freePodCidr(),
    hidden: [directory],
    podsDirectory,
    log: silentLog,
    clock: systemClock,
    ...change,
  };
  const runtime = await createProcessRuntime(options);
  const fixture: ProcessFixture = {
    runtime,
    directory,
    options,
    podsDirectory,
    logDirectory: join(directory, 'logs'),
    root: process.getuid?.() === 0,
    sees: 'host',
    image: 'example.org/any:1',
    close: async () => {
      for (const { id } of await runtime.listPodSandboxes()) await runtime.removePodSandbox(id);
      await runtime.close();
      rmSync(directory, { recursive: true, force: true });
      unclosed.delete(fixture);
    },
  };
  unclosed.add(fixture);
  return fixture;
}
