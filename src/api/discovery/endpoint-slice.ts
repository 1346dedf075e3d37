import type { ErrorCause } from '../../lib/errors.ts';
import { validateProtocol } from '../core/endpoints.ts';
import { duplicate, invalidEach, invalidValue, notSupported, required, tooMany } from '../field-error.ts';
import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice } from '../generated/types.ts';
import { parseIp, validateEndpointIp } from '../ip-address.ts';
import type { KindRules } from '../kind-rules.ts';
import { immutable } from '../metadata.ts';
import { dns1123Label, dns1123Subdomain, labelValue, portNumber, qualifiedName } from '../names.ts';
import type { KubeObject } from '../object.ts';

const maxEndpoints = 1000;
const maxPorts = 20000;
const maxAddresses = 100;
const addressTypes = ['FQDN', 'IPv4', 'IPv6'];
const asSlice = (object: KubeObject): EndpointSlice => object as unknown as EndpointSlice;

export const endpointSliceRules: KindRules = {
  generation: true,
  defaults(object) {
    for (const port of asSlice(object).ports ?? []) {
      port.name ??= '';
      port.protocol ||= 'TCP';
    }
  },
  validate: (object) => validateSlice(asSlice(object)),
  validateUpdate: (object, old) => [
    ...validateSlice(asSlice(object)),
    ...immutable('addressType', asSlice(object).addressType, asSlice(old).addressType),
  ],
};

function validateSlice(slice: EndpointSlice): ErrorCause[] {
  const type: string = slice.addressType ?? '';
  const endpoints = slice.endpoints ?? [];
  const causes: ErrorCause[] = [];
  if (type === '') causes.push(required('addressType'));
  else if (!addressTypes.includes(type)) causes.push(notSupported('addressType', type, addressTypes));
  if (endpoints.length > maxEndpoints) return [...causes, tooMany('endpoints', endpoints.length, maxEndpoints)];
  for (const [i, endpoint] of endpoints.entries()) causes.push(...validateEndpoint(endpoint, type, `endpoints[${i}]`));
  causes.push(...validatePorts(slice.ports ?? []));
  return causes;
}

function validateEndpoint(endpoint: Endpoint, type: string, path: string): ErrorCause[] {
  const addresses = endpoint.addresses ?? [];
  const causes: ErrorCause[] = [];
  if (addresses.length === 0) causes.push(required(`${path}.addresses`, 'must contain at least 1 address'));
  if (addresses.length > maxAddresses) causes.push(tooMany(`${path}.addresses`, addresses.length, maxAddresses));
  for (const [i, address] of addresses.entries()) {
    const field = `${path}.addresses[${i}]`;
    if (type === 'FQDN') causes.push(...invalidEach(field, address, dns1123Subdomain(address)));
    else {
      causes.push(...validateEndpointIp(field, address));
      const family = parseIp(address)?.family;
      if (family !== undefined && addressTypes.includes(type) && family !== type) {
        causes.push(invalidValue(field, address, `must be an ${type} address`));
      }
    }
  }
  const { hostname, nodeName, zone } = endpoint;
  if (hostname !== undefined) causes.push(...invalidEach(`${path}.hostname`, hostname, dns1123Label(hostname)));
  if (nodeName !== undefined) causes.push(...invalidEach(`${path}.nodeName`, nodeName, dns1123Subdomain(nodeName)));
  if (zone !== undefined) causes.push(...invalidEach(`${path}.zone`, zone, labelValue(zone)));
  return causes;
}

function validatePorts(ports: readonly DiscoveryV1EndpointPort[]): ErrorCause[] {
  if (ports.length > maxPorts) return [tooMany('ports', ports.length, maxPorts)];
  const names = new Set<string>();
  return ports.flatMap((port, i) => {
    const path = `ports[${i}]`;
    const name = port.name ?? '';
    const causes = name === '' ? [] : invalidEach(`${path}.name`, name, dns1123Label(name));
    if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
    names.add(name);
    causes.push(...validateProtocol(port.protocol, `${path}.protocol`));
    if (port.port !== undefined) causes.push(...invalidEach(`${path}.port`, port.port, portNumber(port.port)));
    if (port.appProtocol !== undefined) {
      causes.push(...invalidEach(`${path}.appProtocol`, port.appProtocol, qualifiedName(port.appProtocol)));
    }
    return causes;
  });
}
