import { unionAuthenticator } from '../authn/union.ts';
import { x509Authenticator } from '../authn/x509.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { InformerFactory } from '../client/informer.ts';
import { RestClient } from '../client/rest-client.ts';
import { subjectAccessReviewAuthorizer, tokenReviewAuthenticator } from '../kubelet/delegated-auth.ts';
import { Kubelet } from '../kubelet/kubelet.ts';
import { NodeRegistration } from '../kubelet/node-registration.ts';
import { nodeRoom } from '../kubelet/node-status.ts';
import { servedPods } from '../kubelet/served-pods.ts';
import { createKubeletServer } from '../kubelet/server/kubelet-server.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { PathObserver } from '../paths/observer.ts';
import type { ClusterPki } from '../pki/cluster-pki.ts';
import { RotatingCertificate } from '../pki/rotating-certificate.ts';
import { fixedTrust, type TrustSource } from '../pki/trust.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { componentCredentials } from './component-credentials.ts';
import type { ClusterDirectory } from './data-directory.ts';
import type { Endpoint } from './kubernetes-service.ts';
import { KUBERNETES_VERSION, packageVersion } from './version.ts';

export interface NodeOptions {
  readonly nodeName: string;
  /** The apiserver: `https://127.0.0.1:6443`. */
  readonly server: string;
  /** By which name or address the apiserver's certificate is checked. */
  readonly serverName: string;
  /** Where the kubelet listens, and what the Node object says. */
  readonly address: string;
  readonly pki: ClusterPki;
  readonly ca: TrustSource;
  readonly runtime: Runtime;
  readonly podCidr: string | undefined;
  /** Where pods of this node find the apiserver, when that is not the address of the `kubernetes` Service. */
  readonly kubernetesEndpoint: Endpoint | undefined;
  readonly directory: Pick<ClusterDirectory, 'root' | 'podsDirectory' | 'logsDirectory'>;
  readonly observer: PathObserver;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RunningNode {
  /** The kubelet's port. */
  readonly port: number;
  /** Ends every pod, then the node; at once when `hurry` aborts. */
  shutdown(hurry: AbortSignal): Promise<void>;
}

/** Registers a node and runs its kubelet. Resolves when the Node object says Ready. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { nodeName, pki, ca, clock, log, observer, runtime } = options;
  const user = `system:node:${nodeName}`;
  const abort = new AbortController();
  const rotate = { clock, log: log.child('pki') };
  const identity = await RotatingCertificate.start(() => pki.issueClient({ user, groups: ['system:nodes'] }), rotate);
  const credentials = componentCredentials(
    { user, path: 'kubelet-to-apiserver', certificate: identity },
    ca,
    options.serverName,
    observer,
  );
  const client = new RestClient(options.server, credentials, `causeway-kubelet/${packageVersion()}`);
  const informers = new InformerFactory(client, log.child('kubelet'));
  const events = new EventRecorder(client, 'kubelet', nodeName, clock, log.child('kubelet'));

  let nodeUid: string | undefined;
  const serving = await RotatingCertificate.start(
    () =>
      pki.issueKubeletServing({
        nodeName,
        dnsNames: [],
        ipAddresses: [options.address],
        ...(nodeUid === undefined ? {} : { nodeUid }),
      }),
    rotate,
  );
  const room = await nodeRoom(options.directory.root);
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
    trustedCa: () => ca.current().join(''),
    clock,
    log: log.child('kubelet'),
  });
  const server = createKubeletServer({
    nodeName,
    certificate: serving,
    clientCas: fixedTrust([pki.kubeletClientCa.certificatePem]),
    authenticator: unionAuthenticator([x509Authenticator({ clock }), tokenReviewAuthenticator(client, clock)]),
    authorizer: subjectAccessReviewAuthorizer(client, clock),
    pods: servedPods(() => kubelet.pods(), kubelet.view),
    runtime,
    observer,
    log: log.child('kubelet'),
    clock,
  });
  const close = async (): Promise<void> => {
    abort.abort();
    await kubelet.stop();
    await server.close();
    client.close();
    serving.close();
    identity.close();
  };
  try {
    const { port } = await server.listen(0, options.address);
    const { runtimeName, runtimeVersion } = await runtime.version();
    const registration = new NodeRegistration({
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
      labels: {},
      registered: async (uid) => {
        // The certificate names this very Node object: one of the same name that comes later is another node.
        nodeUid = uid;
        await serving.renew();
      },
      clock,
      log: log.child('kubelet'),
    });
    await registration.register(abort.signal);
    observer.opened({ path: 'kubelet-to-runtime', from: user, to: 'runtime', transport: 'in-process' });
    await kubelet.watchPods();
    await informers.start(abort.signal);
    void kubelet.run(abort.signal);
    void registration.run(abort.signal);
    return {
      port,
      shutdown: async (hurry) => {
        await kubelet.shutdown(hurry);
        await events.flush();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
