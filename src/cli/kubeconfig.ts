import { adminKubeconfig } from '../compose/admin-kubeconfig.ts';
import type { KubeconfigFlags } from './program.ts';

/** `causeway kubeconfig`: a new certificate from the cluster's CA; nothing is stored. */
export async function runKubeconfig(flags: KubeconfigFlags): Promise<void> {
  const { dataDir, user, server } = flags;
  const groups = flags.group ?? (user === 'kubernetes-admin' ? ['system:masters'] : []);
  process.stdout.write(await adminKubeconfig(dataDir, { user, groups, ...(server === undefined ? {} : { server }) }));
}
