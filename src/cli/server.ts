import { tuneHeap } from '../compose/heap-tuning.ts';
import { startStandaloneServer } from '../compose/standalone-server.ts';
import type { ServerFlags } from './program.ts';
import { printReady, serverOptions } from './server-options.ts';
import { stopSignals } from './stop-signals.ts';

/** `causeway server`: runs until SIGINT or SIGTERM. */
export async function runServer(flags: ServerFlags): Promise<void> {
  const started = performance.now();
  const options = await serverOptions(flags);
  tuneHeap();
  const { asked, hurry } = stopSignals();
  const server = await startStandaloneServer({ ...options, dataDirectory: flags.dataDir });
  printReady(started, server.adminKubeconfig);
  console.log('  kubectl get nodes');
  console.log('Add a node with the command that this prints:');
  console.log('  causeway token create --print-join-command');
  await asked;
  console.log('stopping');
  await server.stop(hurry);
  console.log('stopped');
}
