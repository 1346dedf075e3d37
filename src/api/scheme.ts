export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

export interface SubresourceDefinition {
  /** `status`, `scale`, `log`, `exec`, `token`, `eviction`, `binding`, `finalize`, `approval`, `proxy`, … */
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly Verb[];
}

/** One REST resource. Rows come from the schema that the build step makes, and our own small tables. */
export interface ResourceDefinition {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Lower-case plural: `pods`. */
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  readonly subresources: readonly SubresourceDefinition[];
  /** The schema's definition name: `io.k8s.api.core.v1.Pod`. */
  readonly definition: string;
}

/** All resources that are served, and how to find one. Immutable. */
export interface Scheme {
  readonly resources: readonly ResourceDefinition[];
  /** By URL: group, version and plural. */
  find(group: string, version: string, plural: string): ResourceDefinition | undefined;
  /** By an object's own apiVersion and kind. */
  findKind(group: string, version: string, kind: string): ResourceDefinition | undefined;
  /** The groups in discovery order, each with its versions, preferred first. */
  readonly groups: readonly { readonly name: string; readonly versions: readonly string[] }[];
}
