import type { UserInfo } from '../../api/user-info.ts';
import type { Attributes } from '../../authz/authorizer.ts';

/** HTTP methods as verbs of resources; others are asked for as they are, and nobody is allowed them. */
const verbs: ReadonlyMap<string, string> = new Map([
  ['GET', 'get'],
  ['HEAD', 'get'],
  ['POST', 'create'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);

/** Sub-resources of `nodes` by path. `proxyToo`: whoever may use all of the kubelet's API may use it as well (KEP-2862). */
const subresources: readonly { readonly path: string; readonly subresource: string; readonly proxyToo: boolean }[] = [
  { path: '/stats', subresource: 'stats', proxyToo: false },
  { path: '/metrics', subresource: 'metrics', proxyToo: false },
  { path: '/logs', subresource: 'log', proxyToo: false },
  { path: '/checkpoint', subresource: 'checkpoint', proxyToo: false },
  { path: '/pods', subresource: 'pods', proxyToo: true },
  { path: '/runningpods', subresource: 'pods', proxyToo: true },
  { path: '/healthz', subresource: 'healthz', proxyToo: true },
  { path: '/configz', subresource: 'configz', proxyToo: true },
];

/**
 * Paths that give a way into a pod. Opening one is `create` whatever the method is: a WebSocket is opened with GET, and whoever may only read (`get nodes/proxy`) must
 * not get a shell that way.
 */
const upgradePaths: readonly string[] = ['/exec', '/attach', '/portForward', '/run', '/cri'];

/** What is asked of the authoriser, in turn, until one is allowed: a permission on this node's own Node object. */
export function nodeAttributes(
  user: UserInfo,
  request: { readonly method: string; readonly path: string; readonly upgrade: boolean },
  nodeName: string,
): readonly Attributes[] {
  const { method, path, upgrade } = request;
  const isUpgrade = upgrade || upgradePaths.some((prefix) => isAt(path, prefix));
  const verb = isUpgrade ? 'create' : (verbs.get(method) ?? method.toLowerCase());
  const row = isUpgrade ? undefined : subresources.find((candidate) => isAt(path, candidate.path));
  const asked = row === undefined ? ['proxy'] : row.proxyToo ? [row.subresource, 'proxy'] : [row.subresource];
  return asked.map((subresource) => ({
    user,
    verb,
    resourceRequest: true,
    namespace: '',
    apiGroup: '',
    apiVersion: 'v1',
    resource: 'nodes',
    subresource,
    name: nodeName,
    path,
  }));
}

function isAt(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}
