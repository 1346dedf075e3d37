import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CausewayError } from '../lib/errors.ts';
import { type AuthorityOptions, CertificateAuthority } from './authority.ts';
import {
  AUTHORITIES,
  AUTHORITY_NAMES,
  type AuthorityName,
  type CaGenerations,
  generationFile,
  readGenerations,
} from './ca-generations.ts';
import type { ClientRequest, IssuedCertificate, ServingRequest } from './issued-certificate.ts';
import { type KubeletServingRequest, kubeletServingRequest } from './kubelet-identity.ts';
import { checkSecretDirectory, readSecretFile, syncDirectory, writeNewFile } from './secret-file.ts';
import { ServiceAccountKeys } from './service-account-keys.ts';
import { ChangingTrust, type TrustSource } from './trust.ts';

const SERVICE_ACCOUNT_KEYS = 'service-account-keys';

/** One authority: who signs, and whose certificates are accepted. */
interface AuthorityState {
  readonly signing: CertificateAuthority;
  /** As PEM, the signing one first. */
  readonly trusted: readonly string[];
}

interface Parts {
  readonly generations: CaGenerations;
  readonly authorities: Readonly<Record<AuthorityName, AuthorityState>>;
  readonly serviceAccountKeys: ServiceAccountKeys;
}

/**
 * The roots of a cluster's trust, on disk; leaf certificates are made in memory at each start and never stored.
 *
 *   directory/                       0700, made whole by one rename
 *     ca.crt  ca.key  kubelet-client-ca.crt  …  front-proxy-ca.key
 *     ca-2.crt  …  authorities.json  once the authorities were rotated: `ca-rotation.ts`
 *     service-account-keys/0001.key  the last in order signs, all verify
 */
export class ClusterPki {
  readonly serviceAccountKeys: ServiceAccountKeys;
  readonly #directory: string;
  readonly #options: AuthorityOptions;
  readonly #trust: Readonly<Record<AuthorityName, ChangingTrust>>;
  readonly #reissue = new Set<() => void>();
  #parts: Parts;

  private constructor(directory: string, options: AuthorityOptions, parts: Parts) {
    this.#directory = directory;
    this.#options = options;
    this.#parts = parts;
    this.serviceAccountKeys = parts.serviceAccountKeys;
    const trust = (name: AuthorityName) => new ChangingTrust(parts.authorities[name].trusted);
    this.#trust = { cluster: trust('cluster'), kubeletClient: trust('kubeletClient'), frontProxy: trust('frontProxy') };
  }

  /** Signs every serving certificate, and the client certificates towards the apiserver. */
  get clusterCa(): CertificateAuthority {
    return this.#parts.authorities.cluster.signing;
  }

  /** Signs only the apiserver's client certificate towards kubelets. */
  get kubeletClientCa(): CertificateAuthority {
    return this.#parts.authorities.kubeletClient.signing;
  }

  get frontProxyCa(): CertificateAuthority {
    return this.#parts.authorities.frontProxy.signing;
  }

  get generations(): CaGenerations {
    return this.#parts.generations;
  }

  /** Whose certificates are accepted, where `authority` is asked for. It follows rotations. */
  trust(authority: AuthorityName): TrustSource {
    return this.#trust[authority];
  }

  /** Told when other authorities sign than before: everything that they issued should be issued anew. The answer ends it. */
  onReissue(listener: () => void): () => void {
    this.#reissue.add(listener);
    return () => this.#reissue.delete(listener);
  }

  /** Follows what `advanceRotation` did to the directory. Trust changes first. When it throws, nothing has changed. */
  async reload(): Promise<void> {
    const before = this.#parts.generations;
    const parts = await load(this.#directory, this.#options);
    this.#parts = parts;
    for (const name of AUTHORITY_NAMES) this.#trust[name].set(parts.authorities[name].trusted);
    if (parts.generations.signing === before.signing) return;
    for (const listener of this.#reissue) listener();
  }

  /** Loads `directory`, or makes it when it does not exist or is empty. Its parent must exist. One start at a time. */
  static async open(directory: string, options: AuthorityOptions): Promise<ClusterPki> {
    if (await isMissingOrEmpty(directory)) await create(directory, options);
    return new ClusterPki(directory, options, await load(directory, options));
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
    for (const name of AUTHORITY_NAMES) {
      const made = CertificateAuthority.create(AUTHORITIES[name].commonName, options);
      writes.push(writeNewFile(join(building, generationFile(name, 1, 'key')), made.privateKeyPem.reveal()));
      writes.push(writeNewFile(join(building, generationFile(name, 1, 'crt')), made.certificatePem));
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
  const generations = await readGenerations(directory);
  const authority = async (name: AuthorityName): Promise<AuthorityState> => {
    const [signing, ...trusted] = await Promise.all([
      loadAuthority(directory, name, generations.signing, options),
      ...generations.trusted.map((generation) =>
        readCertificateFile(join(directory, generationFile(name, generation, 'crt'))),
      ),
    ]);
    return { signing, trusted };
  };
  const [cluster, kubeletClient, frontProxy, serviceAccountKeys] = await Promise.all([
    authority('cluster'),
    authority('kubeletClient'),
    authority('frontProxy'),
    loadServiceAccountKeys(join(directory, SERVICE_ACCOUNT_KEYS)),
  ]);
  return { generations, authorities: { cluster, kubeletClient, frontProxy }, serviceAccountKeys };
}

/** One generation of an authority, with its key. */
export async function loadAuthority(
  directory: string,
  name: AuthorityName,
  generation: number,
  options: AuthorityOptions,
): Promise<CertificateAuthority> {
  const path = (extension: 'crt' | 'key' | 'cross.crt') => join(directory, generationFile(name, generation, extension));
  const [certificatePem, key, crossPem] = await Promise.all([
    readCertificateFile(path('crt')),
    readSecretFile(path('key')),
    readCertificateFile(path('cross.crt'), ''),
  ]);
  return naming(path('crt'), () => new CertificateAuthority(certificatePem, key, options, crossPem));
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
async function readCertificateFile(path: string, missing?: string): Promise<string> {
  try {
    if (((await stat(path)).mode & 0o022) !== 0) {
      throw new CausewayError('InternalError', `${path} may be written by other users: run chmod 600 ${path}`);
    }
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof CausewayError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' && missing !== undefined) return missing;
    throw new CausewayError('InternalError', `cannot read ${path}: ${code}`, { cause });
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
