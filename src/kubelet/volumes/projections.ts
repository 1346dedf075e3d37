import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../api/generated/types.ts';
import { CausewayError } from '../../lib/errors.ts';
import { fieldValue, type PodAddresses, resourceValue } from '../downward.ts';
import type { ObjectSource } from '../object-source.ts';
import type { PodCertificateSource } from '../pod-certificate-source.ts';
import type { ProjectedFile } from './atomic-directory.ts';
import { podCertificateFiles, trustBundleFile } from './certificate-projections.ts';
import type { PodCertificates } from './pod-certificates.ts';

/** Where a volume's files come from. */
export interface ProjectionContext {
  readonly pod: Pod;
  readonly source: ObjectSource;
  readonly addresses: () => PodAddresses;
  readonly nodeRoom: Readonly<Record<string, string>>;
  readonly tokens: TokenCache;
  readonly certificates: PodCertificates;
  readonly trust: Pick<PodCertificateSource, 'trustBundle' | 'trustBundles'>;
  readonly signal: AbortSignal;
  /** Told of what could not be made fresh, while what there is still serves. */
  readonly warn: (error: unknown) => void;
}

/** Tokens that were issued for the pod, kept until they are due for renewal. */
export interface TokenCache {
  get(id: string): string | undefined;
  set(id: string, token: string, renewAt: number): void;
}

/** `metav1` default of every projected volume. */
const DEFAULT_MODE = 0o644;
/** A token is renewed when this part of its life is over, as Kubernetes' kubelet does. */
const TOKEN_RENEWAL = 0.8;

function pick(
  what: string,
  data: ReadonlyMap<string, Uint8Array>,
  items: readonly KeyToPath[] | undefined,
  mode: number,
  optional: boolean,
): ProjectedFile[] {
  if (items === undefined || items.length === 0) return [...data].map(([path, bytes]) => ({ path, data: bytes, mode }));
  return items.flatMap((item) => {
    const bytes = data.get(item.key);
    if (bytes !== undefined) return [{ path: item.path, data: bytes, mode: item.mode ?? mode }];
    if (optional) return [];
    throw new CausewayError('NotFound', `references non-existent ${what} key: ${item.key}`);
  });
}

export function configMapData(configMap: ConfigMap): ReadonlyMap<string, Uint8Array> {
  const data = new Map<string, Uint8Array>();
  for (const [k, v] of Object.entries(configMap.data ?? {})) data.set(k, Buffer.from(v));
  for (const [k, v] of Object.entries(configMap.binaryData ?? {})) data.set(k, Buffer.from(v, 'base64'));
  return data;
}

export function secretData(secret: Secret): ReadonlyMap<string, Uint8Array> {
  return new Map(Object.entries(secret.data ?? {}).map(([k, v]) => [k, Buffer.from(v, 'base64')]));
}

export async function configMapFiles(
  context: ProjectionContext,
  source: { name?: string | undefined; items?: KeyToPath[] | undefined; optional?: boolean | undefined },
  mode = DEFAULT_MODE,
): Promise<ProjectedFile[]> {
  const name = source.name ?? '';
  const found = await context.source.configMap(context.pod.metadata.namespace ?? '', name, context.signal);
  if (found === undefined) {
    if (source.optional === true) return [];
    throw new CausewayError('NotFound', `configmap "${name}" not found`);
  }
  return pick('config', configMapData(found), source.items, mode, source.optional === true);
}

export async function secretFiles(
  context: ProjectionContext,
  source: { name?: string | undefined; items?: KeyToPath[] | undefined; optional?: boolean | undefined },
  mode = DEFAULT_MODE,
): Promise<ProjectedFile[]> {
  const name = source.name ?? '';
  const found = await context.source.secret(context.pod.metadata.namespace ?? '', name, context.signal);
  if (found === undefined) {
    if (source.optional === true) return [];
    throw new CausewayError('NotFound', `secret "${name}" not found`);
  }
  return pick('secret', secretData(found), source.items, mode, source.optional === true);
}

export function downwardFiles(
  context: ProjectionContext,
  items: readonly DownwardAPIVolumeFile[] | undefined,
  mode = DEFAULT_MODE,
): ProjectedFile[] {
  return (items ?? []).map((item) => {
    const text =
      item.fieldRef !== undefined
        ? fieldValue(context.pod, item.fieldRef, context.addresses())
        : resourceValue(context.pod, item.resourceFieldRef ?? { resource: '' }, undefined, context.nodeRoom);
    return { path: item.path, data: Buffer.from(text), mode: item.mode ?? mode };
  });
}

async function tokenFile(
  context: ProjectionContext,
  projection: ServiceAccountTokenProjection,
  mode: number,
): Promise<ProjectedFile> {
  const { pod } = context;
  const expirationSeconds = projection.expirationSeconds ?? 3600;
  const id = JSON.stringify([projection.audience ?? '', expirationSeconds, projection.path]);
  let token = context.tokens.get(id);
  if (token === undefined) {
    const started = Date.now();
    const issued = await context.source.token(
      {
        namespace: pod.metadata.namespace ?? '',
        serviceAccount: pod.spec?.serviceAccountName ?? 'default',
        audience: projection.audience,
        expirationSeconds,
        pod: { name: pod.metadata.name ?? '', uid: pod.metadata.uid ?? '' },
      },
      context.signal,
    );
    token = issued.token;
    context.tokens.set(id, token, started + (issued.expiresAt - started) * TOKEN_RENEWAL);
  }
  return { path: projection.path, data: Buffer.from(token), mode };
}

/** The files of a `projected` volume: all of its sources in one directory. */
export async function projectedFiles(
  context: ProjectionContext,
  sources: readonly VolumeProjection[],
  mode = DEFAULT_MODE,
): Promise<ProjectedFile[]> {
  const files: ProjectedFile[] = [];
  for (const source of sources) {
    if (source.configMap !== undefined) files.push(...(await configMapFiles(context, source.configMap, mode)));
    else if (source.secret !== undefined) files.push(...(await secretFiles(context, source.secret, mode)));
    else if (source.downwardAPI !== undefined) files.push(...downwardFiles(context, source.downwardAPI.items, mode));
    else if (source.serviceAccountToken !== undefined) {
      files.push(await tokenFile(context, source.serviceAccountToken, mode));
    } else if (source.podCertificate !== undefined) {
      files.push(...(await podCertificateFiles(context, source.podCertificate, mode)));
    } else if (source.clusterTrustBundle !== undefined) {
      files.push(await trustBundleFile(context, source.clusterTrustBundle, mode));
    } else throw new CausewayError('Invalid', `projected volume source ${Object.keys(source).join()} is not supported`);
  }
  return files;
}
