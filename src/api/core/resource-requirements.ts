import type { ErrorCause } from '../../lib/errors.ts';
import { forbidden, invalidEach, invalidValue, required } from '../field-error.ts';
import type { ResourceRequirements } from '../generated/types.ts';
import { qualifiedName } from '../names.ts';
import { type Quantity, tryParseQuantity } from '../quantity.ts';

const standardNames = new Set(['cpu', 'memory', 'ephemeral-storage']);
/** Resources that are counted, not measured. */
const integerNames = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);

/** `resources` of a container. */
export function validateResources(
  resources: ResourceRequirements | undefined,
  claimNames: ReadonlySet<string>,
  path: string,
): ErrorCause[] {
  if (resources === undefined) return [];
  const causes: ErrorCause[] = [];
  for (const [name, text] of Object.entries(resources.limits ?? {})) {
    causes.push(...validateContainerResource(name, text, `${path}.limits[${name}]`));
  }
  for (const [name, text] of Object.entries(resources.requests ?? {})) {
    causes.push(...validateContainerResource(name, text, `${path}.requests[${name}]`));
    const request = tryParseQuantity(text);
    const limitText = resources.limits?.[name];
    const limit = limitText === undefined ? undefined : tryParseQuantity(limitText);
    if (request === undefined) continue;
    if (limit === undefined) {
      if (!overcommits(name)) {
        causes.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'));
      }
    } else if (!overcommits(name) && request.compare(limit) !== 0) {
      causes.push(invalidValue(`${path}.requests`, `${request}`, `must be equal to ${name} limit of ${limit}`));
    } else if (request.compare(limit) > 0) {
      causes.push(
        invalidValue(`${path}.requests`, `${request}`, `must be less than or equal to ${name} limit of ${limit}`),
      );
    }
  }
  const names = [...Object.keys(resources.limits ?? {}), ...Object.keys(resources.requests ?? {})];
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')) {
    causes.push(forbidden(path, 'HugePages require cpu or memory'));
  }
  causes.push(...validateClaims(resources, claimNames, `${path}.claims`));
  return causes;
}

function validateContainerResource(name: string, text: string, field: string): ErrorCause[] {
  const causes = validateResourceName(name, field);
  if (!name.includes('/') && !standardNames.has(name) && !isHugePages(name)) {
    causes.push(invalidValue(field, name, 'must be a standard resource for containers'));
  } else if (name.includes('/') && !isNative(name) && !isExtended(name)) {
    causes.push(invalidValue(field, name, "doesn't follow extended resource name standard"));
  }
  causes.push(...validateQuantityOf(name, text, field));
  const quantity = tryParseQuantity(text);
  const page = isHugePages(name) ? tryParseQuantity(name.slice('hugepages-'.length)) : undefined;
  if (quantity !== undefined && page !== undefined && (page.value() === 0n || quantity.value() % page.value() !== 0n)) {
    causes.push(invalidValue(field, `${quantity}`, `${quantity} is not positive integer multiple of ${name}`));
  }
  return causes;
}

export function validateResourceName(name: string, field: string): ErrorCause[] {
  const causes = invalidEach(field, name, qualifiedName(name));
  if (causes.length === 0 && !name.includes('/') && !isStandard(name)) {
    causes.push(invalidValue(field, name, 'must be a standard resource type or fully qualified'));
  }
  return causes;
}

/** Not negative, and whole where the resource is counted. */
export function validateQuantityOf(name: string, text: string, field: string): ErrorCause[] {
  const quantity = tryParseQuantity(text);
  if (quantity === undefined) return [invalidValue(field, text, 'must be a valid resource quantity')];
  const causes = nonNegativeQuantity(quantity, field);
  if ((integerNames.has(name) || isExtended(name)) && quantity.milliValue() % 1000n !== 0n) {
    causes.push(invalidValue(field, quantity, 'must be an integer'));
  }
  return causes;
}

export function nonNegativeQuantity(quantity: Quantity, field: string): ErrorCause[] {
  return quantity.sign() < 0 ? [invalidValue(field, `${quantity}`, 'must be greater than or equal to 0')] : [];
}

function validateClaims(resources: ResourceRequirements, claimNames: ReadonlySet<string>, path: string): ErrorCause[] {
  return (resources.claims ?? []).flatMap((claim, i) => {
    const field = `${path}[${i}]`;
    if (claim.name === '') return [required(field)];
    if (claimNames.has(claim.name)) return [];
    const known = claimNames.size === 0 ? ' which is empty' : `: ${[...claimNames].sort().join(', ')}`;
    const message = `Not found: ${JSON.stringify(claim.name)}: must be one of the names in pod.spec.resourceClaims${known}`;
    return [{ reason: 'FieldValueNotFound', message, field }];
  });
}

export function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-');
}

function isStandard(name: string): boolean {
  return (
    standardNames.has(name) ||
    integerNames.has(name) ||
    isHugePages(name) ||
    name === 'storage' ||
    name.startsWith('requests.') ||
    name.startsWith('limits.')
  );
}

function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

function isExtended(name: string): boolean {
  return !isNative(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`).length === 0;
}

/** Only what a node can hand out more of than it has may differ between request and limit. */
function overcommits(name: string): boolean {
  return isNative(name) && !isHugePages(name);
}
