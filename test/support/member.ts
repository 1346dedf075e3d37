import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Background } from './background.ts';
import { causeway, type TestCluster } from './cluster.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** The flags with which `causeway node` joins, out of the line that the cluster prints. They hold once. */
export async function joinFlags(cluster: TestCluster): Promise<readonly string[]> {
  const printed = await causeway(['token', 'create', '--print-join-command', '--data-dir', cluster.dataDirectory]);
  const [program, command, ...flags] = printed.stdout.trim().split(/\s+/);
  if (program !== 'causeway' || command !== 'node') throw new Error(`no line to join with: ${printed.stderr}`);
  return flags;
}

/** Runs `causeway node` on this machine; the caller ends it. */
export function startMember(directory: string, flags: readonly string[] = []): Background {
  const child = spawn(process.execPath, [MAIN, 'node', '--data-dir', directory, '--port', '0', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Background(child, 'causeway node');
}
