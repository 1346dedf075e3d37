import type { KubeObject } from '../api/object.ts';
import type { UserInfo } from '../api/user-info.ts';

export interface AdmissionAttributes {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** The new object; a plug-in's `admit` may change it in place. Undefined for DELETE. */
  readonly object: KubeObject | undefined;
  /** The stored object, for UPDATE and DELETE. Never change it. */
  readonly oldObject: KubeObject | undefined;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** A warning that the client shows its user (HTTP `Warning: 299`). */
  warn(message: string): void;
  /** Adds `key: value` to the request's audit line. */
  annotate(key: string, value: string): void;
}

/**
 * One plug-in. `admit` runs first, for all plug-ins in order, and may change the object; `validate` runs after all of them, and may not.
 * Both refuse by throwing a `CausewayError` (`Forbidden` as a rule).
 */
export interface AdmissionPlugin {
  readonly name: string;
  /** Those that it looks at, as `groupResource` names them; it is asked about no other. All of them without it. */
  readonly resources?: readonly string[];
  admit?(attributes: AdmissionAttributes): Promise<void>;
  validate?(attributes: AdmissionAttributes): Promise<void>;
}

/**
 * What a plug-in reads of the cluster, supplied by `compose/`: the watch cache, so it costs no I/O.
 * Objects are shared: never change them.
 */
export interface ObjectReader {
  get(group: string, resource: string, namespace: string, name: string): Promise<KubeObject | undefined>;
  list(group: string, resource: string, namespace: string): Promise<readonly KubeObject[]>;
}
