import { aggregateRules } from '../authz/rbac/aggregate.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { InformerFactory } from '../client/informer.ts';
import { RestClient } from '../client/rest-client.ts';
import { runControllerManager } from '../controller-manager/controller-manager.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { ReservedNames } from '../pki/request-rules.ts';
import { RequestSigner } from '../pki/request-signer.ts';
import { RotatingCertificate } from '../pki/rotating-certificate.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { componentCredentials } from './component-credentials.ts';
import { issuedBy } from './follow-rotation.ts';
import type { ServerAccess } from './server.ts';
import { packageVersion } from './version.ts';

export interface MasterComponentOptions extends ServerAccess {
  readonly clock: Clock;
  readonly log: Log;
}

export interface RunningComponent {
  /** Resolves when what was under way has ended. */
  stop(): Promise<void>;
}

interface Parts {
  readonly client: RestClient;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
  readonly log: Log;
}

/** Chooses nodes, as `system:kube-scheduler`. */
export function startScheduler(options: MasterComponentOptions): Promise<RunningComponent> {
  return start(options, 'scheduler', 'default-scheduler', async ({ client, informers, events, log }, signal) => {
    const scheduler = new Scheduler({
      client,
      informers,
      events,
      clock: options.clock,
      log,
      schedulerName: 'default-scheduler',
    });
    await informers.start(signal);
    await scheduler.run(signal);
  });
}

/** Runs the control loops, as `system:kube-controller-manager`. */
export function startControllerManager(
  options: MasterComponentOptions & {
    /** The apiserver's own names: no request gets a certificate for one of them. */
    readonly reservedNames: ReservedNames;
  },
): Promise<RunningComponent> {
  return start(options, 'controller-manager', 'controller-manager', ({ client, informers, events, log }, signal) =>
    runControllerManager(
      {
        client,
        informers,
        events,
        clock: options.clock,
        log,
        certificates: new RequestSigner(() => options.pki.clusterCa, options.reservedNames),
        rootCa: options.ca,
        kubeletClientCa: options.pki.trust('kubeletClient'),
        aggregateRules,
      },
      signal,
    ),
  );
}

async function start(
  options: MasterComponentOptions,
  component: 'scheduler' | 'controller-manager',
  eventSource: string,
  run: (parts: Parts, signal: AbortSignal) => Promise<void>,
): Promise<RunningComponent> {
  const { pki, ca, clock, observer } = options;
  const log = options.log.child(component);
  const user = `system:kube-${component}`;
  const certificate = await RotatingCertificate.start(
    () => pki.issueClient({ user, groups: [] }),
    issuedBy(pki, { clock, log }),
  );
  const identity = { user, path: `${component}-to-apiserver`, certificate };
  const credentials = componentCredentials(identity, ca, options.serverName, observer);
  const client = new RestClient(options.server, credentials, `causeway-${component}/${packageVersion()}`);
  const abort = new AbortController();
  const parts = {
    client,
    informers: new InformerFactory(client, log),
    events: new EventRecorder(client, eventSource, '', clock, log),
    log,
  };
  const running = run(parts, abort.signal).catch((error: unknown) => {
    log.error('the component has ended', { error: String(error) });
  });
  return {
    stop: async () => {
      abort.abort();
      await running;
      client.close();
      certificate.close();
    },
  };
}
