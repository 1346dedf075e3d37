import type { AdmissionChain } from '../admission/chain.ts';
import type { Authenticator } from '../authn/authenticator.ts';
import type { TokenIssuer } from '../authn/token-issuer.ts';
import type { TokenReviewer } from '../authn/token-reviewer.ts';
import type { Authorizer, RuleResolver } from '../authz/authorizer.ts';
import type { BootstrapPolicy } from '../authz/rbac/bootstrap-policy.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { PathObserver } from '../paths/observer.ts';
import type { PathRegistry } from '../paths/registry.ts';
import type { CertificateSource } from '../pki/issued-certificate.ts';
import type { TrustSource } from '../pki/trust.ts';
import type { Store } from '../storage/store.ts';
import type { Dialer } from '../tunnel/dialer.ts';
import type { AuditSink } from './audit/audit-log.ts';
import type { ApiDocuments } from './discovery/openapi-handlers.ts';
import type { Machinery } from './machinery.ts';
import type { WatchCaches } from './watch-cache/watch-cache.ts';

/** Everything that the apiserver works with. It makes none of it: `compose/` does. */
export interface ApiserverDependencies {
  readonly machinery: Machinery;
  readonly documents: ApiDocuments;
  readonly store: Store;
  readonly caches: WatchCaches;
  readonly authenticator: Authenticator;
  readonly tokenReviewer: TokenReviewer;
  readonly authorizer: Authorizer;
  readonly rules: RuleResolver;
  readonly admission: AdmissionChain;
  readonly bootstrapPolicy: BootstrapPolicy;
  readonly tls: {
    readonly certificate: CertificateSource;
    readonly clientCas: TrustSource;
    readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  };
  readonly serviceAccounts: {
    readonly issuer: string;
    readonly tokens: TokenIssuer;
    /** What `/openid/v1/jwks` answers. */
    jwks(): unknown;
  };
  /** How kubelets are reached: the CA of their serving certificates, what the apiserver shows them, and what carries the bytes. */
  readonly kubelets: {
    readonly ca: TrustSource;
    readonly identity: CertificateSource;
    readonly dialers: readonly Dialer[];
  };
  readonly services: {
    /** Addresses of Services: `10.96.0.0/16`. The first is the apiserver's own. */
    readonly cidr: string;
    readonly nodePorts: { readonly first: number; readonly last: number };
  };
  readonly audit: AuditSink;
  /** Where they are not those of `limits.ts`. */
  readonly limits?: {
    readonly inFlight?: { readonly readOnly?: number; readonly mutating?: number; readonly longRunning?: number };
    readonly requestTimeoutMs?: number;
  };
  readonly observer: PathObserver;
  readonly paths: Pick<PathRegistry, 'list' | 'get' | 'subscribe' | 'revision'>;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly uuid: () => string;
  readonly randomSuffix: (length: number) => string;
}

export interface ListenOptions {
  /** 0 takes a free port. */
  readonly port: number;
  readonly host: string;
  /** What the Endpoints of the `kubernetes` Service say; default the address listened on. */
  readonly advertiseAddress?: string;
}

export interface Apiserver {
  /** Throws an Error with `code` EADDRINUSE or EACCES as node:net does. Resolves when requests are answered and `/readyz` is ok. */
  listen(options: ListenOptions): Promise<{ readonly host: string; readonly port: number }>;
  /** No new requests; waits up to a few seconds for those under way, ends watches and streams at once, then ends everything. */
  close(): Promise<void>;
}
