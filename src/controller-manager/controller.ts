import type { ClusterRole } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { TrustSource } from '../pki/trust.ts';
import type { CertificateSigner } from './certificate-request.ts';

export interface ControllerDependencies {
  readonly client: RestClient;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  /** Who issues certificates for approved requests. */
  readonly certificates: CertificateSigner;
  /** PEM: what `kube-root-ca.crt` gives to pods. */
  readonly rootCa: TrustSource;
  /** Who signs the certificates of those who may call kubelets. */
  readonly kubeletClientCa: TrustSource;
  /** The rules that each aggregating role has, by its name: as authorisation works them out. */
  readonly aggregateRules: (roles: readonly ClusterRole[]) => ReadonlyMap<string, readonly object[]>;
}

/** One control loop. Its constructor asks for informers; `run` works until `signal` aborts. */
export interface Controller {
  run(signal: AbortSignal): Promise<void>;
}
