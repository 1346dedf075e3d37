/** How the authenticator and the issuer see the objects that a token is bound to; `compose/` reads them from the watch cache or storage. */
export interface BoundObjectReader {
  /** `namespace` is '' for nodes. undefined when it does not exist. */
  get(
    resource: 'serviceaccounts' | 'pods' | 'secrets' | 'nodes',
    namespace: string,
    name: string,
  ): Promise<BoundObject | undefined>;
}

export interface BoundObject {
  readonly uid: string;
  /** metadata.deletionTimestamp */
  readonly deletionTimestamp?: string;
  /** Pods: spec.nodeName and spec.serviceAccountName. */
  readonly nodeName?: string;
  readonly serviceAccountName?: string;
}
