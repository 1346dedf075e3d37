import { AdmissionChain } from '../../admission/chain.ts';
import { defaultPlugins } from '../../admission/default-plugins.ts';
import { defaultPodSecurity } from '../../admission/pod-security/pod-security.ts';
import { startTestApiserver, type TestApiserver } from '../../apiserver/testing/test-apiserver.ts';
import { aggregateRules } from '../../authz/rbac/aggregate.ts';
import { bootstrapPolicy } from '../../authz/rbac/bootstrap-policy.ts';
import { RbacAuthorizer } from '../../authz/rbac/rbac-authorizer.ts';
import { superuserAuthorizer } from '../../authz/superuser.ts';
import { UnionAuthorizer } from '../../authz/union.ts';
import { EventRecorder } from '../../client/event-recorder.ts';
import { InformerFactory } from '../../client/informer.ts';
import type { RestClient } from '../../client/rest-client.ts';
import { restClient } from '../../client/testing/test-client.ts';
import { cachedReader, followRbac, storedReader } from '../../compose/cluster-view.ts';
import type { Clock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { parseCertificateRequest } from '../../pki/certificate-request.ts';
import { RequestSigner } from '../../pki/request-signer.ts';
import { Scheduler } from '../../scheduler/scheduler.ts';
import type { Controller, ControllerDependencies } from '../controller.ts';
import { runControllerManager } from '../controller-manager.ts';
import { HeldWatches } from './held-watches.ts';

const reservedNames = { dnsNames: ['kubernetes', 'api.test'], ipAddresses: ['127.0.0.1', '10.96.0.1'] };

type ControllerClass = new (dependencies: ControllerDependencies) => Controller;

/** A clock that can be put forward: time goes on by itself as well. */
export class MovableClock implements Clock {
  #ahead = 0;

  now(): number {
    return Date.now() + this.#ahead;
  }

  advance(ms: number): void {
    this.#ahead += ms;
  }
}

/** A real apiserver with Kubernetes' roles and admission, and components that run under their own identities. */
export class TestCluster {
  readonly api: TestApiserver;
  readonly admin: RestClient;
  readonly clock = new MovableClock();
  /** Those of the components: a test can keep news from them. */
  readonly watches = new HeldWatches();
  readonly #stops: (() => Promise<void>)[] = [];

  private constructor(api: TestApiserver) {
    this.api = api;
    this.admin = restClient(api);
  }

  static async start(): Promise<TestCluster> {
    let following: Promise<void> | undefined;
    let rbac: RbacAuthorizer | undefined;
    const known = (): RbacAuthorizer => {
      if (rbac === undefined) throw new Error('the roles are not known yet');
      return rbac;
    };
    const api = await startTestApiserver({
      change: (dependencies) => {
        const { caches, store, machinery, randomSuffix } = dependencies;
        const { scheme } = machinery;
        following = followRbac(caches, scheme).then((reader) => {
          rbac = new RbacAuthorizer(reader);
        });
        const authorizer = new UnionAuthorizer([
          superuserAuthorizer,
          { name: 'RBAC', authorize: async (attributes) => known().authorize(attributes) },
        ]);
        return {
          ...dependencies,
          authorizer,
          bootstrapPolicy: bootstrapPolicy(),
          admission: new AdmissionChain(
            defaultPlugins({
              reader: cachedReader(caches, scheme),
              liveReader: storedReader(store, scheme),
              authorizer,
              escalation: {
                rbac: {
                  policyRulesFor: (...args) => known().policyRulesFor(...args),
                  resolve: (...args) => known().resolve(...args),
                },
                authorizer,
              },
              scheme,
              podSecurity: defaultPodSecurity,
              unsupportedPodFields: () => [],
              certificateRequestOrganizations: (request) =>
                parseCertificateRequest(Buffer.from(request, 'base64').toString()).subject.organizations,
              randomSuffix,
            }),
          ),
        };
      },
    });
    await following;
    return new TestCluster(api);
  }

  /** Runs controllers as the controller manager; all of them when none is named. */
  async runControllers(...kinds: ControllerClass[]): Promise<{ stop(): Promise<void> }> {
    return this.#run('system:kube-controller-manager', 'controller-manager', async (parts, signal) => {
      const certificates = new RequestSigner(() => this.api.pki.clusterCa, reservedNames);
      const rootCa = this.api.pki.trust('cluster');
      const kubeletClientCa = this.api.pki.trust('kubeletClient');
      const dependencies = { ...parts, certificates, rootCa, kubeletClientCa, aggregateRules };
      if (kinds.length === 0) return runControllerManager(dependencies, signal);
      const controllers = kinds.map((Kind) => new Kind(dependencies));
      await parts.informers.start(signal);
      await Promise.all(controllers.map((c) => c.run(signal)));
    });
  }

  async runScheduler(): Promise<{ stop(): Promise<void> }> {
    return this.#run('system:kube-scheduler', 'default-scheduler', async (parts, signal) => {
      const scheduler = new Scheduler({ ...parts, schedulerName: 'default-scheduler' });
      await parts.informers.start(signal);
      await scheduler.run(signal);
    });
  }

  async #run(
    user: string,
    source: string,
    run: (
      parts: Omit<ControllerDependencies, 'certificates' | 'rootCa' | 'kubeletClientCa' | 'aggregateRules'>,
      signal: AbortSignal,
    ) => Promise<void>,
  ): Promise<{ stop(): Promise<void> }> {
    const client = restClient(this.api, user);
    this.watches.govern(client);
    const informers = new InformerFactory(client, silentLog);
    const events = new EventRecorder(client, source, '', this.clock, silentLog);
    const abort = new AbortController();
    const running = run({ client, informers, events, clock: this.clock, log: silentLog }, abort.signal);
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      stopped ??= (async () => {
        abort.abort();
        await running;
        await events.flush();
        client.close();
      })();
      return stopped;
    };
    this.#stops.push(stop);
    return { stop };
  }

  onStop(stop: () => Promise<void>): void {
    this.#stops.push(stop);
  }

  /** What components were forbidden so far: `user verb path`. */
  forbidden(): string[] {
    return this.api.auditLines
      .map((line) => JSON.parse(line) as AuditLine)
      .filter((e) => e.responseStatus?.code === 403 && e.user?.username?.startsWith('system:kube-') === true)
      .map((e) => `${e.user?.username} ${e.verb} ${e.requestURI}: ${e.responseStatus?.message ?? ''}`);
  }

  async close(): Promise<void> {
    this.watches.releaseAll();
    for (const stop of this.#stops.reverse()) await stop();
    this.admin.close();
    await this.api.close();
  }
}

interface AuditLine {
  readonly verb?: string;
  readonly requestURI?: string;
  readonly user?: { readonly username?: string };
  readonly responseStatus?: { readonly code?: number; readonly message?: string };
}
