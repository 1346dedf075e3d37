import type { TLSSocket } from 'node:tls';
import type { ClientCredentials } from '../client/credentials.ts';
import { APISERVER } from '../paths/catalogue.ts';
import type { PathObserver } from '../paths/observer.ts';
import { shownCertificate } from '../pki/certificate-summary.ts';
import { clientTls } from '../pki/client-tls.ts';
import type { CertificateSource } from '../pki/issued-certificate.ts';
import { negotiated } from '../pki/negotiated.ts';
import type { TrustSource } from '../pki/trust.ts';

export interface ComponentIdentity {
  /** `system:kube-scheduler`. */
  readonly user: string;
  /** The row of the catalogue on which it reaches the apiserver: `scheduler-to-apiserver`. */
  readonly path: string;
  readonly certificate: CertificateSource;
}

/** How a component shows itself to the apiserver and verifies it; each connection is reported with what was negotiated. */
export function componentCredentials(
  identity: ComponentIdentity,
  ca: TrustSource,
  serverName: string,
  observer: PathObserver,
): ClientCredentials {
  const serverVerifiedBy = `cluster CA, name ${serverName}`;
  return {
    serverVerifiedBy,
    tls: () => clientTls({ ca, identity: identity.certificate, server: { name: serverName }, alpnProtocols: ['h2'] }),
    connected: (socket: TLSSocket) => {
      const ended = observer.opened({
        path: identity.path,
        from: identity.user,
        to: APISERVER,
        transport: 'tls',
        reportedBy: 'client',
        serverVerifiedBy,
        ...negotiated(socket),
        ...shownCertificate(socket),
      });
      socket.once('close', ended);
    },
    onRenewed: (listener) => {
      const stops = [identity.certificate.onChange(listener), ca.onChange(listener)];
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}
