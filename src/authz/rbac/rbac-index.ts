import type { UserInfo } from '../../api/user-info.ts';
import { aggregateRules } from './aggregate.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  RbacReader,
  RoleBinding,
  RoleRef,
  Subject,
} from './objects.ts';

/** What a binding gives: its role's rules, or why it has none (`clusterrole.rbac.authorization.k8s.io "x" not found`). */
export interface BoundRole {
  /** Position among the bindings: cluster-wide ones first, then by key. The lowest that allows is named in the reason. */
  readonly ordinal: number;
  readonly rules: readonly PolicyRule[];
  readonly problem: string | undefined;
  readonly binding: RoleBinding | ClusterRoleBinding;
  /** Empty for a ClusterRoleBinding. */
  readonly namespace: string;
}

/** A binding as reached through one of its subjects. */
export interface Grant {
  readonly role: BoundRole;
  readonly subjectIndex: number;
}

type BySubject = Map<string, Grant[]>;

/**
 * Roles and bindings of one generation, laid out by subject: a request looks at the bindings of its user and groups only, whatever
 * the size of the cluster.
 */
export class RbacIndex {
  readonly #clusterWide: BySubject = new Map();
  readonly #byNamespace = new Map<string, BySubject>();
  readonly #clusterRoles = new Map<string, readonly PolicyRule[]>();
  readonly #roles = new Map<string, readonly PolicyRule[]>();

  constructor(reader: RbacReader) {
    const clusterRoles: readonly ClusterRole[] = reader.clusterRoles();
    // The stored rules of an aggregating role are only what the controller wrote last: what it would write now is what holds,
    // so that a revoked part is gone at once.
    const aggregated = aggregateRules(clusterRoles);
    for (const role of clusterRoles) {
      const name = role.metadata.name ?? '';
      this.#clusterRoles.set(name, aggregated.get(name) ?? role.rules ?? []);
    }
    for (const role of reader.roles()) {
      this.#roles.set(`${role.metadata.namespace ?? ''}/${role.metadata.name ?? ''}`, role.rules ?? []);
    }
    let ordinal = 0;
    for (const binding of reader.clusterRoleBindings()) this.#add(this.#clusterWide, binding, '', ordinal++);
    for (const binding of reader.roleBindings()) {
      const namespace = binding.metadata.namespace ?? '';
      // A RoleBinding that claims no namespace must never count as cluster-wide.
      if (namespace === '') continue;
      const bySubject = this.#byNamespace.get(namespace) ?? new Map<string, Grant[]>();
      this.#byNamespace.set(namespace, bySubject);
      this.#add(bySubject, binding, namespace, ordinal++);
    }
  }

  /** The rules of the role, or why there are none. `namespace` is where the reference stands. */
  resolve(roleRef: RoleRef, namespace: string): { rules: readonly PolicyRule[]; problem: string | undefined } {
    const rules =
      roleRef.kind === 'ClusterRole'
        ? this.#clusterRoles.get(roleRef.name)
        : roleRef.kind === 'Role'
          ? this.#roles.get(`${namespace}/${roleRef.name}`)
          : [];
    if (rules === undefined) {
      const resource = `${roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io`;
      return { rules: [], problem: `${resource} ${JSON.stringify(roleRef.name)} not found` };
    }
    const known = roleRef.kind === 'ClusterRole' || roleRef.kind === 'Role';
    return {
      rules,
      problem: known ? undefined : `unsupported role reference kind: ${JSON.stringify(roleRef.kind)}`,
    };
  }

  /** Visits what `user` is granted in `namespace` ('' for cluster-wide only): one list for the user and one for each group. */
  *grants(user: UserInfo, namespace: string): Generator<readonly Grant[]> {
    const scopes = [this.#clusterWide];
    const inNamespace = namespace === '' ? undefined : this.#byNamespace.get(namespace);
    if (inNamespace !== undefined) scopes.push(inNamespace);
    for (const scope of scopes) {
      const own = scope.get(userKey(user.username));
      if (own !== undefined) yield own;
      for (const group of user.groups) {
        const shared = scope.get(groupKey(group));
        if (shared !== undefined) yield shared;
      }
    }
  }

  #add(into: BySubject, binding: RoleBinding | ClusterRoleBinding, namespace: string, ordinal: number): void {
    const role: BoundRole = { ordinal, ...this.resolve(binding.roleRef, namespace), binding, namespace };
    (binding.subjects ?? []).forEach((subject, subjectIndex) => {
      const key = subjectKey(subject, namespace);
      if (key === undefined) return;
      const list = into.get(key);
      if (list === undefined) into.set(key, [{ role, subjectIndex }]);
      else list.push({ role, subjectIndex });
    });
  }
}

function userKey(username: string): string {
  return `u:${username}`;
}

function groupKey(group: string): string {
  return `g:${group}`;
}

/** A service account is the user that its token names. A subject of another kind matches nobody. */
function subjectKey(subject: Subject, bindingNamespace: string): string | undefined {
  switch (subject.kind) {
    case 'User':
      return userKey(subject.name);
    case 'Group':
      return groupKey(subject.name);
    case 'ServiceAccount': {
      const namespace = nonEmpty(subject.namespace) ?? nonEmpty(bindingNamespace);
      return namespace === undefined ? undefined : userKey(`system:serviceaccount:${namespace}:${subject.name}`);
    }
    default:
      return undefined;
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
