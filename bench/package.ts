import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Builds the package and unpacks it into `work`, beside this checkout's own dependencies; answers its command. */
export async function builtCommand(work: string): Promise<string> {
  await promisify(execFile)(process.execPath, [join(root, 'scripts/build.ts')], { cwd: root });
  const dist = join(root, 'dist');
  const archive = (await readdir(dist)).find((name) => name.endsWith('.tgz'));
  await promisify(execFile)('tar', ['-xzf', join(dist, archive ?? ''), '-C', work]);
  await promisify(execFile)('ln', ['-s', join(root, 'node_modules'), join(work, 'node_modules')]);
  return join(work, 'package/cli/main.js');
}
