/** Run by a benchmark: a control plane without a node, in a process of its own. Argument: its data directory. Tells its parent where it is. */
import { issueAdmin } from '../src/compose/admin-kubeconfig.ts';
import { startControlPlane } from '../src/compose/control-plane.ts';
import { openClusterDirectory } from '../src/compose/data-directory.ts';
import { tuneHeap } from '../src/compose/heap-tuning.ts';
import { systemClock } from '../src/lib/clock.ts';
import { silentLog } from '../src/lib/log.ts';

export interface ChildReady {
  readonly url: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

tuneHeap();
const directory = await openClusterDirectory(process.argv[2] ?? '');
const controlPlane = await startControlPlane({
  directory,
  host: '127.0.0.1',
  port: 0,
  advertiseAddress: '127.0.0.1',
  alsoAt: [],
  serviceCidr: '10.96.0.0/16',
  serviceIp: '10.96.0.1',
  unsupportedPodFields: () => [],
  clock: systemClock,
  log: silentLog,
});
const admin = issueAdmin(controlPlane.pki);
const ready: ChildReady = {
  url: controlPlane.url,
  ca: controlPlane.pki.clusterCa.certificatePem,
  cert: admin.certificatePem,
  key: admin.privateKeyPem.reveal(),
};
process.send?.(ready);
process.once('disconnect', () => {
  void controlPlane
    .close()
    .then(() => directory.release())
    .finally(() => process.exit());
});
