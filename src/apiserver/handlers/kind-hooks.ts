import type { KubeObject } from '../../api/object.ts';
import type { UserInfo } from '../../api/user-info.ts';

/**
 * What the apiserver itself does when a kind is written, where that needs more than the object: the addresses of a Service, the
 * phase of a Namespace. Most kinds have none.
 */
export interface KindHooks {
  /** A client creates the object: sets what depends on who that is. */
  created?(object: KubeObject, user: UserInfo): void;
  /** A client changes the object or a subresource of it: takes back what no client may change. */
  updated?(object: KubeObject, old: KubeObject): void;
  /**
   * Before an object is stored, after admission: may change it (allocate an address). The answer is called once the write is decided:
   * `true` when it was stored.
   */
  reserve?(object: KubeObject, old: KubeObject | undefined, dryRun: boolean): Promise<(stored: boolean) => void>;
  /** After an object is gone from storage. */
  released?(object: KubeObject): void;
  /** False while something other than `metadata.finalizers` keeps the object: a namespace's `spec.finalizers`. */
  mayRemove?(object: KubeObject): boolean;
  /** Changes the object as its deletion begins: a namespace's phase. */
  deletionStarts?(object: KubeObject): void;
  /** What garbage collection does when the caller does not say: `Background` when absent. */
  readonly defaultPropagation?: 'Orphan';
  /** A deletion answers the deleted object instead of a Status. */
  readonly returnDeletedObject?: boolean;
}
