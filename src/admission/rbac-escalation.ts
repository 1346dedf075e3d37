import { isDeepStrictEqual } from 'node:util';
import { semanticEqual } from '../api/json-object.ts';
import type { KubeObject } from '../api/object.ts';
import { checkBinding, checkRoleEscalation, type EscalationDeps, type RbacTarget } from '../authz/rbac/escalate.ts';
import type { ClusterRole, RoleBinding } from '../authz/rbac/objects.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { nameOf } from './refuse.ts';

type RbacResource = RbacTarget['resource'];

const rbac = 'rbac.authorization.k8s.io';
const targets: readonly RbacResource[] = ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'];

/** Nobody grants more than he holds: roles and bindings are checked against the rules of whoever writes them. */
export class RbacEscalation implements AdmissionPlugin {
  readonly name = 'RBACEscalation';
  readonly resources = targets.map((plural) => `${plural}.${rbac}`);
  readonly #deps: EscalationDeps;

  constructor(deps: EscalationDeps) {
    this.#deps = deps;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, group, namespace, subresource, user, object, oldObject } = attributes;
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || subresource !== '' || object === undefined) return;
    const resource = targets.find((one) => one === attributes.resource);
    if (group !== rbac || resource === undefined) return;
    if (operation === 'UPDATE' && oldObject !== undefined && onlyGarbageCollection(object, oldObject)) return;
    const target: RbacTarget = { resource, namespace, name: nameOf(attributes) };
    switch (resource) {
      case 'roles':
      case 'clusterroles': {
        const role = object as ClusterRole;
        const before = oldObject as ClusterRole | undefined;
        if (resource === 'clusterroles' && this.#storesWhatIsHeld(role, before)) return;
        const aggregates = isSet(role.aggregationRule) || isSet(before?.aggregationRule);
        return checkRoleEscalation(this.#deps, user, target, role.rules ?? [], aggregates);
      }
      case 'rolebindings':
      case 'clusterrolebindings':
        return checkBinding(this.#deps, user, target, (object as RoleBinding).roleRef);
    }
  }

  /**
   * What an aggregating role holds is worked out from the roles that it aggregates, and never read. To store just that, and
   * change nothing else, grants nothing: whoever does it need not hold it.
   */
  #storesWhatIsHeld(role: ClusterRole, before: ClusterRole | undefined): boolean {
    if (before === undefined || !isSet(before.aggregationRule)) return false;
    if (!onlyGarbageCollection({ ...role, rules: [] } as KubeObject, { ...before, rules: [] } as KubeObject))
      return false;
    const name = before.metadata.name ?? '';
    const held = this.#deps.rbac.resolve({ apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }, '');
    return held.problem === undefined && semanticEqual(role.rules, held.rules);
  }
}

/** What the garbage collector changes on its way to deleting an object grants nothing. Everything else (labels too: they aggregate) may. */
function onlyGarbageCollection(object: KubeObject, before: KubeObject): boolean {
  return isDeepStrictEqual(granting(object), granting(before));
}

function granting({ metadata, ...rest }: KubeObject): unknown {
  const { ownerReferences, finalizers, managedFields, resourceVersion, generation, ...kept } = metadata;
  return { ...rest, metadata: kept };
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}
