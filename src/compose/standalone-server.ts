import { checkPort, httpsUrl } from './addresses.ts';
import { openServerDirectory } from './data-directory.ts';
import { untilUsable } from './ready.ts';
import {
  checkServerOptions,
  removeAdminKubeconfig,
  type ServerOptions,
  startServer,
  writeAdminKubeconfig,
} from './server.ts';
import { StopSteps } from './stop-steps.ts';

export interface RunningStandaloneServer {
  /** By which nodes and people elsewhere find it. */
  readonly url: string;
  readonly adminKubeconfig: string;
  stop(hurry?: AbortSignal): Promise<void>;
}

/** Starts a control plane without a node. Resolves when `/readyz` answers and pods can be made; a node that joins runs them. */
export async function startStandaloneServer(
  options: ServerOptions & { readonly dataDirectory: string },
): Promise<RunningStandaloneServer> {
  checkServerOptions(options);
  await checkPort(options.securePort, options.bindAddress, '--secure-port');
  const directory = await openServerDirectory(options.dataDirectory);
  const stops = new StopSteps(options.log);
  stops.push(() => directory.release());
  return stops.undoing(async () => {
    await removeAdminKubeconfig(directory);
    const server = await startServer(
      // What a runtime cannot honour is refused by the node that gets the pod.
      { ...options, directory, podsAt: [], unsupportedPodFields: () => [] },
      stops,
    );
    await untilUsable(server.access);
    const url = httpsUrl(server.advertiseAddress, server.port);
    await writeAdminKubeconfig(directory, server, url, options.log, stops);
    options.progress(`admin credentials: ${directory.adminKubeconfig}`);
    return { url, adminKubeconfig: directory.adminKubeconfig, stop: (hurry) => stops.stop(hurry) };
  });
}
