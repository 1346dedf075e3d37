import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuthorityOptions, CertificateAuthority } from './authority.ts';
import {
  AUTHORITIES,
  AUTHORITY_NAMES,
  type CaGenerations,
  generationFile,
  isUnused,
  nextGenerations,
  readGenerations,
  writeGenerations,
} from './ca-generations.ts';
import { loadAuthority } from './cluster-pki.ts';
import { syncDirectory, writeNewFile } from './secret-file.ts';

/**
 * Takes the authorities in `directory` to the next phase of their rotation, and answers it. All of them change at one moment, and after a crash
 * there is the phase before or the phase after. One call at a time. A process that uses the directory follows with `ClusterPki.reload`.
 *
 *   steady → trust     makes new authorities, each certified by its predecessor too
 *   trust → reissue    the new ones sign; the old keys are deleted
 *   reissue → steady   the old certificates are deleted
 */
export async function advanceRotation(directory: string, options: AuthorityOptions): Promise<CaGenerations> {
  const now = await readGenerations(directory);
  await removeUnused(directory, now);
  const next = nextGenerations(now);
  if (next.phase === 'trust') await makeSuccessors(directory, now.signing, options);
  await writeGenerations(directory, next);
  await removeUnused(directory, next);
  return next;
}

async function makeSuccessors(directory: string, signing: number, options: AuthorityOptions): Promise<void> {
  const generation = signing + 1;
  for (const name of AUTHORITY_NAMES) {
    const before = await loadAuthority(directory, name, signing, options);
    const made = CertificateAuthority.create(`${AUTHORITIES[name].commonName}-${generation}`, options);
    const after = new CertificateAuthority(made.certificatePem, made.privateKeyPem, options);
    const write = (extension: 'crt' | 'key' | 'cross.crt', content: string) =>
      writeNewFile(join(directory, generationFile(name, generation, extension)), content);
    await write('key', made.privateKeyPem.reveal());
    await write('crt', after.certificatePem);
    await write('cross.crt', before.crossSign(after.certificate));
  }
  await syncDirectory(directory);
}

async function removeUnused(directory: string, generations: CaGenerations): Promise<void> {
  for (const file of await readdir(directory)) {
    if (isUnused(file, generations)) await rm(join(directory, file));
  }
}
