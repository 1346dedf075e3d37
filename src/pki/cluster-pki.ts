import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CausewayError } from '../lib/errors.ts';
import { type AuthorityOptions, CertificateAuthority } from './authority.ts';
import type { ClientRequest, IssuedCertificate, ServingRequest } from './issued-certificate.ts';
import { type KubeletServingRequest, kubeletServingRequest } from './kubelet-identity.ts';
import { checkSecretDirectory, readSecretFile, syncDirectory, writeNewFile } from './secret-file.ts';
import { ServiceAccountKeys } from './service-account-keys.ts';

/** File name and common name of each CA. */
const AUTHORITIES = {
  cluster: { file: 'ca', commonName: 'causeway-cluster-ca' },
  kubeletClient: { file: 'kubelet-client-ca', commonName: 'causeway-kubelet-client-ca' },
  frontProxy: { file: 'front-proxy-ca', commonName: 'causeway-front-proxy-ca' },
} as const;

const SERVICE_ACCOUNT_KEYS = 'service-account-keys';

interface Parts {
  readonly cluster: CertificateAuthority;
  readonly kubeletClient: CertificateAuthority;
  readonly frontProxy: CertificateAuthority;
  readonly serviceAccountKeys: ServiceAccountKeys;
}

/**
 * The roots of a cluster's trust, on disk; leaf certificates are made in memory at each start and never stored.
 *
 *   directory/                       0700, made whole by one rename
 *     ca.crt  ca.key  kubelet-client-ca.crt  …  front-proxy-ca.key
 *     service-account-keys/0001.key  the last in order signs, all verify
 */
export class ClusterPki {
  /** Signs every serving certificate, and the client certificates towards the apiserver. */
  readonly clusterCa: CertificateAuthority;
  /** Signs only the apiserver's client certificate towards kubelets. */
  readonly kubeletClientCa: CertificateAuthority;
  readonly frontProxyCa: CertificateAuthority;
  readonly serviceAccountKeys: ServiceAccountKeys;

  private constructor(parts: Parts) {
    this.clusterCa = parts.cluster;
    this.kubeletClientCa = parts.kubeletClient;
    this.frontProxyCa = parts.frontProxy;
    this.serviceAccountKeys = parts.serviceAccountKeys;
  }

  /** Loads `directory`, or makes it when it does not exist or is empty. Its parent must exist. One start at a time. */
  static async open(directory: string, options: AuthorityOptions): Promise<ClusterPki> {
    if (await isMissingOrEmpty(directory)) await create(directory, options);
    return new ClusterPki(await load(directory, options));
  }

  issueServing(request: ServingRequest): IssuedCertificate {
    return this.clusterCa.issueServing(request);
  }

  issueClient(request: ClientRequest): IssuedCertificate {
    return this.clusterCa.issueClient(request);
  }

  issueKubeletServing(request: KubeletServingRequest): IssuedCertificate {
    return this.clusterCa.issueServing(kubeletServingRequest(request));
  }

  /** What the apiserver shows to kubelets. */
  issueKubeletClient(request: ClientRequest): IssuedCertificate {
    return this.kubeletClientCa.issueClient(request);
  }

  issueFrontProxyClient(request: ClientRequest): IssuedCertificate {
    return this.frontProxyCa.issueClient(request);
  }
}

async function isMissingOrEmpty(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw new CausewayError('InternalError', `cannot read ${directory}: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    });
  }
}

/** All files go into a new folder that one rename puts in place: after a crash there is either nothing or everything. */
async function create(directory: string, options: AuthorityOptions): Promise<void> {
  const parent = dirname(directory);
  const building = join(parent, `.${basename(directory)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await mkdir(building, { mode: 0o700 });
    await mkdir(join(building, SERVICE_ACCOUNT_KEYS), { mode: 0o700 });
    const writes = [
      writeNewFile(join(building, SERVICE_ACCOUNT_KEYS, '0001.key'), ServiceAccountKeys.generate().reveal()),
    ];
    for (const { file, commonName } of Object.values(AUTHORITIES)) {
      const made = CertificateAuthority.create(commonName, options);
      writes.push(writeNewFile(join(building, `${file}.key`), made.privateKeyPem.reveal()));
      writes.push(writeNewFile(join(building, `${file}.crt`), made.certificatePem));
    }
    await Promise.all(writes);
    await Promise.all([syncDirectory(join(building, SERVICE_ACCOUNT_KEYS)), syncDirectory(building)]);
    await rename(building, directory);
    await syncDirectory(parent);
  } catch (cause) {
    await rm(building, { recursive: true, force: true }).catch(() => undefined);
    if (cause instanceof CausewayError) throw cause;
    throw new CausewayError('InternalError', `cannot create ${directory}: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
    });
  }
}

async function load(directory: string, options: AuthorityOptions): Promise<Parts> {
  await checkSecretDirectory(directory);
  const [cluster, kubeletClient, frontProxy, serviceAccountKeys] = await Promise.all([
    loadAuthority(directory, AUTHORITIES.cluster.file, options),
    loadAuthority(directory, AUTHORITIES.kubeletClient.file, options),
    loadAuthority(directory, AUTHORITIES.frontProxy.file, options),
    loadServiceAccountKeys(join(directory, SERVICE_ACCOUNT_KEYS)),
  ]);
  return { cluster, kubeletClient, frontProxy, serviceAccountKeys };
}

async function loadAuthority(directory: string, file: string, options: AuthorityOptions) {
  const [certificatePem, key] = await Promise.all([
    readCertificateFile(join(directory, `${file}.crt`)),
    readSecretFile(join(directory, `${file}.key`)),
  ]);
  return naming(join(directory, `${file}.crt`), () => new CertificateAuthority(certificatePem, key, options));
}

async function loadServiceAccountKeys(directory: string): Promise<ServiceAccountKeys> {
  await checkSecretDirectory(directory).catch((cause) => {
    if (cause instanceof CausewayError) throw cause;
    throw new CausewayError('InternalError', `cannot read ${directory}: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
    });
  });
  const files = (await readdir(directory)).filter((name) => name.endsWith('.key')).sort();
  const keys = await Promise.all(files.map((name) => readSecretFile(join(directory, name))));
  return naming(directory, () => new ServiceAccountKeys(keys));
}

/** A certificate is public, but whoever may replace a CA's owns the cluster. */
async function readCertificateFile(path: string): Promise<string> {
  try {
    if (((await stat(path)).mode & 0o022) !== 0) {
      throw new CausewayError('InternalError', `${path} may be written by other users: run chmod 600 ${path}`);
    }
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof CausewayError) throw cause;
    throw new CausewayError('InternalError', `cannot read ${path}: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
    });
  }
}

/** Says which file an error is about. */
function naming<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof CausewayError)) throw cause;
    throw new CausewayError(cause.code, `${path}: ${cause.message}`, { cause });
  }
}
