import { tuneHeap } from '../compose/heap-tuning.ts';
import { kubeletSettings } from '../compose/kubelet-settings.ts';
import { up } from '../compose/up.ts';
import type { UpFlags } from './program.ts';
import { checkNodeName, printReady, serverOptions } from './server-options.ts';
import { stopSignals } from './stop-signals.ts';

/** `causeway up`: runs until SIGINT or SIGTERM. */
export async function runUp(flags: UpFlags): Promise<void> {
  const started = performance.now();
  const { nodeName } = flags;
  const server = await serverOptions(flags);
  checkNodeName(nodeName);
  tuneHeap();
  const { asked, hurry } = stopSignals();
  const cluster = await up({
    ...server,
    dataDirectory: flags.dataDir,
    ...(nodeName === undefined ? {} : { nodeName }),
    kubelet: kubeletSettings(flags),
  });
  printReady(started, cluster.adminKubeconfig);
  console.log('  kubectl get nodes');
  await asked;
  console.log('stopping: pods first, within their grace periods (once more to end them at once)');
  await cluster.stop(hurry);
  console.log('stopped');
}
