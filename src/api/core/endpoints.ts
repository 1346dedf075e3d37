import type { ErrorCause } from '../../lib/errors.ts';
import { invalidEach, notSupported, required } from '../field-error.ts';
import type { EndpointAddress, EndpointSubset, Endpoints } from '../generated/types.ts';
import { validateEndpointIp } from '../ip-address.ts';
import type { KindRules } from '../kind-rules.ts';
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from '../names.ts';
import type { KubeObject } from '../object.ts';

const asEndpoints = (object: KubeObject): Endpoints => object as unknown as Endpoints;

export const endpointsRules: KindRules = {
  allowCreateOnUpdate: true,
  defaults(object) {
    for (const subset of asEndpoints(object).subsets ?? []) {
      for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
    }
  },
  validate: (object) =>
    (asEndpoints(object).subsets ?? []).flatMap((subset, i) => validateSubset(subset, `subsets[${i}]`)),
};

function validateSubset(subset: EndpointSubset, path: string): ErrorCause[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const causes: ErrorCause[] = [];
  if (addresses.length === 0 && notReadyAddresses.length === 0) {
    causes.push(required(path, 'must specify `addresses` or `notReadyAddresses`'));
  }
  for (const [i, address] of addresses.entries()) causes.push(...validateAddress(address, `${path}.addresses[${i}]`));
  for (const [i, address] of notReadyAddresses.entries()) {
    causes.push(...validateAddress(address, `${path}.notReadyAddresses[${i}]`));
  }
  for (const [i, port] of ports.entries()) {
    const field = `${path}.ports[${i}]`;
    const name = port.name ?? '';
    if (name !== '') causes.push(...invalidEach(`${field}.name`, name, dns1123Label(name)));
    else if (ports.length > 1) causes.push(required(`${field}.name`));
    causes.push(...invalidEach(`${field}.port`, port.port, portNumber(port.port)));
    causes.push(...validateProtocol(port.protocol, `${field}.protocol`));
    if (port.appProtocol !== undefined) {
      causes.push(...invalidEach(`${field}.appProtocol`, port.appProtocol, qualifiedName(port.appProtocol)));
    }
  }
  return causes;
}

function validateAddress(address: EndpointAddress, path: string): ErrorCause[] {
  const { hostname = '', nodeName } = address;
  return [
    ...validateEndpointIp(`${path}.ip`, address.ip ?? ''),
    ...(hostname === '' ? [] : invalidEach(`${path}.hostname`, hostname, dns1123Label(hostname))),
    ...(nodeName === undefined ? [] : invalidEach(`${path}.nodeName`, nodeName, dns1123Subdomain(nodeName))),
  ];
}

const protocols = ['SCTP', 'TCP', 'UDP'];

export function validateProtocol(protocol: string | undefined, field: string): ErrorCause[] {
  if (protocol === undefined || protocol === '') return [required(field)];
  return protocols.includes(protocol) ? [] : [notSupported(field, protocol, protocols)];
}
