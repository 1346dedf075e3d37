import { randomInt } from 'node:crypto';
import { createTlsListener, type TlsListener } from '../pki/listener.ts';
import { Anchors } from './anchors.ts';
import { Authentication } from './authentication.ts';
import { bootstrapObjects } from './bootstrap/bootstrap.ts';
import { Deadlines } from './deadlines.ts';
import type { Apiserver, ApiserverDependencies, ListenOptions } from './dependencies.ts';
import { DiscoveryDocuments } from './discovery/discovery-documents.ts';
import { EgressSelector } from './egress-selector.ts';
import type { HandlerContext } from './handlers/endpoint.ts';
import type { HealthCheck } from './health.ts';
import { InFlight } from './in-flight.ts';
import { kindHooks } from './kinds/kind-hooks-table.ts';
import { KubeletClient } from './kubelet-client.ts';
import { limits } from './limits.ts';
import { RequestMetrics } from './metrics/request-metrics.ts';
import { NodeEvents } from './node-events.ts';
import { otherRequests } from './other-requests.ts';
import { PathEvidence } from './path-evidence.ts';
import { requestChain } from './request-chain.ts';
import { RequestSteps } from './request-steps.ts';
import { Router } from './router.ts';
import { ServiceAllocator } from './service-ip.ts';
import { specialHandlers } from './special-handlers.ts';
import { HttpFrontend } from './transport/http-frontend.ts';
import { tlsConnection } from './transport/tls-connection.ts';
import { versionInfo } from './version.ts';

/** Puts the apiserver together out of what it is given. Nothing is read, written or listened on before `listen`. */
export function createApiserver(dependencies: ApiserverDependencies): Apiserver {
  return new Server(dependencies);
}

class Server implements Apiserver {
  readonly #dependencies: ApiserverDependencies;
  readonly #services: ServiceAllocator;
  readonly #context: HandlerContext;
  readonly #frontend: HttpFrontend;
  readonly #listener: TlsListener;
  readonly #inFlight: InFlight;
  readonly #closing = new AbortController();
  readonly #kubelets: KubeletClient;
  readonly #deadlines: Deadlines;
  #address = '';
  #state: 'new' | 'starting' | 'ready' | 'closing' = 'new';

  constructor(dependencies: ApiserverDependencies) {
    this.#dependencies = dependencies;
    const { machinery, clock, log, observer } = dependencies;
    this.#inFlight = new InFlight(dependencies.limits?.inFlight);
    this.#deadlines = new Deadlines(dependencies.limits?.requestTimeoutMs ?? limits.requestTimeoutMs);
    this.#services = new ServiceAllocator({ ...dependencies.services, random: (n) => randomInt(n) });
    this.#context = {
      machinery,
      store: dependencies.store,
      caches: dependencies.caches,
      admission: dependencies.admission,
      clock,
      closing: this.#closing.signal,
      anchors: new Anchors(dependencies.caches),
      uuid: dependencies.uuid,
      randomSuffix: dependencies.randomSuffix,
      hooks: kindHooks(this.#services, dependencies.clock),
    };
    const events = new NodeEvents(dependencies);
    this.#kubelets = new KubeletClient({
      ca: dependencies.kubelets.ca,
      identity: dependencies.kubelets.identity,
      anchors: this.#context.anchors,
      egress: new EgressSelector(dependencies.kubelets.dialers),
      observer,
      log,
      onFailure: (node, kind, reason) => events.record(node, kind, reason),
    });
    const metrics = new RequestMetrics(this.#inFlight, () => dependencies.audit.lost);
    const router: Router = new Router({
      context: this.#context,
      special: specialHandlers(dependencies, this.#context, this.#kubelets, () => router.endpoint(pods())),
      other: otherRequests({
        discovery: new DiscoveryDocuments(machinery.scheme),
        codec: machinery.codec,
        documents: dependencies.documents,
        checks: this.#checks(),
        metrics,
        version: versionInfo(dependencies.version),
        issuer: dependencies.serviceAccounts.issuer,
        jwks: () => dependencies.serviceAccounts.jwks(),
        serverAddress: () => this.#address,
      }),
    });
    const pods = () => {
      const resource = machinery.scheme.find('', 'v1', 'pods');
      if (resource === undefined) throw new Error('the scheme has no pods');
      return resource;
    };
    const evidence = new PathEvidence(observer);
    const steps = new RequestSteps({
      authentication: new Authentication({
        authenticator: dependencies.authenticator,
        evidence,
        now: () => clock.now(),
      }),
      evidence,
      authorizer: dependencies.authorizer,
      inFlight: this.#inFlight,
      deadlines: this.#deadlines,
      metrics,
      codec: machinery.codec,
      audit: dependencies.audit,
      clock,
      log,
      uuid: dependencies.uuid,
      handle: (request) => router.handle(request),
    });
    this.#frontend = new HttpFrontend(requestChain(steps));
    this.#listener = createTlsListener({
      ...dependencies.tls,
      clock,
      onConnection: (socket, protocol) => this.#frontend.accept(socket, protocol, tlsConnection(socket)),
      onFailure: ({ remoteAddress, reason }) =>
        observer.failed('client-to-apiserver', remoteAddress, 'system:kube-apiserver', reason),
    });
  }

  #checks(): readonly HealthCheck[] {
    return [
      { name: 'ping', in: ['livez', 'readyz', 'healthz'], check: () => undefined },
      {
        name: 'etcd',
        in: ['livez', 'readyz', 'healthz'],
        check: async () => {
          await this.#dependencies.store.get('/registry/health');
          return undefined;
        },
      },
      {
        name: 'poststarthook/rbac/bootstrap-roles',
        in: ['readyz', 'healthz'],
        check: () => (this.#state === 'ready' ? undefined : 'not finished'),
      },
      {
        name: 'shutdown',
        in: ['readyz'],
        check: () => (this.#state === 'closing' ? 'process is shutting down' : undefined),
      },
    ];
  }

  async listen(options: ListenOptions): Promise<{ host: string; port: number }> {
    this.#state = 'starting';
    // Before the first request: no Service may be given an address that another one has.
    const services = this.#context.caches.of({ group: '', apiVersion: 'v1', kind: 'Service', plural: 'services' });
    this.#services.load((await services.list({})).items.map((item) => item.object()));
    const { port } = await this.#listener.listen(options.port, options.host);
    const address = options.advertiseAddress ?? options.host;
    this.#address = `${address.includes(':') ? `[${address}]` : address}:${port}`;
    await bootstrapObjects({
      context: this.#context,
      policy: this.#dependencies.bootstrapPolicy,
      serviceIp: this.#services.apiserverIp,
      address,
      port,
    });
    this.#state = 'ready';
    return { host: options.host, port };
  }

  async close(): Promise<void> {
    this.#state = 'closing';
    this.#listener.stopAccepting();
    this.#closing.abort();
    this.#frontend.drain();
    await this.#drained();
    this.#frontend.close();
    this.#kubelets.close();
    this.#deadlines.close();
    await this.#listener.close();
  }

  /** Waits for the requests under way: `closing` has told watches and streams to end. */
  async #drained(): Promise<void> {
    const end = Date.now() + limits.drainMs;
    while (Date.now() < end) {
      const { readOnly, mutating, longRunning } = this.#inFlight.counts;
      if (this.#frontend.waiting + readOnly + mutating + longRunning === 0) return;
      await new Promise<void>((resolve) => setTimeout(resolve, 20));
    }
  }
}
