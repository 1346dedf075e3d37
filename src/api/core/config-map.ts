import type { ErrorCause } from '../../lib/errors.ts';
import { invalidEach, invalidValue, tooLong } from '../field-error.ts';
import type { ConfigMap } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { configMapKey } from '../names.ts';
import type { KubeObject } from '../object.ts';
import { base64Bytes, dataMaxBytes, validateImmutable } from './secret.ts';

const asConfigMap = (object: KubeObject): ConfigMap => object as unknown as ConfigMap;

export const configMapRules: KindRules = {
  validate: (object) => validateConfigMap(asConfigMap(object)),
  validateUpdate: (object, old) => [
    ...validateImmutable(asConfigMap(object), asConfigMap(old), ['data', 'binaryData']),
    ...validateConfigMap(asConfigMap(object)),
  ],
};

function validateConfigMap({ data, binaryData }: ConfigMap): ErrorCause[] {
  const causes: ErrorCause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(data ?? {})) {
    const field = `data[${key}]`;
    causes.push(...invalidEach(field, key, configMapKey(key)));
    if (binaryData !== undefined && Object.hasOwn(binaryData, key)) {
      causes.push(invalidValue(field, key, 'duplicate of key present in binaryData'));
    }
    bytes += Buffer.byteLength(value);
  }
  for (const [key, value] of Object.entries(binaryData ?? {})) {
    causes.push(...invalidEach(`binaryData[${key}]`, key, configMapKey(key)));
    bytes += base64Bytes(value);
  }
  // The field of an error about the whole object, as Kubernetes prints it.
  if (bytes > dataMaxBytes) causes.push(tooLong('[]', dataMaxBytes));
  return causes;
}
