import type { KubeObject } from '../api/object.ts';
import { CausewayError, type ErrorCause, invalid } from '../lib/errors.ts';
import type { KindHooks } from './handlers/kind-hooks.ts';
import { IpRange } from './kinds/ip-range.ts';

interface ServicePort {
  port?: number;
  protocol?: string;
  nodePort?: number;
}

interface ServiceSpec {
  type?: string;
  clusterIP?: string;
  clusterIPs?: string[];
  ipFamilies?: string[];
  ipFamilyPolicy?: string;
  ports?: ServicePort[];
  allocateLoadBalancerNodePorts?: boolean;
  externalTrafficPolicy?: string;
  healthCheckNodePort?: number;
}

function specOf(object: KubeObject | undefined): ServiceSpec {
  return (object?.['spec'] ?? {}) as ServiceSpec;
}

function hasClusterIp(spec: ServiceSpec): boolean {
  return spec.type !== 'ExternalName' && spec.clusterIP !== 'None';
}

function hasNodePorts(spec: ServiceSpec): boolean {
  return (
    spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && (spec.allocateLoadBalancerNodePorts ?? true) !== false)
  );
}

/** Everything that a stored Service occupies: `ip 10.96.0.10`, `port 30080/TCP`. */
function heldBy(spec: ServiceSpec): string[] {
  const held: string[] = [];
  if (hasClusterIp(spec) && spec.clusterIP !== undefined && spec.clusterIP !== '') held.push(`ip ${spec.clusterIP}`);
  for (const port of spec.ports ?? []) {
    if ((port.nodePort ?? 0) !== 0) held.push(`port ${port.nodePort}/${port.protocol ?? 'TCP'}`);
  }
  if ((spec.healthCheckNodePort ?? 0) !== 0) held.push(`port ${spec.healthCheckNodePort}/TCP`);
  return held;
}

export interface ServiceAllocatorOptions {
  readonly cidr: string;
  readonly nodePorts: { readonly first: number; readonly last: number };
  /** A random integer from 0 to n - 1. */
  readonly random: (n: number) => number;
}

/**
 * Gives Services their cluster IP and node ports. It keeps no state of its own on disk: what is taken is what stored Services hold, read once
 * at the start (`load`) and kept in step by the writes that pass through.
 */
export class ServiceAllocator implements KindHooks {
  readonly range: IpRange;
  readonly #options: ServiceAllocatorOptions;
  /** What is taken, and by which Service (`namespace/name`). */
  readonly #taken = new Map<string, string>();

  constructor(options: ServiceAllocatorOptions) {
    this.#options = options;
    this.range = new IpRange(options.cidr);
    // The apiserver's own Service is made at every start: nobody else may get its address meanwhile.
    this.#taken.set(`ip ${this.range.at(0)}`, 'default/kubernetes');
  }

  /** The address of the Service `kubernetes`. */
  get apiserverIp(): string {
    return this.range.at(0);
  }

  load(services: Iterable<KubeObject>): void {
    for (const service of services) {
      for (const held of heldBy(specOf(service))) this.#taken.set(held, ownerOf(service));
    }
  }

  async reserve(object: KubeObject, old: KubeObject | undefined): Promise<(stored: boolean) => void> {
    const spec = specOf(object);
    const before = old === undefined ? [] : heldBy(specOf(old));
    const owner = ownerOf(object);
    const fresh: string[] = [];
    const take = (what: string): boolean => {
      const holder = this.#taken.get(what);
      if (holder !== undefined && holder !== owner) return false;
      if (holder === undefined) {
        this.#taken.set(what, owner);
        fresh.push(what);
      }
      return true;
    };
    const undo = (): void => {
      for (const what of fresh) this.#taken.delete(what);
    };
    try {
      const causes = this.#settle(spec, specOf(old), take);
      if (causes.length > 0) throw invalid('', 'Service', object.metadata.name ?? '', causes);
    } catch (error) {
      undo();
      throw error;
    }
    return (stored) => {
      if (!stored) {
        undo();
        return;
      }
      const now = new Set(heldBy(spec));
      for (const what of before) if (!now.has(what)) this.#release(what, owner);
    };
  }

  released(object: KubeObject): void {
    for (const what of heldBy(specOf(object))) this.#release(what, ownerOf(object));
  }

  #release(what: string, owner: string): void {
    if (this.#taken.get(what) === owner) this.#taken.delete(what);
  }

  #settle(spec: ServiceSpec, old: ServiceSpec, take: (what: string) => boolean): ErrorCause[] {
    const causes: ErrorCause[] = [];
    keepAllocated(spec, old);
    this.#settleIp(spec, take, causes);
    if (hasNodePorts(spec)) this.#settleNodePorts(spec, old, take, causes);
    return causes;
  }

  #settleIp(spec: ServiceSpec, take: (what: string) => boolean, causes: ErrorCause[]): void {
    if (spec.type === 'ExternalName') {
      delete spec.clusterIP;
      delete spec.clusterIPs;
      return;
    }
    checkFamilies(spec, causes);
    if (spec.clusterIP === undefined || spec.clusterIP === '') {
      const asked = spec.clusterIPs?.[0];
      if (asked !== undefined && asked !== '') spec.clusterIP = asked;
    }
    if (spec.clusterIP === 'None') {
      spec.clusterIPs = ['None'];
      return;
    }
    if (causes.length > 0) return;
    if (spec.clusterIP === undefined || spec.clusterIP === '') spec.clusterIP = this.#freeIp(take);
    else {
      const why = !this.range.contains(spec.clusterIP)
        ? `the provided network does not match the current range: the provided IP (${spec.clusterIP}) is not in the valid range. The range of valid IPs is ${this.range.text}`
        : take(`ip ${spec.clusterIP}`)
          ? undefined
          : 'provided IP is already allocated';
      if (why !== undefined) {
        causes.push({
          reason: 'FieldValueInvalid',
          message: `Invalid value: [${JSON.stringify(spec.clusterIP)}]: failed to allocate IP ${spec.clusterIP}: ${why}`,
          field: 'spec.clusterIPs',
        });
      }
    }
    spec.clusterIPs = [spec.clusterIP];
  }

  #freeIp(take: (what: string) => boolean): string {
    const { usable } = this.range;
    const start = this.#options.random(usable);
    for (let i = 0; i < usable; i++) {
      const ip = this.range.at((start + i) % usable);
      if (!this.#taken.has(`ip ${ip}`) && take(`ip ${ip}`)) return ip;
    }
    throw new CausewayError('InternalError', 'failed to allocate a serviceIP: range is full');
  }

  #settleNodePorts(spec: ServiceSpec, old: ServiceSpec, take: (what: string) => boolean, causes: ErrorCause[]): void {
    const { first, last } = this.#options.nodePorts;
    for (const [i, port] of (spec.ports ?? []).entries()) {
      const protocol = port.protocol ?? 'TCP';
      if ((port.nodePort ?? 0) === 0) {
        port.nodePort = this.#freeNodePort(protocol, take);
        continue;
      }
      const nodePort = port.nodePort as number;
      // A port that the Service holds already is not judged again: the range may have been another one.
      if (old.ports?.some((p) => p.nodePort === nodePort) === true && take(`port ${nodePort}/${protocol}`)) continue;
      const why =
        nodePort < first || nodePort > last
          ? `provided port is not in the valid range. The range of valid ports is ${first}-${last}`
          : take(`port ${nodePort}/${protocol}`)
            ? undefined
            : 'provided port is already allocated';
      if (why !== undefined) {
        causes.push({
          reason: 'FieldValueInvalid',
          message: `Invalid value: ${nodePort}: ${why}`,
          field: `spec.ports[${i}].nodePort`,
        });
      }
    }
    if (
      spec.type === 'LoadBalancer' &&
      spec.externalTrafficPolicy === 'Local' &&
      (spec.healthCheckNodePort ?? 0) === 0
    ) {
      spec.healthCheckNodePort = this.#freeNodePort('TCP', take);
    }
  }

  #freeNodePort(protocol: string, take: (what: string) => boolean): number {
    const { first, last } = this.#options.nodePorts;
    const count = last - first + 1;
    const start = this.#options.random(count);
    for (let i = 0; i < count; i++) {
      const port = first + ((start + i) % count);
      const what = `port ${port}/${protocol}`;
      if (!this.#taken.has(what) && take(what)) return port;
    }
    throw new CausewayError('InternalError', 'failed to allocate a nodePort: range is full');
  }
}

function ownerOf(service: KubeObject): string {
  return `${service.metadata.namespace ?? ''}/${service.metadata.name ?? ''}`;
}

/** An update that leaves addresses out means "as they are": `kubectl apply` and `replace` do. */
function keepAllocated(spec: ServiceSpec, old: ServiceSpec): void {
  if (
    hasClusterIp(spec) &&
    hasClusterIp(old) &&
    (spec.clusterIP ?? '') === '' &&
    (spec.clusterIPs ?? []).length === 0
  ) {
    if (old.clusterIP !== undefined) spec.clusterIP = old.clusterIP;
    if (old.clusterIPs !== undefined) spec.clusterIPs = old.clusterIPs;
  }
  if (hasNodePorts(spec) && hasNodePorts(old)) {
    for (const port of spec.ports ?? []) {
      if ((port.nodePort ?? 0) !== 0) continue;
      const same = old.ports?.find((p) => p.port === port.port && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'));
      if (same?.nodePort !== undefined && !spec.ports?.some((p) => p.nodePort === same.nodePort)) {
        port.nodePort = same.nodePort;
      }
    }
    if ((spec.healthCheckNodePort ?? 0) === 0 && old.healthCheckNodePort !== undefined) {
      spec.healthCheckNodePort = old.healthCheckNodePort;
    }
  }
  if (!hasNodePorts(spec) && hasNodePorts(old)) {
    // A Service that becomes internal gives its node ports back, if the client only left them as they were.
    for (const port of spec.ports ?? []) {
      if (old.ports?.some((p) => p.nodePort === port.nodePort && p.port === port.port) === true) delete port.nodePort;
    }
  }
}

/** The cluster has IPv4 addresses for Services, and says so. */
function checkFamilies(spec: ServiceSpec, causes: ErrorCause[]): void {
  const wrong = spec.ipFamilies?.findIndex((f) => f !== 'IPv4') ?? -1;
  if (wrong >= 0) {
    causes.push({
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(spec.ipFamilies?.[wrong])}: not configured on this cluster`,
      field: `spec.ipFamilies[${wrong}]`,
    });
  }
  if (spec.ipFamilyPolicy === 'RequireDualStack') {
    causes.push({
      reason: 'FieldValueInvalid',
      message: 'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
      field: 'spec.ipFamilyPolicy',
    });
  }
  spec.ipFamilies ??= ['IPv4'];
  spec.ipFamilyPolicy ??= 'SingleStack';
}
