import type { ErrorCause } from '../../lib/errors.ts';
import { forbidden, invalidEach, invalidValue, required, tooLong } from '../field-error.ts';
import type { Secret } from '../generated/types.ts';
import { getOwn, jsonEqual, setOwn } from '../json-object.ts';
import type { KindRules } from '../kind-rules.ts';
import { immutable } from '../metadata.ts';
import { configMapKey } from '../names.ts';
import type { KubeObject } from '../object.ts';
import { BOOTSTRAP_TOKEN_TYPE } from './bootstrap-token.ts';
import { REDACTED, validateBootstrapToken, validateBootstrapTokenUpdate } from './bootstrap-token-validation.ts';

/** Bytes of all values of a Secret or a ConfigMap. */
export const dataMaxBytes = 1024 * 1024;

const accountAnnotation = 'kubernetes.io/service-account.name';
const asSecret = (object: KubeObject): Secret => object as unknown as Secret;

export const secretRules: KindRules = {
  defaults(object) {
    const secret = asSecret(object);
    secret.type ||= 'Opaque';
    // `stringData` is write-only: it is data that the client did not want to encode.
    for (const [key, value] of Object.entries(secret.stringData ?? {})) {
      secret.data ??= {};
      setOwn(secret.data, key, Buffer.from(value).toString('base64'));
    }
    delete secret.stringData;
  },
  validate: (object) => validateSecret(asSecret(object)),
  validateUpdate(object, old) {
    const secret = asSecret(object);
    const before = asSecret(old);
    return [
      ...immutable('type', secret.type ?? '', before.type ?? ''),
      ...validateImmutable(secret, before, ['data']),
      ...validateBootstrapTokenUpdate(secret, before),
      ...validateSecret(secret),
    ];
  },
  selectableFields: (object) => ({ type: asSecret(object).type ?? '' }),
};

/** `immutable: true` cannot be taken back, and fixes the data. */
export function validateImmutable(
  object: { immutable?: boolean | undefined },
  old: { immutable?: boolean | undefined },
  fields: readonly string[],
): ErrorCause[] {
  if (old.immutable !== true) return [];
  const text = 'field is immutable when `immutable` is set';
  const causes = object.immutable === true ? [] : [forbidden('immutable', text)];
  for (const field of fields) {
    if (!jsonEqual(getOwn(object, field) ?? {}, getOwn(old, field) ?? {})) causes.push(forbidden(field, text));
  }
  return causes;
}

function validateSecret(secret: Secret): ErrorCause[] {
  const data = secret.data ?? {};
  const causes: ErrorCause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    causes.push(...invalidEach(`data[${key}]`, key, configMapKey(key)));
    bytes += base64Bytes(value);
  }
  if (bytes > dataMaxBytes) causes.push(tooLong('data', dataMaxBytes));
  causes.push(...validateTypedData(secret, data));
  return causes;
}

export function base64Bytes(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return Math.max(0, Math.floor((text.length * 3) / 4) - padding);
}

/** What some types must hold. Contents never appear in a message. */
function validateTypedData(secret: Secret, data: Readonly<Record<string, string>>): ErrorCause[] {
  const missing = (...keys: string[]): ErrorCause[] =>
    keys.filter((key) => !Object.hasOwn(data, key)).map((key) => required(`data[${key}]`));
  switch (secret.type) {
    case 'kubernetes.io/service-account-token':
      return (secret.metadata.annotations?.[accountAnnotation] ?? '') === ''
        ? [required(`metadata.annotations[${accountAnnotation}]`)]
        : [];
    case 'kubernetes.io/dockercfg':
      return validateJson(data, '.dockercfg');
    case 'kubernetes.io/dockerconfigjson':
      return validateJson(data, '.dockerconfigjson');
    case 'kubernetes.io/basic-auth':
      return Object.hasOwn(data, 'username') || Object.hasOwn(data, 'password') ? [] : missing('username', 'password');
    case 'kubernetes.io/ssh-auth':
      return (data['ssh-privatekey'] ?? '') === '' ? [required('data[ssh-privatekey]')] : [];
    case 'kubernetes.io/tls':
      return missing('tls.crt', 'tls.key');
    case BOOTSTRAP_TOKEN_TYPE:
      return validateBootstrapToken(secret);
    default:
      return [];
  }
}

function validateJson(data: Readonly<Record<string, string>>, key: string): ErrorCause[] {
  const field = `data[${key}]`;
  if (!Object.hasOwn(data, key)) return [required(field)];
  try {
    const value: unknown = JSON.parse(Buffer.from(data[key] ?? '', 'base64').toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return [];
  } catch {
    // Told below, without the parser's message: it quotes the contents.
  }
  return [invalidValue(field, REDACTED, 'must be a valid JSON object')];
}
