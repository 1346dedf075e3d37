/** Who makes a request: `authentication.k8s.io/v1 UserInfo`. Made by an authenticator, never read from a header. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Of a node that came with a client certificate: the address that the apiserver sees it at. Only the apiserver says it; nobody can
 * impersonate it.
 */
export const REMOTE_ADDRESS_EXTRA = 'causeway.dev/remote-address';

export const anonymousUser: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };
