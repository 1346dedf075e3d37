import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeObject } from '../api/object.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { PathObserver } from '../paths/observer.ts';
import type { ClusterPki } from '../pki/cluster-pki.ts';
import { kubeconfig } from '../pki/kubeconfig.ts';
import { writeSecretFile } from '../pki/secret-file.ts';
import type { TrustSource } from '../pki/trust.ts';
import { firstAddress, httpsUrl, isAnyAddress, localAddress, machineAddresses } from './addresses.ts';
import { issueAdmin, SERVER_URL_FILE } from './admin-kubeconfig.ts';
import { readTokenFile, startControlPlane } from './control-plane.ts';
import type { ServerDirectory } from './data-directory.ts';
import { startControllerManager, startScheduler } from './master-components.ts';
import type { StopSteps } from './stop-steps.ts';

/** How a control plane is started, with a node in the same process or alone. */
export interface ServerOptions {
  readonly bindAddress: string;
  /** 0 takes a free port. */
  readonly securePort: number;
  /** By which the `kubernetes` Service leads to it. Default: `bindAddress`, or the machine's first address where that is all of them. */
  readonly advertiseAddress?: string;
  /** Further names and addresses in the apiserver's certificate. */
  readonly tlsSans?: readonly string[];
  /** Addresses of Services: `10.96.0.0/16`. */
  readonly serviceCidr: string;
  readonly tokenFile?: string;
  readonly minTlsVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly log: Log;
  /** Told of each step, in one line. */
  readonly progress: (line: string) => void;
}

/** What a component in this process needs to reach the apiserver. */
export interface ServerAccess {
  /** Where this machine itself finds it: `https://127.0.0.1:6443`. */
  readonly server: string;
  /** By which name or address its certificate is checked. */
  readonly serverName: string;
  readonly pki: ClusterPki;
  readonly ca: TrustSource;
  readonly observer: PathObserver;
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** Of the `kubernetes` Service. */
  readonly serviceIp: string;
  readonly access: ServerAccess;
  readonly advertiseAddress: string;
}

/** What is wrong with the options is thrown before anything is made. */
export function checkServerOptions({ serviceCidr, tokenFile }: ServerOptions): void {
  firstAddress(serviceCidr);
  readTokenFile(tokenFile);
}

/** Starts the apiserver, the scheduler and the controller manager. */
export async function startServer(
  options: ServerOptions & {
    readonly directory: ServerDirectory;
    /** Addresses on this machine at which pods find the apiserver too. */
    readonly podsAt: readonly string[];
    /** Fields of a pod that no node can honour. */
    readonly unsupportedPodFields: (pod: KubeObject) => readonly string[];
  },
  stops: StopSteps,
): Promise<RunningServer> {
  const { directory, bindAddress, log } = options;
  const clock = systemClock;
  const own = isAnyAddress(bindAddress) ? machineAddresses() : [bindAddress];
  const advertiseAddress = options.advertiseAddress ?? own[0] ?? localAddress(bindAddress);
  const serviceIp = firstAddress(options.serviceCidr);
  const { tokenFile, minTlsVersion } = options;
  const controlPlane = await startControlPlane({
    directory,
    host: bindAddress,
    port: options.securePort,
    advertiseAddress,
    serviceCidr: options.serviceCidr,
    serviceIp,
    alsoAt: [...own, advertiseAddress, ...options.podsAt, ...(options.tlsSans ?? [])],
    unsupportedPodFields: options.unsupportedPodFields,
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(minTlsVersion === undefined ? {} : { minTlsVersion }),
    clock,
    log,
  });
  stops.push(() => controlPlane.close());
  options.progress(`control plane: ${controlPlane.url}`);
  const { port, pki, ca, paths, url } = controlPlane;
  const serverName = localAddress(bindAddress);
  const access = { server: httpsUrl(serverName, port), serverName, pki, ca, observer: paths };
  const shared = { ...access, clock, log };
  const [scheduler, controllerManager] = await Promise.all([
    startScheduler(shared),
    startControllerManager({ ...shared, reservedNames: controlPlane.servingNames }),
  ]);
  stops.push(
    () => controllerManager.stop(),
    () => scheduler.stop(),
  );
  return { url, port, serviceIp, access, advertiseAddress };
}

/** Takes away what an earlier start left: a kubeconfig that is there belongs to a cluster that can be used. */
export async function removeAdminKubeconfig(directory: ServerDirectory): Promise<void> {
  await rm(directory.adminKubeconfig, { force: true });
}

/** Writes the superuser's kubeconfig, for the time that the server runs; anew when the authorities are rotated. */
export async function writeAdminKubeconfig(
  directory: ServerDirectory,
  { access: { pki, ca } }: RunningServer,
  url: string,
  log: Log,
  stops: StopSteps,
): Promise<void> {
  await writeSecretFile(join(directory.root, SERVER_URL_FILE), `${url}\n`);
  const write = async (): Promise<void> => {
    const caPem = ca.current().join('');
    await writeSecretFile(directory.adminKubeconfig, kubeconfig({ server: url, caPem, identity: issueAdmin(pki) }));
  };
  await write();
  let writing = Promise.resolve();
  const again = (): void => {
    writing = writing
      .then(write)
      .catch((error: unknown) => log.error('the admin kubeconfig cannot be written', { error: String(error) }));
  };
  const ends = [ca.onChange(again), pki.onReissue(again)];
  stops.push(async () => {
    for (const end of ends) end();
    await writing;
    await removeAdminKubeconfig(directory);
  });
}
