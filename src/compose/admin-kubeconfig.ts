import { access, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemClock } from '../lib/clock.ts';
import { CausewayError } from '../lib/errors.ts';
import { ClusterPki } from '../pki/cluster-pki.ts';
import type { IssuedCertificate } from '../pki/issued-certificate.ts';
import { kubeconfig } from '../pki/kubeconfig.ts';

const DAYS = 365;
/** Where the apiserver last listened: a line. */
export const SERVER_URL_FILE = 'server-url';

/** The superuser's certificate, as `admin.kubeconfig` holds it. */
export function issueAdmin(pki: ClusterPki): IssuedCertificate {
  return pki.issueClient({ user: 'kubernetes-admin', groups: ['system:masters'], days: DAYS });
}

/** A kubeconfig for a new certificate, made from the keys in a data directory: whoever can read them owns the cluster anyway. */
export async function adminKubeconfig(
  dataDirectory: string,
  options: { readonly user: string; readonly groups: readonly string[]; readonly server?: string },
): Promise<string> {
  const root = resolve(dataDirectory);
  await access(join(root, 'pki', 'ca.key')).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'holds no cluster: run causeway up first' : `cannot be read (${cause.code})`;
    throw new CausewayError('NotFound', `data directory ${root} ${why}`, { cause });
  });
  const pki = await ClusterPki.open(join(root, 'pki'), { clock: systemClock });
  const server = options.server ?? (await readFile(join(root, SERVER_URL_FILE), 'utf8').catch(() => '')).trim();
  if (!server.startsWith('https://')) {
    throw new CausewayError('BadRequest', 'where the apiserver listens is not known: give --server https://HOST:PORT');
  }
  const { user, groups } = options;
  const identity = pki.issueClient({ user, groups, days: DAYS });
  return kubeconfig({ server, caPem: pki.clusterCa.certificatePem, identity, userName: user });
}
