/** The kubelet's paths, parsed. */
export type KubeletRoute =
  | { readonly kind: 'logs'; readonly namespace: string; readonly pod: string; readonly container: string }
  | RemoteCommandRoute
  | PortForwardRoute
  | { readonly kind: 'pods' | 'healthz' | 'metrics' | 'cadvisor' | 'resource' | 'summary' };

export interface RemoteCommandRoute {
  readonly kind: 'exec' | 'attach';
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string | undefined;
  readonly container: string;
}

export interface PortForwardRoute {
  readonly kind: 'portForward';
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string | undefined;
}

const fixed: ReadonlyMap<string, 'pods' | 'healthz' | 'metrics' | 'cadvisor' | 'resource' | 'summary'> = new Map([
  ['/pods', 'pods'],
  ['/pods/', 'pods'],
  ['/healthz', 'healthz'],
  ['/healthz/ping', 'healthz'],
  ['/healthz/syncloop', 'healthz'],
  ['/metrics', 'metrics'],
  ['/metrics/cadvisor', 'cadvisor'],
  ['/metrics/resource', 'resource'],
  ['/stats/summary', 'summary'],
]);

/** undefined: there is no such page. `path` is percent-encoded, without the query. */
export function parseRoute(path: string): KubeletRoute | undefined {
  const kind = fixed.get(path);
  if (kind !== undefined) return { kind };
  const parts = decode(path);
  if (parts === undefined || parts.some((part) => part === '')) return undefined;
  const [first, namespace, pod, third, fourth] = parts;
  if (namespace === undefined || pod === undefined) return undefined;
  switch (first) {
    case 'containerLogs':
      return third !== undefined && parts.length === 4 ? { kind: 'logs', namespace, pod, container: third } : undefined;
    case 'exec':
    case 'attach':
      if (third === undefined) return undefined;
      if (parts.length === 4) return { kind: first, namespace, pod, uid: undefined, container: third };
      if (parts.length === 5) return { kind: first, namespace, pod, uid: third, container: fourth! };
      return undefined;
    case 'portForward':
      return parts.length <= 4 ? { kind: 'portForward', namespace, pod, uid: third } : undefined;
    default:
      return undefined;
  }
}

function decode(path: string): readonly string[] | undefined {
  try {
    return path.split('/').slice(1).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
