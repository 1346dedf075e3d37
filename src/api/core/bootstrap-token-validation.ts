import type { ErrorCause } from '../../lib/errors.ts';
import { forbidden, invalidValue } from '../field-error.ts';
import type { Secret } from '../generated/types.ts';
import { dns1123Subdomain } from '../names.ts';
import { BOOTSTRAP_TOKEN_TYPE, dataValue, TOKEN_KEYS } from './bootstrap-token.ts';

/** No part of a Secret stands in a message. */
export const REDACTED = '<secret contents redacted>';

const field = (key: string): string => `data[${key}]`;

/**
 * Our own keys restrict a token, so what is in them must be understood. Kubernetes' own keys are not checked when they are stored, here as
 * there: a token with a wrong one authenticates nobody.
 */
export function validateBootstrapToken(secret: Secret): ErrorCause[] {
  const nodeName = dataValue(secret, TOKEN_KEYS.nodeName);
  const singleUse = dataValue(secret, TOKEN_KEYS.singleUse);
  const usedBy = dataValue(secret, TOKEN_KEYS.usedBy);
  const causes: ErrorCause[] = [];
  const refuse = (key: string, why: string): void => {
    causes.push(invalidValue(field(key), REDACTED, why));
  };
  if (nodeName !== undefined) for (const why of dns1123Subdomain(nodeName)) refuse(TOKEN_KEYS.nodeName, why);
  if (singleUse !== undefined && singleUse !== 'true' && singleUse !== 'false') {
    refuse(TOKEN_KEYS.singleUse, "must be 'true' or 'false'");
  }
  if (usedBy !== undefined && !/^[A-Za-z0-9-]{1,64}$/.test(usedBy)) {
    refuse(TOKEN_KEYS.usedBy, 'must be the uid of a certificate signing request');
  }
  return causes;
}

/** Once used, always used: whoever may change Secrets makes another token. */
export function validateBootstrapTokenUpdate(secret: Secret, old: Secret): ErrorCause[] {
  if (old.type !== BOOTSTRAP_TOKEN_TYPE) return [];
  const before = dataValue(old, TOKEN_KEYS.usedBy);
  if (before === undefined || dataValue(secret, TOKEN_KEYS.usedBy) === before) return [];
  return [forbidden(field(TOKEN_KEYS.usedBy), 'a bootstrap token that was used stays used: make another one')];
}
