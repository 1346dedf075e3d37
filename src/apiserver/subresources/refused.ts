import { CausewayError, qualifiedResource } from '../../lib/errors.ts';
import type { ResourceHandler } from '../router.ts';

/** A subresource that Kubernetes has and this server does not serve yet: refused by name, so that nobody takes it for a bug of theirs. */
export const notServedYet: ResourceHandler = (request) => {
  const { group, resource, subresource, name } = request.info;
  throw new CausewayError(
    'Forbidden',
    `${qualifiedResource(group, resource)} ${JSON.stringify(name)} is forbidden: the subresource ${JSON.stringify(subresource)} is not served yet`,
    { details: { name, kind: resource, ...(group === '' ? {} : { group }) } },
  );
};
