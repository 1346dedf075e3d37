import { clientTls } from '../pki/client-tls.ts';
import { fixedCertificate } from '../pki/issued-certificate.ts';
import type { ReadKubeconfig } from '../pki/read-kubeconfig.ts';
import { fixedTrust } from '../pki/trust.ts';
import { RestClient } from './rest-client.ts';

/** A client that is who a kubeconfig says, and talks to nobody but the server that it names. */
export function kubeconfigClient(config: ReadKubeconfig, userAgent: string): RestClient {
  const ca = fixedTrust([config.caPem]);
  const identity = config.identity === undefined ? {} : { identity: fixedCertificate(config.identity) };
  const { token } = config;
  return new RestClient(
    config.server,
    {
      tls: () => clientTls({ ca, ...identity, server: { name: config.serverName }, alpnProtocols: ['h2'] }),
      ...(token === undefined ? {} : { bearerToken: () => token.reveal() }),
    },
    userAgent,
  );
}
