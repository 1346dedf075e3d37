import type { UserInfo } from '../../api/user-info.ts';
import type { Attributes, Authorizer, Decision, NonResourceRule, ResourceRule, RuleResolver } from '../authorizer.ts';
import type { PolicyRule, RbacReader, RoleRef } from './objects.ts';
import { type BoundRole, type Grant, RbacIndex } from './rbac-index.ts';
import { ruleAllows } from './rule-match.ts';

/** Role-based access control over the roles and bindings that the reader shows. Allows, or has no opinion; it never denies. */
export class RbacAuthorizer implements Authorizer, RuleResolver {
  readonly name = 'RBAC';
  readonly #reader: RbacReader;
  #index: RbacIndex | undefined;
  #generation = Number.NaN;

  constructor(reader: RbacReader) {
    this.#reader = reader;
  }

  authorize(attributes: Attributes): Promise<Decision> {
    return Promise.resolve(this.decide(attributes));
  }

  /** `authorize` without the promise. */
  decide(attributes: Attributes): Decision {
    const scope = attributes.resourceRequest ? attributes.namespace : '';
    let best: Grant | undefined;
    const problems = new Set<string>();
    for (const list of this.#current().grants(attributes.user, scope)) {
      for (const grant of list) {
        // Lists are in order: what comes later cannot be named instead.
        if (best !== undefined && !earlier(grant, best)) break;
        if (grant.role.problem !== undefined) problems.add(grant.role.problem);
        if (grant.role.rules.some((rule) => ruleAllows(rule, attributes))) {
          best = grant;
          break;
        }
      }
    }
    if (best !== undefined) return { verdict: 'allow', reason: `RBAC: allowed by ${describe(best)}` };
    return { verdict: 'no-opinion', reason: problems.size === 0 ? '' : `RBAC: ${joined([...problems])}` };
  }

  async rulesFor(user: UserInfo, namespace: string): ReturnType<RuleResolver['rulesFor']> {
    const { grants, problems } = this.#granted(user, namespace);
    const resourceRules: ResourceRule[] = [];
    const nonResourceRules: NonResourceRule[] = [];
    for (const role of grants) {
      for (const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } of role.rules) {
        if (resources.length > 0) {
          const names = resourceNames.length === 0 ? {} : { resourceNames };
          resourceRules.push({ verbs, apiGroups, resources, ...names });
        }
        // URLs have no namespace: a RoleBinding grants none.
        if (nonResourceURLs.length > 0 && role.namespace === '') nonResourceRules.push({ verbs, nonResourceURLs });
      }
    }
    return {
      resourceRules,
      nonResourceRules,
      incomplete: problems.length > 0,
      ...(problems.length === 0 ? {} : { evaluationError: joined(problems) }),
    };
  }

  /** Every rule that `user` holds in `namespace`, with what could not be resolved: what an escalation check compares with. */
  policyRulesFor(user: UserInfo, namespace: string): { rules: readonly PolicyRule[]; problems: readonly string[] } {
    const { grants, problems } = this.#granted(user, namespace);
    return { rules: grants.flatMap((role) => role.rules), problems };
  }

  /** The rules of a referenced role; `problem` says that it does not exist. */
  resolve(roleRef: RoleRef, namespace: string): { rules: readonly PolicyRule[]; problem: string | undefined } {
    return this.#current().resolve(roleRef, namespace);
  }

  #granted(user: UserInfo, namespace: string): { grants: readonly BoundRole[]; problems: readonly string[] } {
    const grants = new Set<BoundRole>();
    for (const list of this.#current().grants(user, namespace)) for (const { role } of list) grants.add(role);
    const inOrder = [...grants].sort((a, b) => a.ordinal - b.ordinal);
    return { grants: inOrder, problems: [...new Set(inOrder.flatMap((role) => role.problem ?? []))] };
  }

  #current(): RbacIndex {
    const generation = this.#reader.generation();
    if (this.#index === undefined || generation !== this.#generation) {
      this.#index = new RbacIndex(this.#reader);
      this.#generation = generation;
    }
    return this.#index;
  }
}

function earlier(a: Grant, b: Grant): boolean {
  return a.role.ordinal < b.role.ordinal || (a.role.ordinal === b.role.ordinal && a.subjectIndex < b.subjectIndex);
}

/** `ClusterRoleBinding "x" of ClusterRole "y" to Group "z"`; a namespaced name is written `name/namespace`. */
function describe({ role, subjectIndex }: Grant): string {
  const { binding, namespace } = role;
  const name = binding.metadata.name ?? '';
  const what =
    namespace === ''
      ? `ClusterRoleBinding ${JSON.stringify(name)}`
      : `RoleBinding ${JSON.stringify(`${name}/${namespace}`)}`;
  const subject = binding.subjects?.[subjectIndex];
  let who = subject?.name ?? '';
  if (subject?.kind === 'ServiceAccount') who = `${who}/${subject.namespace || namespace}`;
  const { kind, name: roleName } = binding.roleRef;
  return `${what} of ${kind} ${JSON.stringify(roleName)} to ${subject?.kind ?? ''} ${JSON.stringify(who)}`;
}

function joined(problems: readonly string[]): string {
  return problems.length === 1 ? (problems[0] ?? '') : `[${problems.join(', ')}]`;
}
