/** One row a communication path of the system. */
export interface PathDefinition {
  readonly name: string;
  /** Who stands at each end; `*` is for whoever it is, and the path has one object for each that was seen. */
  readonly from: string;
  readonly to: string;
  readonly purpose: string;
  /** The prefix of the end that varies, left out of an object's name: `system:node:n1` makes `kubelet-to-apiserver.n1`. */
  readonly varying: { readonly end: 'from' | 'to'; readonly prefix: string } | undefined;
  /**
   * What a connection must show to be `Safe`:
   * - `mutual`: TLS, both ends verified, authorised. Our own code is at both ends and reports both.
   * - `foreign-client`: the same, but the client is not ours: whether it verified the server is its own business and cannot be seen.
   * - `public`: TLS; anybody may ask, for nothing that is secret.
   * - `local`: it does not leave the machine: in the process or a unix socket.
   * - `unknown`: no connection is: nobody has said what the path is for.
   */
  readonly rule: 'mutual' | 'foreign-client' | 'public' | 'local' | 'unknown';
}

export const APISERVER = 'system:kube-apiserver';
const NODE_PREFIX = 'system:node:';
const SERVICE_ACCOUNT_PREFIX = 'system:serviceaccount:';

export const CATALOGUE: readonly PathDefinition[] = [
  {
    name: 'client-to-apiserver',
    from: '*',
    to: APISERVER,
    purpose: 'kubectl, Helm and other clients of people and automation use the API',
    varying: { end: 'from', prefix: '' },
    rule: 'foreign-client',
  },
  {
    name: 'pod-to-apiserver',
    from: `${SERVICE_ACCOUNT_PREFIX}*`,
    to: APISERVER,
    purpose: 'a workload uses the API with its service-account token',
    varying: { end: 'from', prefix: SERVICE_ACCOUNT_PREFIX },
    rule: 'foreign-client',
  },
  {
    name: 'kubelet-to-apiserver',
    from: `${NODE_PREFIX}*`,
    to: APISERVER,
    purpose: 'a node fetches its pods and what they need, and reports their state',
    varying: { end: 'from', prefix: NODE_PREFIX },
    rule: 'mutual',
  },
  {
    name: 'scheduler-to-apiserver',
    from: 'system:kube-scheduler',
    to: APISERVER,
    purpose: 'the scheduler reads pods and nodes and binds one to the other',
    varying: undefined,
    rule: 'mutual',
  },
  {
    name: 'controller-manager-to-apiserver',
    from: 'system:kube-controller-manager',
    to: APISERVER,
    purpose: 'the controllers read the cluster and bring it to its desired state',
    varying: undefined,
    rule: 'mutual',
  },
  {
    name: 'kube-proxy-to-apiserver',
    from: 'system:kube-proxy',
    to: APISERVER,
    purpose: 'a node follows services and their endpoints to route to them',
    varying: undefined,
    rule: 'mutual',
  },
  {
    name: 'health-check-to-apiserver',
    from: 'system:anonymous',
    to: APISERVER,
    purpose: 'anybody asks for /livez, /readyz, /healthz, /version and nothing else',
    varying: undefined,
    rule: 'public',
  },
  {
    name: 'apiserver-to-kubelet',
    from: APISERVER,
    to: `${NODE_PREFIX}*`,
    purpose: 'logs, exec, attach, port-forward and proxy reach into a node',
    varying: { end: 'to', prefix: NODE_PREFIX },
    rule: 'mutual',
  },
  {
    name: 'client-to-kubelet',
    from: '*',
    to: `${NODE_PREFIX}*`,
    purpose: 'a collector of metrics or another authorised client asks a node directly',
    varying: { end: 'from', prefix: '' },
    rule: 'foreign-client',
  },
  {
    name: 'apiserver-to-storage',
    from: APISERVER,
    to: 'storage',
    purpose: "the cluster's state is read and written",
    varying: undefined,
    rule: 'local',
  },
  {
    name: 'kubelet-to-runtime',
    from: `${NODE_PREFIX}*`,
    to: 'runtime',
    purpose: 'a node starts, stops and watches its containers',
    varying: { end: 'from', prefix: NODE_PREFIX },
    rule: 'local',
  },
];

const byName: ReadonlyMap<string, PathDefinition> = new Map(CATALOGUE.map((row) => [row.name, row]));

/** The row of a path. One that is not in the catalogue gets a row too, so that it is seen, and seen to be `Unsafe`. */
export function findPath(name: string): PathDefinition {
  return (
    byName.get(name) ?? {
      name: /^[a-z]([a-z-]{0,60}[a-z])?$/.test(name) ? name : 'uncatalogued',
      from: '*',
      to: '*',
      purpose: 'not in the catalogue of paths',
      varying: undefined,
      rule: 'unknown',
    }
  );
}

/** The path on which a user reaches the apiserver. */
export function inboundPath(username: string): string {
  if (username.startsWith(NODE_PREFIX)) return 'kubelet-to-apiserver';
  if (username.startsWith(SERVICE_ACCOUNT_PREFIX)) return 'pod-to-apiserver';
  switch (username) {
    case 'system:kube-scheduler':
      return 'scheduler-to-apiserver';
    case 'system:kube-controller-manager':
      return 'controller-manager-to-apiserver';
    case 'system:kube-proxy':
      return 'kube-proxy-to-apiserver';
    case 'system:anonymous':
      return 'health-check-to-apiserver';
    default:
      return 'client-to-apiserver';
  }
}
