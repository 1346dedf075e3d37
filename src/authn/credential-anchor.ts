import type { KubeObject } from '../api/object.ts';

/** An object that a credential, or anything else that lasts, hangs on: it ends with the object. */
export interface CredentialAnchor {
  readonly resource: 'serviceaccounts' | 'pods' | 'secrets' | 'nodes';
  /** '' for nodes. */
  readonly namespace: string;
  readonly name: string;
  /**
   * Until when it holds, in ms since the epoch, by the object's present state (`undefined`: there is none): `Infinity` while nothing ends it,
   * 0 when it has ended.
   */
  endsAt(object: KubeObject | undefined): number;
}
