import type { Node } from '../api/generated/types.ts';
import { unionAuthenticator } from '../authn/union.ts';
import { x509Authenticator } from '../authn/x509.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { InformerFactory } from '../client/informer.ts';
import { NODES } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { subjectAccessReviewAuthorizer, tokenReviewAuthenticator } from '../kubelet/delegated-auth.ts';
import { Kubelet } from '../kubelet/kubelet.ts';
import { NodeRegistration } from '../kubelet/node-registration.ts';
import { nodeRoom } from '../kubelet/node-status.ts';
import { servedPods } from '../kubelet/served-pods.ts';
import { createKubeletServer, type KubeletServer } from '../kubelet/server/kubelet-server.ts';
import type { Clock } from '../lib/clock.ts';
import { deadline } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { PathObserver } from '../paths/observer.ts';
import { haveSameIssuer } from '../pki/trust.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { NodeDirectory } from './data-directory.ts';
import type { KubeletSettings } from './kubelet-settings.ts';
import type { Endpoint } from './kubernetes-service.ts';
import type { NodeCredentials } from './node-credentials.ts';
import { KUBERNETES_VERSION, packageVersion } from './version.ts';

/** How long a node that shuts down waits for its status to be stored. */
const TELL_MS = 2_000;

export interface NodeOptions {
  readonly nodeName: string;
  /** It shows the node's certificate; the node closes it. */
  readonly client: RestClient;
  /** Where the kubelet listens, and what the Node object says. */
  readonly address: string;
  /** The kubelet's; 0 takes a free one. */
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly credentials: NodeCredentials;
  readonly runtime: Runtime;
  readonly podCidr: string;
  /** Where pods of this node find the apiserver, when that is not the address of the `kubernetes` Service. */
  readonly kubernetesEndpoint: Endpoint | undefined;
  readonly directory: Pick<NodeDirectory, 'root' | 'podsDirectory' | 'logsDirectory'>;
  readonly kubelet: KubeletSettings;
  /** Awaited once static pods run, and before the apiserver is needed. */
  readonly contact?: () => Promise<unknown>;
  readonly observer: PathObserver;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RunningNode {
  /** The kubelet's port. */
  readonly port: number;
  /** Rejects when the Node object is gone and a person has to join this node again; resolves when the node ends. */
  readonly removed: Promise<void>;
  /** Ends every pod, then the node; at once when `hurry` aborts. */
  shutdown(hurry: AbortSignal): Promise<void>;
  /** Ends the node and leaves its pods running: the next start takes them up. */
  leave(): Promise<void>;
}

/** Registers a node and runs its kubelet. Resolves when the Node object says Ready. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { nodeName, clock, log, observer, runtime, client, credentials } = options;
  const { serverCa } = credentials;
  const user = `system:node:${nodeName}`;
  const abort = new AbortController();
  const informers = new InformerFactory(client, log.child('kubelet'));
  const events = new EventRecorder(client, 'kubelet', nodeName, clock, log.child('kubelet'));

  const room = await nodeRoom(options.directory.root);
  let registration: NodeRegistration | undefined;
  let shuttingDown = false;
  const kubelet = new Kubelet({
    nodeName,
    client,
    informers,
    runtime,
    events,
    hostIPs: [options.address],
    kubernetesEndpoint: options.kubernetesEndpoint,
    nodeRoom: room,
    podsDirectory: options.directory.podsDirectory,
    logsDirectory: options.directory.logsDirectory,
    podManifestPath: options.kubelet.podManifestPath,
    nodeUid: () => credentials.nodeUid(),
    isOfCurrentAuthority: (chain) =>
      haveSameIssuer(chain, credentials.serving.current().certificatePem, serverCa.current()),
    eviction: options.kubelet.eviction,
    shutdown: options.kubelet.shutdown,
    conditionsChanged: () => registration?.wake(),
    trustedCa: () => serverCa.current().join(''),
    clock,
    log: log.child('kubelet'),
  });
  let server: KubeletServer | undefined;
  const close = async (): Promise<void> => {
    abort.abort();
    await kubelet.stop();
    await server?.close();
    client.close();
  };
  try {
    await kubelet.startStaticPods();
    await options.contact?.();
    server = createKubeletServer({
      nodeName,
      certificate: credentials.serving,
      clientCas: credentials.kubeletClientCas,
      authenticator: unionAuthenticator([x509Authenticator({ clock }), tokenReviewAuthenticator(client, clock)]),
      authorizer: subjectAccessReviewAuthorizer(client, clock),
      pods: servedPods(
        () => kubelet.pods(),
        kubelet.view,
        (pod) => kubelet.mirrorUid(pod),
      ),
      runtime,
      observer,
      log: log.child('kubelet'),
      clock,
    });
    const { port } = await server.listen(options.port, options.address);
    const { runtimeName, runtimeVersion } = await runtime.version();
    registration = new NodeRegistration({
      client,
      runtime,
      facts: {
        nodeName,
        addresses: [
          { type: 'InternalIP', address: options.address },
          { type: 'Hostname', address: nodeName },
        ],
        kubeletPort: port,
        kubeletVersion: `${KUBERNETES_VERSION}+causeway-${packageVersion()}`,
        runtimeVersion: `${runtimeName}://${runtimeVersion}`,
        dataDirectory: options.directory.root,
      },
      podCidr: options.podCidr,
      labels: options.labels,
      nodeUid: () => credentials.nodeUid(),
      refused: (error) => credentials.refused(error),
      health: () => ({ pressure: kubelet.conditions, shuttingDown }),
      clock,
      log: log.child('kubelet'),
    });
    credentials.follow(informers);
    // Who deletes the Node ends this watch before it can tell; asked again, it is refused.
    const wake = (): void => registration?.wake();
    informers.for<Node>(NODES, { fieldSelector: `metadata.name=${nodeName}` }).handle({ deleted: wake, refused: wake });
    await registration.register(abort.signal);
    observer.opened({
      path: 'kubelet-to-runtime',
      from: user,
      to: 'runtime',
      transport: runtime.images === undefined ? 'in-process' : 'unix',
    });
    await kubelet.watchPods();
    await informers.start(abort.signal);
    void kubelet.run(abort.signal).catch((error: unknown) => {
      log.error('the kubelet has ended', { error: String(error) });
    });
    const removed = registration.run(abort.signal);
    removed.catch(() => undefined);
    return {
      port,
      removed,
      shutdown: async (hurry) => {
        shuttingDown = options.kubelet.shutdown.totalMs > 0;
        // Nobody is to be sent here while pods end. An apiserver that is away holds nothing up.
        if (shuttingDown) await registration?.tell(deadline(TELL_MS, hurry)).catch(() => undefined);
        await kubelet.shutdown(hurry);
        await events.flush();
        await close();
      },
      leave: async () => {
        await events.flush();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
