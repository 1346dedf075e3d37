import { CausewayError } from '../../lib/errors.ts';
import type { CompactedError } from '../../storage/store.ts';
import { encodeContinue } from './continue-token.ts';

/** 410 for a `continue` token whose revision is compacted. `continueToken` goes into the Status' `metadata.continue`, as in Kubernetes. */
export class ContinueExpiredError extends CausewayError {
  /** Goes on at the same place in the newest state. */
  readonly continueToken: string;

  constructor(after: string) {
    super(
      'Expired',
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
        'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
        'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
        'deleted between the time the first chunk was returned and now may show up in the list.',
    );
    this.continueToken = encodeContinue({ revision: -1, after });
  }
}

export function listExpired(cause: CompactedError): CausewayError {
  return new CausewayError('Expired', 'The resourceVersion for the provided list is too old.', { cause });
}

export function watchExpired(revision: number, error: CompactedError): CausewayError {
  return new CausewayError('Expired', `too old resource version: ${revision} (${error.compactedRevision})`);
}

/** 504 for a revision that is not reached in time. */
export function tooLarge(revision: number, current: number): CausewayError {
  return new CausewayError('Timeout', `Timeout: Too large resource version: ${revision}, current: ${current}`, {
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });
}
