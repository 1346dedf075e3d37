import { randomInt, randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { AdmissionChain } from '../admission/chain.ts';
import { defaultPlugins } from '../admission/default-plugins.ts';
import { defaultPodSecurity } from '../admission/pod-security/pod-security.ts';
import { createCodec } from '../api/codec/codec.ts';
import { behaviourOf } from '../api/kind-behaviour.ts';
import type { KubeObject } from '../api/object.ts';
import { createOpenApi } from '../api/openapi/openapi.ts';
import { loadScheme } from '../api/resources/load-scheme.ts';
import { mergeSchema } from '../api/schema/merge-schema.ts';
import { loadSchema } from '../api/schema/schema.ts';
import { apiMachinery } from '../apiserver/api-machinery.ts';
import { createApiserver } from '../apiserver/apiserver.ts';
import { AuditLog } from '../apiserver/audit/audit-log.ts';
import { expireEvents } from '../apiserver/event-expiry.ts';
import { createWatchCaches } from '../apiserver/watch-cache/caches.ts';
import { anonymousAuthenticator } from '../authn/anonymous.ts';
import { bootstrapTokenAuthenticator } from '../authn/bootstrap-token.ts';
import { serviceAccountAuthenticator } from '../authn/service-account.ts';
import { tokenFileAuthenticator } from '../authn/token-file.ts';
import { TokenIssuer } from '../authn/token-issuer.ts';
import { unionAuthenticator, unionTokenReviewer } from '../authn/union.ts';
import { x509Authenticator } from '../authn/x509.ts';
import { NodeAuthorizer } from '../authz/node/node-authorizer.ts';
import { NodeGraph } from '../authz/node/node-graph.ts';
import { bootstrapPolicy } from '../authz/rbac/bootstrap-policy.ts';
import { RbacAuthorizer } from '../authz/rbac/rbac-authorizer.ts';
import { superuserAuthorizer } from '../authz/superuser.ts';
import { UnionAuthorizer, unionRuleResolver } from '../authz/union.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { APISERVER } from '../paths/catalogue.ts';
import { PathRegistry } from '../paths/registry.ts';
import { parseCertificateRequest } from '../pki/certificate-request.ts';
import { ClusterPki } from '../pki/cluster-pki.ts';
import type { ReservedNames } from '../pki/request-rules.ts';
import { RotatingCertificate } from '../pki/rotating-certificate.ts';
import type { TrustSource } from '../pki/trust.ts';
import { openLmdbStore } from '../storage/lmdb/store.ts';
import { directDialer } from '../tunnel/direct/direct-dialer.ts';
import { httpsUrl } from './addresses.ts';
import {
  bootstrapTokens,
  boundObjects,
  cachedReader,
  followNodeGraph,
  followNodes,
  followRbac,
  storedReader,
} from './cluster-view.ts';
import type { ServerDirectory } from './data-directory.ts';
import { followRotation, issuedBy } from './follow-rotation.ts';
import { KUBERNETES_VERSION, packageVersion } from './version.ts';

/** What pods and people call the apiserver by. */
const SERVING_NAMES = [
  '127.0.0.1',
  '::1',
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];
const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const apiAudiences: readonly string[] = [ISSUER];
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

export interface ControlPlaneOptions {
  readonly directory: Pick<ServerDirectory, 'pki' | 'store' | 'auditLog'>;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** The content of `--token-auth-file`. */
  readonly tokenFile?: string;
  readonly minTlsVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Addresses of Services; the first is the apiserver's. */
  readonly serviceCidr: string;
  readonly serviceIp: string;
  /** By which the `kubernetes` Service leads to it. */
  readonly advertiseAddress: string;
  /** Further names and addresses at which clients may find the apiserver: its certificate has them. */
  readonly alsoAt: readonly string[];
  /** Fields of a pod that the nodes cannot honour. */
  readonly unsupportedPodFields: (pod: KubeObject) => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** A running apiserver with everything that it works on. */
export interface ControlPlane {
  /** `https://127.0.0.1:6443`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pki: ClusterPki;
  readonly ca: TrustSource;
  readonly paths: PathRegistry;
  /** What the apiserver's certificate names. */
  readonly servingNames: ReservedNames;
  close(): Promise<void>;
}

/** Opens storage and keys, and starts the apiserver. What was opened is closed again when a later step fails. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { directory, clock, log } = options;
  const opened: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of opened.reverse()) await close();
  };
  try {
    const [pki, store, audit] = await Promise.all([
      ClusterPki.open(directory.pki, { clock }),
      openLmdbStore({ directory: directory.store, clock, log: log.child('storage') }),
      AuditLog.open({ path: directory.auditLog, log: log.child('audit') }),
    ]);
    opened.push(() => store.close());
    opened.push(() => audit.close());
    const caches = createWatchCaches({ store, clock, log: log.child('watch-cache') });
    opened.push(() => caches.close());

    const schema = loadSchema();
    const scheme = loadScheme();
    const ca = pki.trust('cluster');
    const paths = new PathRegistry({ clock });
    const randomSuffix = (length: number): string =>
      Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join('');

    const graph = new NodeGraph();
    const [rbacReader, nodes] = await Promise.all([
      followRbac(caches, scheme),
      followNodes(caches, scheme),
      followNodeGraph(caches, scheme, graph),
    ]);
    const rbac = new RbacAuthorizer(rbacReader);
    const node = new NodeAuthorizer(graph, nodes);
    const authorizer = new UnionAuthorizer([superuserAuthorizer, node, rbac]);

    const serviceAccounts = serviceAccountAuthenticator({
      issuer: ISSUER,
      apiAudiences,
      keys: pki.serviceAccountKeys,
      objects: boundObjects(caches, scheme),
      clock,
    });
    const joining = bootstrapTokenAuthenticator({ apiAudiences, tokens: bootstrapTokens(caches, scheme), clock });
    const tokenFile = readTokenFile(options.tokenFile);

    opened.push(followRotation(pki, directory.pki, log.child('pki')));
    const rotate = issuedBy(pki, { clock, log: log.child('pki') });
    const names = servingNames([options.serviceIp, ...options.alsoAt]);
    const serving = await RotatingCertificate.start(
      () => pki.issueServing({ commonName: 'kube-apiserver', ...names }),
      rotate,
    );
    const towardsKubelets = await RotatingCertificate.start(
      () => pki.issueKubeletClient({ user: APISERVER, groups: [] }),
      rotate,
    );
    opened.push(() => serving.close());
    opened.push(() => towardsKubelets.close());
    const dialer = directDialer();
    opened.push(() => dialer.close());

    const apiserver = createApiserver({
      machinery: apiMachinery({
        scheme,
        codec: createCodec(schema),
        merge: mergeSchema(schema),
        clock,
        kind: behaviourOf,
      }),
      documents: createOpenApi(schema, scheme, KUBERNETES_VERSION),
      store,
      caches,
      authenticator: unionAuthenticator([
        x509Authenticator({ clock, ownAddresses: names.ipAddresses }),
        tokenFile,
        serviceAccounts,
        joining,
        anonymousAuthenticator(),
      ]),
      tokenReviewer: unionTokenReviewer([tokenFile, serviceAccounts, joining]),
      authorizer,
      rules: unionRuleResolver([node, rbac]),
      admission: new AdmissionChain(
        defaultPlugins({
          reader: cachedReader(caches, scheme),
          liveReader: storedReader(store, scheme),
          authorizer,
          escalation: { rbac, authorizer },
          scheme,
          podSecurity: defaultPodSecurity,
          unsupportedPodFields: options.unsupportedPodFields,
          certificateRequestOrganizations: (request) =>
            parseCertificateRequest(Buffer.from(request, 'base64').toString('latin1')).subject.organizations,
          randomSuffix,
        }),
      ),
      bootstrapPolicy: bootstrapPolicy(),
      tls: {
        certificate: serving,
        clientCas: ca,
        ...(options.minTlsVersion === undefined ? {} : { minVersion: options.minTlsVersion }),
      },
      serviceAccounts: {
        issuer: ISSUER,
        tokens: new TokenIssuer({ issuer: ISSUER, apiAudiences, keys: pki.serviceAccountKeys, clock }),
        jwks: () => pki.serviceAccountKeys.jwks(),
      },
      kubelets: { ca, identity: towardsKubelets, dialers: [dialer] },
      services: { cidr: options.serviceCidr, nodePorts: { first: 30000, last: 32767 } },
      audit,
      observer: paths,
      paths,
      version: packageVersion(),
      clock,
      log: log.child('apiserver'),
      uuid: () => randomUUID(),
      randomSuffix,
    });
    // It may listen already when it cannot write what it needs.
    opened.push(() => apiserver.close());
    const { host, port } = await apiserver.listen({
      port: options.port,
      host: options.host,
      advertiseAddress: options.advertiseAddress,
    });
    opened.push(expireEvents({ store, caches, clock, log: log.child('apiserver') }));
    const storage = { path: 'apiserver-to-storage', from: APISERVER, to: 'storage', transport: 'in-process' as const };
    opened.push(paths.opened(storage));
    return {
      url: httpsUrl(host, port),
      host,
      port,
      pki,
      ca,
      paths,
      servingNames: names,
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** The tokens of a token file. Throws `BadRequest` with the number of the line that cannot be read. */
export function readTokenFile(text = ''): ReturnType<typeof tokenFileAuthenticator> {
  return tokenFileAuthenticator(text, { apiAudiences });
}

/** What the apiserver's certificate is for: what every cluster calls it by, and what this one does besides. */
function servingNames(also: readonly string[]): { readonly dnsNames: string[]; readonly ipAddresses: string[] } {
  const names = new Set([...SERVING_NAMES, ...also]);
  return {
    dnsNames: [...names].filter((name) => isIP(name) === 0),
    ipAddresses: [...names].filter((name) => isIP(name) !== 0),
  };
}
