import { type CausewayError, invalid } from '../../lib/errors.ts';
import { invalidValue } from '../field-error.ts';

/** Characters of a patch that an error quotes: an answer does not say three megabytes again. */
const QUOTED = 200;

/**
 * 422 for a patch that applies, and makes something that is no object of its kind. Kubernetes quotes what was made; here it is the patch itself,
 * for who may change an object may perhaps not read it.
 */
export function invalidPatch(patch: string, why: string): CausewayError {
  const quoted = patch.length > QUOTED ? `${patch.slice(0, QUOTED)} ...` : patch;
  return invalid('', '', '', [invalidValue('patch', quoted, why)]);
}
