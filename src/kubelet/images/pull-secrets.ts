import type { Secret as ApiSecret } from '../../api/generated/types.ts';
import { Secret } from '../../lib/secret.ts';
import type { RegistryCredential } from '../../runtime/runtime.ts';

/** The registry of images that name none. */
const DEFAULT_REGISTRY = 'docker.io';
/** Its names in configurations. */
const ALIASES: ReadonlySet<string> = new Set(['index.docker.io', 'registry-1.docker.io', 'docker.io']);

/** Where an image is: `registry.example:5000` and `team/app`, without tag and digest. */
export interface ImagePlace {
  readonly registry: string;
  readonly repository: string;
}

/** As containerd and docker read a name; undefined for what is none. */
export function placeOf(image: string): ImagePlace | undefined {
  if (!/^[a-zA-Z0-9][\w.:/-]*(@sha256:[0-9a-f]{64})?$/.test(image) || image.includes('//')) return undefined;
  const name = image.replace(/@.*$/, '');
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const hasRegistry = first === 'localhost' || /[.:]/.test(first);
  const registry = hasRegistry ? first.toLowerCase() : DEFAULT_REGISTRY;
  const repository = (hasRegistry ? name.slice(slash + 1) : name).replace(/:[^/]*$/, '');
  if (repository === '' || repository !== repository.toLowerCase()) return undefined;
  return { registry: ALIASES.has(registry) ? DEFAULT_REGISTRY : registry, repository };
}

interface Found extends RegistryCredential {
  /** Of the path that it is for: the longer, the better. */
  readonly length: number;
}

/** The credentials of `secrets` that are for that image, the most specific first. What cannot be read is passed over. */
export function credentialsFor(place: ImagePlace, secrets: readonly ApiSecret[]): RegistryCredential[] {
  const found: Found[] = [];
  for (const secret of secrets) {
    for (const [key, entry] of Object.entries(authsOf(secret))) {
      const length = matchLength(key, place);
      const credential = length === undefined ? undefined : credentialOf(entry);
      if (credential !== undefined && length !== undefined) found.push({ ...credential, length });
    }
  }
  return found.sort((a, b) => b.length - a.length).map(({ username, password }) => ({ username, password }));
}

function authsOf({ type, data }: ApiSecret): Readonly<Record<string, unknown>> {
  const isConfig = type === 'kubernetes.io/dockerconfigjson';
  if (!isConfig && type !== 'kubernetes.io/dockercfg') return {};
  try {
    const text = Buffer.from(data?.[isConfig ? '.dockerconfigjson' : '.dockercfg'] ?? '', 'base64').toString();
    const config = JSON.parse(text) as Record<string, unknown> | null;
    const auths = isConfig ? config?.['auths'] : config;
    return typeof auths === 'object' && auths !== null ? (auths as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/**
 * How much of the image's place the key says; undefined: it is another one. A key is a host, with a port where the registry has one, and
 * perhaps a path; `*` stands for one part of a host's name, as Kubernetes has it.
 */
function matchLength(key: string, { registry, repository }: ImagePlace): number | undefined {
  const plain = key
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .replace(/\/+$/, '');
  const slash = plain.indexOf('/');
  const host = (slash < 0 ? plain : plain.slice(0, slash)).toLowerCase();
  const path = slash < 0 ? '' : plain.slice(slash + 1);
  if (!hostMatches(ALIASES.has(host) ? DEFAULT_REGISTRY : host, registry)) return undefined;
  if (path !== '' && repository !== path && !repository.startsWith(`${path}/`)) return undefined;
  return path.length;
}

function hostMatches(pattern: string, registry: string): boolean {
  const [wanted, has] = [pattern.split('.'), registry.split('.')];
  if (wanted.length !== has.length) return false;
  return wanted.every((part, i) => {
    const own = has[i] ?? '';
    if (!part.includes('*')) return part === own;
    const [before = '', after = ''] = part.split('*');
    return own.length >= before.length + after.length && own.startsWith(before) && own.endsWith(after);
  });
}

function credentialOf(entry: unknown): RegistryCredential | undefined {
  const { username, password, auth } = (entry ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof username === 'string' && username !== '' && typeof password === 'string')
    return { username, password: new Secret(password) };
  if (typeof auth !== 'string') return undefined;
  const decoded = Buffer.from(auth, 'base64').toString();
  const colon = decoded.indexOf(':');
  if (colon <= 0) return undefined;
  return { username: decoded.slice(0, colon), password: new Secret(decoded.slice(colon + 1)) };
}
