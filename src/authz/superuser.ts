import type { Attributes, Authorizer, Decision } from './authorizer.ts';

const allow: Decision = { verdict: 'allow', reason: '' };
const noOpinion: Decision = { verdict: 'no-opinion', reason: '' };

/** Allows everything to the group `system:masters`, whatever the stored roles say: the way back in when RBAC is broken. */
export const superuserAuthorizer: Authorizer = {
  name: 'SystemMasters',
  async authorize(attributes: Attributes): Promise<Decision> {
    return attributes.user.groups.includes('system:masters') ? allow : noOpinion;
  },
};
