import type { UserInfo } from '../../api/user-info.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { Attributes, Authorizer, Decision, NonResourceRule, ResourceRule, RuleResolver } from '../authorizer.ts';
import type { RbacReader } from './objects.ts';

export class RbacAuthorizer implements Authorizer, RuleResolver {
  readonly name = 'RBAC';
  readonly #reader: RbacReader;

  constructor(reader: RbacReader) {
    this.#reader = reader;
  }

  async authorize(_attributes: Attributes): Promise<Decision> {
    throw new CausewayError('InternalError', `not implemented (${this.#reader.generation()})`);
  }

  async rulesFor(
    _user: UserInfo,
    _namespace: string,
  ): Promise<{
    readonly resourceRules: readonly ResourceRule[];
    readonly nonResourceRules: readonly NonResourceRule[];
    readonly incomplete: boolean;
    readonly evaluationError?: string;
  }> {
    throw new CausewayError('InternalError', 'not implemented');
  }
}
