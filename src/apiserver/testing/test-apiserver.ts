import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { AdmissionChain } from '../../admission/chain.ts';
import type { AdmissionPlugin } from '../../admission/plugin.ts';
import { createCodec } from '../../api/codec/codec.ts';
import { behaviourOf } from '../../api/kind-behaviour.ts';
import { createOpenApi } from '../../api/openapi/openapi.ts';
import { loadScheme } from '../../api/resources/load-scheme.ts';
import { mergeSchema } from '../../api/schema/merge-schema.ts';
import { loadSchema } from '../../api/schema/schema.ts';
import { anonymousAuthenticator } from '../../authn/anonymous.ts';
import { serviceAccountAuthenticator } from '../../authn/service-account.ts';
import { tokenFileAuthenticator } from '../../authn/token-file.ts';
import { TokenIssuer } from '../../authn/token-issuer.ts';
import { unionAuthenticator, unionTokenReviewer } from '../../authn/union.ts';
import { x509Authenticator } from '../../authn/x509.ts';
import type { Authorizer } from '../../authz/authorizer.ts';
import { superuserAuthorizer } from '../../authz/superuser.ts';
import { UnionAuthorizer } from '../../authz/union.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { PathRegistry } from '../../paths/registry.ts';
import type { ClusterPki } from '../../pki/cluster-pki.ts';
import { fixedCertificate, type IssuedCertificate } from '../../pki/issued-certificate.ts';
import { fixedTrust } from '../../pki/trust.ts';
import { openLmdbStore } from '../../storage/lmdb/store.ts';
import type { Store } from '../../storage/store.ts';
import type { Dialer } from '../../tunnel/dialer.ts';
import { apiMachinery } from '../api-machinery.ts';
import { createApiserver } from '../apiserver.ts';
import type { Apiserver, ApiserverDependencies } from '../dependencies.ts';
import { createWatchCaches } from '../watch-cache/caches.ts';
import type { WatchCaches } from '../watch-cache/watch-cache.ts';
import { TestClient } from './test-client.ts';
import { testPki } from './test-pki.ts';

export interface TestApiserver {
  readonly url: string;
  readonly port: number;
  readonly pki: ClusterPki;
  readonly directory: string;
  readonly store: Store;
  readonly caches: WatchCaches;
  readonly apiserver: Apiserver;
  readonly dependencies: ApiserverDependencies;
  readonly paths: PathRegistry;
  readonly auditLines: string[];
  readonly logLines: string[];
  /** A client certificate of the cluster CA. */
  identity(user: string, groups?: readonly string[]): IssuedCertificate;
  client(identity?: IssuedCertificate | 'none', token?: string): TestClient;
  close(): Promise<void>;
}

export interface TestOptions {
  readonly plugins?: readonly AdmissionPlugin[];
  readonly authorizer?: Authorizer;
  readonly dialers?: readonly Dialer[];
  readonly tokenFile?: string;
  readonly change?: (dependencies: ApiserverDependencies) => ApiserverDependencies;
}

function listLog(lines: string[]): Log {
  const add = (message: string, fields?: Readonly<Record<string, unknown>>): void => {
    lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  };
  const log: Log = { debug: add, info: add, warn: add, error: add, child: () => log };
  return log;
}

const issuer = 'https://kubernetes.default.svc.cluster.local';

/** A whole apiserver on a loopback port with a store in a temporary folder. For tests only. */
export async function startTestApiserver(options: TestOptions = {}): Promise<TestApiserver> {
  const test = await testPki();
  const { pki, directory } = test;
  const auditLines: string[] = [];
  const logLines: string[] = [];
  const log = listLog(logLines);
  const store = await openLmdbStore({ directory: join(directory, 'store'), clock: systemClock, log });
  const caches = createWatchCaches({ store, clock: systemClock, log });
  const schema = loadSchema();
  const scheme = loadScheme();
  const ca = fixedTrust([pki.clusterCa.certificatePem]);
  const paths = new PathRegistry({ clock: systemClock });
  const get = async (resource: string, namespace: string, name: string) => {
    const kinds: Record<string, string> = {
      serviceaccounts: 'ServiceAccount',
      pods: 'Pod',
      secrets: 'Secret',
      nodes: 'Node',
    };
    const cache = caches.of({ group: '', apiVersion: 'v1', kind: kinds[resource] ?? '', plural: resource });
    const object = (await cache.get(namespace, name))?.object();
    if (object === undefined) return undefined;
    const spec = (object['spec'] ?? {}) as { nodeName?: string; serviceAccountName?: string };
    return {
      uid: object.metadata.uid ?? '',
      ...(object.metadata.deletionTimestamp === undefined
        ? {}
        : { deletionTimestamp: object.metadata.deletionTimestamp }),
      ...spec,
    };
  };
  const serviceAccounts = serviceAccountAuthenticator({
    issuer,
    apiAudiences: [issuer],
    keys: pki.serviceAccountKeys,
    objects: { get },
    clock: systemClock,
  });
  const tokenFile = tokenFileAuthenticator(options.tokenFile ?? '', { apiAudiences: [issuer] });
  const authorizer = new UnionAuthorizer([
    superuserAuthorizer,
    ...(options.authorizer === undefined ? [] : [options.authorizer]),
  ]);
  const plain: ApiserverDependencies = {
    machinery: apiMachinery({
      scheme,
      codec: createCodec(schema),
      merge: mergeSchema(schema),
      clock: systemClock,
      kind: behaviourOf,
    }),
    documents: createOpenApi(schema, scheme, 'v1.36.0'),
    store,
    caches,
    authenticator: unionAuthenticator([x509Authenticator(), tokenFile, serviceAccounts, anonymousAuthenticator()]),
    tokenReviewer: unionTokenReviewer([tokenFile, serviceAccounts]),
    authorizer,
    rules: {
      rulesFor: async () => ({
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
        nonResourceRules: [],
        incomplete: false,
      }),
    },
    admission: new AdmissionChain(options.plugins ?? []),
    bootstrapPolicy: { clusterRoles: [], clusterRoleBindings: [], roles: [], roleBindings: [] },
    tls: {
      certificate: fixedCertificate(
        pki.issueServing({ commonName: 'kube-apiserver', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }),
      ),
      clientCas: ca,
    },
    serviceAccounts: {
      issuer,
      tokens: new TokenIssuer({ issuer, apiAudiences: [issuer], keys: pki.serviceAccountKeys, clock: systemClock }),
      jwks: () => pki.serviceAccountKeys.jwks(),
    },
    kubelets: {
      ca,
      identity: fixedCertificate(pki.issueKubeletClient({ user: 'kube-apiserver-kubelet-client', groups: [] })),
      dialers: options.dialers ?? [],
    },
    services: { cidr: '10.96.0.0/16', nodePorts: { first: 30000, last: 32767 } },
    audit: { write: (line) => void auditLines.push(line), lost: 0, close: async () => undefined },
    observer: paths,
    paths,
    version: '0.0.0',
    clock: systemClock,
    log,
    uuid: () => randomUUID(),
    randomSuffix: (length) => randomBytes(length).toString('hex').slice(0, length),
  };
  const dependencies = options.change?.(plain) ?? plain;
  const apiserver = createApiserver(dependencies);
  const { port } = await apiserver.listen({ port: 0, host: '127.0.0.1' });
  const clients: TestClient[] = [];
  const admin = pki.issueClient({ user: 'admin', groups: ['system:masters'] });
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    pki,
    directory,
    store,
    caches,
    apiserver,
    dependencies,
    paths,
    auditLines,
    logLines,
    identity: (user, groups = []) => pki.issueClient({ user, groups }),
    client(identity = admin, token) {
      const client = new TestClient(
        port,
        pki.clusterCa.certificatePem,
        identity === 'none' ? undefined : identity,
        token,
      );
      clients.push(client);
      return client;
    },
    async close() {
      for (const client of clients) client.close();
      await apiserver.close();
      await caches.close();
      await store.close();
      await test.close();
    },
  };
}
