import { watch } from 'node:fs';
import type { Log } from '../lib/log.ts';
import { GENERATIONS_FILE } from '../pki/ca-generations.ts';
import type { ClusterPki } from '../pki/cluster-pki.ts';
import type { RotatingCertificateOptions } from '../pki/rotating-certificate.ts';

/** For certificates that `pki` issues in this process: they are issued anew when another authority signs. */
export function issuedBy(
  pki: ClusterPki,
  options: Omit<RotatingCertificateOptions, 'onReissue'>,
): RotatingCertificateOptions {
  return { ...options, onReissue: (listener) => pki.onReissue(listener) };
}

const RETRY_MS = 5_000;

/** Follows `causeway cert rotate-ca`, which changes the directory, until the answer is called. */
export function followRotation(pki: ClusterPki, directory: string, log: Log): () => void {
  let following = Promise.resolve();
  let again: NodeJS.Timeout | undefined;
  const reload = (): void => {
    clearTimeout(again);
    following = following
      .then(() => pki.reload())
      .catch((error: unknown) => {
        log.error('the authorities cannot be loaded anew; trying again', { error: String(error) });
        again = setTimeout(reload, RETRY_MS).unref();
      });
  };
  const watcher = watch(directory, { persistent: false }, (_, name) => {
    // A rename puts it in place, and nothing else under that name is ever written.
    if (name === GENERATIONS_FILE || name === null) reload();
  });
  watcher.on('error', (error) => log.error('rotations of the authorities are not followed', { error: String(error) }));
  return () => {
    watcher.close();
    clearTimeout(again);
  };
}
