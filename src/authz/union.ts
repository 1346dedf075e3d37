import type { UserInfo } from '../api/user-info.ts';
import type { Attributes, Authorizer, Decision, RuleResolver } from './authorizer.ts';

/** Asks each authoriser in order; the first that allows or denies decides. The reasons of those without an opinion are joined by newlines. */
export class UnionAuthorizer implements Authorizer {
  readonly name = 'Union';
  readonly #authorizers: readonly Authorizer[];

  constructor(authorizers: readonly Authorizer[]) {
    this.#authorizers = authorizers;
  }

  async authorize(attributes: Attributes): Promise<Decision> {
    const reasons: string[] = [];
    for (const authorizer of this.#authorizers) {
      const decision = await authorizer.authorize(attributes);
      if (decision.verdict !== 'no-opinion') return decision;
      if (decision.reason !== '') reasons.push(decision.reason);
    }
    return { verdict: 'no-opinion', reason: reasons.join('\n') };
  }
}

/** The rules of all resolvers together. */
export function unionRuleResolver(resolvers: readonly RuleResolver[]): RuleResolver {
  return {
    async rulesFor(user: UserInfo, namespace: string) {
      const answers = await Promise.all(resolvers.map((resolver) => resolver.rulesFor(user, namespace)));
      const errors = answers.flatMap((answer) => answer.evaluationError ?? []);
      return {
        resourceRules: answers.flatMap((answer) => answer.resourceRules),
        nonResourceRules: answers.flatMap((answer) => answer.nonResourceRules),
        incomplete: answers.some((answer) => answer.incomplete),
        ...(errors.length === 0 ? {} : { evaluationError: errors.join(', ') }),
      };
    },
  };
}
