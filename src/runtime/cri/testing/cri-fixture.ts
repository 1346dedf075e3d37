import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../lib/clock.ts';
import { silentLog } from '../../../lib/log.ts';
import type { Runtime } from '../../runtime.ts';
import type { RuntimeFixture } from '../../testing/pods.ts';
import { createCriRuntime } from '../cri-runtime.ts';
import { TEST_IMAGE, TestContainerd } from './containerd.ts';

export interface CriFixture extends RuntimeFixture {
  readonly containerd: TestContainerd;
  /** Another runtime of the same containerd, as a kubelet that starts again has. */
  again(): Promise<Runtime>;
}

/** A runtime of a containerd of its own, all gone after `close`. */
export async function openCriRuntime(): Promise<CriFixture> {
  const containerd = await TestContainerd.start();
  const { directory, socketPath } = containerd;
  const open = (): Promise<Runtime> =>
    createCriRuntime({
      socketPath,
      stateDirectory: join(directory, 'kubelet'),
      nodeAddresses: ['127.0.0.1'],
      log: silentLog,
      clock: systemClock,
    });
  const podsDirectory = join(directory, 'pods');
  mkdirSync(podsDirectory, { mode: 0o755 });
  try {
    const runtime = await open();
    return {
      runtime,
      containerd,
      again: open,
      podsDirectory,
      logDirectory: join(directory, 'logs'),
      root: true,
      sees: 'image',
      image: TEST_IMAGE,
      close: async () => {
        try {
          for (const { id } of await runtime.listPodSandboxes()) await runtime.removePodSandbox(id);
        } finally {
          await runtime.close();
          await containerd.close();
        }
      },
    };
  } catch (error) {
    await containerd.close();
    throw error;
  }
}
