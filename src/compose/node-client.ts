import { RestClient } from '../client/rest-client.ts';
import type { PathObserver } from '../paths/observer.ts';
import { httpsUrl } from './addresses.ts';
import { componentCredentials } from './component-credentials.ts';
import type { Endpoint } from './kubernetes-service.ts';
import type { NodeCredentials } from './node-credentials.ts';
import { packageVersion } from './version.ts';

/** A node's way to the apiserver. `connected` is told of the node's own address on each connection. */
export function nodeClient(options: {
  readonly nodeName: string;
  readonly apiserver: Endpoint;
  readonly credentials: Pick<NodeCredentials, 'identity' | 'serverCa'>;
  readonly observer: PathObserver;
  readonly connected?: (localAddress: string) => void;
}): RestClient {
  const { nodeName, apiserver, credentials, observer, connected } = options;
  const shown = { user: `system:node:${nodeName}`, path: 'kubelet-to-apiserver', certificate: credentials.identity };
  const own = componentCredentials(shown, credentials.serverCa, apiserver.host, observer);
  return new RestClient(
    httpsUrl(apiserver.host, apiserver.port),
    {
      ...own,
      connected: (socket) => {
        own.connected?.(socket);
        if (socket.localAddress !== undefined) connected?.(socket.localAddress.replace(/^::ffff:/, ''));
      },
    },
    `causeway-kubelet/${packageVersion()}`,
  );
}
