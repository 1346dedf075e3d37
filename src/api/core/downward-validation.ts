import type { ErrorCause } from '../../lib/errors.ts';
import { invalidEach, invalidValue, notSupported, required } from '../field-error.ts';
import type { ObjectFieldSelector, ResourceFieldSelector } from '../generated/types.ts';
import { qualifiedName } from '../names.ts';
import { tryParseQuantity } from '../quantity.ts';

/** Fields that an environment variable can show. */
export const envFieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
/** Fields that a file in a downwardAPI volume can show. */
export const volumeFieldPaths = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
const resourceNames = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const byteDivisors = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];
const knownPaths = new Set([...envFieldPaths, ...volumeFieldPaths, 'spec.restartPolicy', 'status.phase']);

export function validateFieldRef(
  reference: ObjectFieldSelector,
  allowed: readonly string[],
  path: string,
): ErrorCause[] {
  if ((reference.apiVersion ?? '') === '') return [required(`${path}.apiVersion`)];
  const fieldPath = reference.fieldPath ?? '';
  if (fieldPath === '') return [required(`${path}.fieldPath`)];
  const subscripted = /^(.*)\['(.*)'\]$/.exec(fieldPath);
  const [, base = fieldPath, key] = subscripted ?? [];
  if (reference.apiVersion !== 'v1' || !knownPaths.has(base)) {
    const why =
      reference.apiVersion === 'v1'
        ? `field label not supported: ${fieldPath}`
        : `unsupported pod version: ${reference.apiVersion}`;
    return [invalidValue(`${path}.fieldPath`, fieldPath, `error converting fieldPath: ${why}`)];
  }
  if (key !== undefined) {
    if (base === 'metadata.annotations') return invalidEach(path, key.toLowerCase(), qualifiedName(key.toLowerCase()));
    if (base === 'metadata.labels') return invalidEach(path, key, qualifiedName(key));
    return [invalidValue(path, base, 'does not support subscript')];
  }
  return allowed.includes(base) ? [] : [notSupported(`${path}.fieldPath`, base, allowed)];
}

/** In a volume the container must be named; in a container's environment it is that container. */
export function validateResourceFieldRef(
  reference: ResourceFieldSelector,
  inVolume: boolean,
  path: string,
): ErrorCause[] {
  const resource = reference.resource ?? '';
  const causes: ErrorCause[] = [];
  const huge = /^(limits|requests)\.hugepages-/.test(resource);
  if (inVolume && (reference.containerName ?? '') === '') causes.push(required(`${path}.containerName`));
  else if (resource === '') causes.push(required(`${path}.resource`));
  else if (!resourceNames.includes(resource) && !huge) {
    causes.push(notSupported(`${path}.resource`, resource, resourceNames));
  }
  const divisor = tryParseQuantity(reference.divisor ?? '0');
  if (divisor === undefined || divisor.isZero()) return causes;
  const text = divisor.toString();
  const field = `${path}.divisor`;
  if (resource.endsWith('.cpu')) {
    if (text !== '1m' && text !== '1') {
      causes.push(invalidValue(field, resource, "only divisor's values 1m and 1 are supported with the cpu resource"));
    }
  } else if (!byteDivisors.includes(text)) {
    const what = huge ? 'hugepages' : resource.endsWith('.memory') ? 'memory' : 'local ephemeral storage';
    const list = byteDivisors.join(', ');
    causes.push(invalidValue(field, resource, `only divisor's values ${list} are supported with the ${what} resource`));
  }
  return causes;
}
