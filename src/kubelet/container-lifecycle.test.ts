import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { ContainerLifecycle, type LifecycleDependencies } from './container-lifecycle.ts';

it('a run that is forgotten takes its logs along, and no others', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'causeway-lifecycle-'));
  const logs = join(directory, 'logs', 'main');
  mkdirSync(logs, { recursive: true });
  for (const name of ['1.log', '1.log.20261124-080000', '10.log', '11.log.20261124-080000', '2.log'])
    writeFileSync(join(logs, name), '');
  for (const attempt of ['1', '2']) {
    mkdirSync(join(directory, 'containers', 'main', attempt), { recursive: true });
    writeFileSync(join(directory, 'containers', 'main', attempt, 'termination-log'), 'why');
  }
  const lifecycle = new ContainerLifecycle({ runtime: {} } as LifecycleDependencies, directory);
  const run = { config: { name: 'main', attempt: 1 }, logPath: join(logs, '1.log') } as unknown as ContainerStatus;
  await lifecycle.forget(run);
  assert.deepEqual(readdirSync(logs).sort(), ['10.log', '11.log.20261124-080000', '2.log']);
  assert.deepEqual(readdirSync(join(directory, 'containers', 'main')), ['2']);
  await lifecycle.forget({ ...run, logPath: join(directory, 'gone', '1.log') });
  rmSync(directory, { recursive: true });
});
