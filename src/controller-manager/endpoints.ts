import type { EndpointSlice, Endpoints, Node, Pod, Service } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import type { EventRecorder, InvolvedObject } from '../client/event-recorder.ts';
import { type Informer, keyOfObject, splitKey } from '../client/informer.ts';
import { ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { isCode } from '../lib/errors.ts';
import { allOrFirstError } from './all-or-first-error.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { isOurs, planSlices, SERVICE_NAME_LABEL } from './endpoint-slices.ts';
import { OVER_CAPACITY_ANNOTATION, subsetsOf } from './endpoint-subsets.ts';
import { endpointLabels, type Target, targetOf } from './endpoint-targets.ts';
import { EndingNamespaces, ignoring, messageOf } from './expected-errors.ts';
import { PendingWrites } from './pending-writes.ts';

const WORKERS = 5;
const RECHECK_MS = 250;
const MANAGED_BY = { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' };
const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** Keeps the Endpoints and the EndpointSlices of every service that has a selector. */
export class EndpointsController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #services: Informer<Service>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #endpoints: Informer<Endpoints>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #pending = new PendingWrites();
  /** Services whose deletion was seen: what has their name goes as well. */
  readonly #gone = new Set<string>();
  readonly #endpointsEvents: EventRecorder;
  readonly #sliceEvents: EventRecorder;
  readonly #ending: EndingNamespaces;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('endpoints', dependencies.log);
    this.#endpointsEvents = dependencies.events.as('endpoint-controller');
    this.#sliceEvents = dependencies.events.as('endpoint-slice-controller');
    this.#ending = new EndingNamespaces(dependencies.informers);
    const { informers } = dependencies;
    this.#services = informers.for<Service>(SERVICES);
    this.#pods = informers.for<Pod>(PODS);
    this.#nodes = informers.for<Node>(NODES);
    this.#endpoints = informers.for<Endpoints>(ENDPOINTS);
    this.#slices = informers.for<EndpointSlice>(ENDPOINT_SLICES);
    const offer = (service: Service): void => this.#queue.add(keyOfObject(service));
    this.#services.handle({
      added: offer,
      updated: offer,
      deleted: (service) => {
        this.#gone.add(keyOfObject(service));
        offer(service);
      },
    });
    this.#pods.handle({
      added: (pod) => this.#offerServicesOf(pod),
      updated: (pod, previous) => {
        if (relevant(pod) === relevant(previous)) return;
        this.#offerServicesOf(pod);
        this.#offerServicesOf(previous);
      },
      deleted: (pod) => this.#offerServicesOf(pod),
    });
    const endpointsChanged = (endpoints: Endpoints): void => this.#queue.add(keyOfObject(endpoints));
    this.#endpoints.handle({
      // One of ours whose service went while nobody watched.
      added: (endpoints) => {
        if (isManaged(endpoints)) endpointsChanged(endpoints);
      },
      updated: endpointsChanged,
      deleted: endpointsChanged,
    });
    const sliceChanged = (slice: EndpointSlice): void => {
      const name = slice.metadata.labels?.[SERVICE_NAME_LABEL];
      if (name !== undefined && isOurs(slice)) this.#queue.add(`${slice.metadata.namespace}/${name}`);
    };
    this.#slices.handle({
      added: sliceChanged,
      updated: (slice, previous) => {
        sliceChanged(slice);
        sliceChanged(previous);
      },
      deleted: sliceChanged,
    });
    this.#nodes.handle({
      updated: (node, previous) => {
        if (node.metadata.labels?.[ZONE_LABEL] !== previous.metadata.labels?.[ZONE_LABEL]) this.#offerServicesOn(node);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (key) => this.#sync(key, signal), signal);
  }

  #offerServicesOf(pod: Pod): void {
    for (const service of this.#services.list(pod.metadata.namespace)) {
      if (selectsPod(service, pod)) this.#queue.add(keyOfObject(service));
    }
  }

  #offerServicesOn(node: Node): void {
    for (const pod of this.#pods.list()) if (pod.spec?.nodeName === node.metadata.name) this.#offerServicesOf(pod);
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const service = this.#services.get(namespace, name);
    if (service === undefined) {
      this.#pending.forget(key);
      await this.#removeEndpoints(key, signal);
      return;
    }
    this.#gone.delete(key);
    if (!hasSelector(service) || service.spec?.type === 'ExternalName') return;
    if (!this.#pending.settled(key)) {
      this.#queue.addAfter(key, RECHECK_MS);
      return;
    }
    const targets = this.#pods
      .list(namespace)
      .filter((pod) => selectsPod(service, pod))
      .flatMap((pod) => targetOf(pod, service) ?? [])
      .sort((a, b) => ((a.ips[0] ?? '') < (b.ips[0] ?? '') ? -1 : 1));
    await allOrFirstError([
      this.#writeEndpoints(key, service, targets, signal),
      this.#writeSlices(key, service, targets, signal),
    ]);
  }

  /** Slices go with their owner; an Endpoints object has none. One that never had a service is somebody's own. */
  async #removeEndpoints(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const left = this.#endpoints.get(namespace, name);
    if (left !== undefined && (this.#gone.has(key) || isManaged(left))) {
      await ignoring(['NotFound'], this.#d.client.delete(ENDPOINTS, namespace, name, {}, signal));
    }
    this.#gone.delete(key);
  }

  async #writeEndpoints(key: string, service: Service, targets: readonly Target[], signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '' } = service.metadata;
    const { subsets, truncated } = subsetsOf(service, targets);
    const labels = { ...endpointLabels(service), ...MANAGED_BY };
    const known = this.#endpoints.get(namespace, name);
    const { [OVER_CAPACITY_ANNOTATION]: _, ...others } = known?.metadata.annotations ?? {};
    const annotations = truncated ? { ...others, [OVER_CAPACITY_ANNOTATION]: 'truncated' } : others;
    if (
      known !== undefined &&
      semanticEqual(known.subsets, subsets) &&
      semanticEqual(known.metadata.labels, labels) &&
      semanticEqual(known.metadata.annotations ?? {}, annotations)
    ) {
      return;
    }
    const wanted: Endpoints = { metadata: { ...known?.metadata, namespace, name, labels, annotations }, subsets };
    const about = { ...wanted, apiVersion: 'v1', kind: 'Endpoints' };
    const writing =
      known === undefined
        ? this.#d.client.create(ENDPOINTS, wanted, signal)
        : this.#d.client.update(ENDPOINTS, wanted, undefined, signal);
    await writing.then(
      (written) => this.#pending.written(key, this.#endpoints, written),
      (error: unknown) => {
        const [reason, what] =
          known === undefined
            ? ['FailedToCreateEndpoint', 'create endpoint for service']
            : ['FailedToUpdateEndpoint', 'update endpoint'];
        this.#fail(error, this.#endpointsEvents, about, reason, `Failed to ${what} ${namespace}/${name}`);
      },
    );
  }

  async #writeSlices(key: string, service: Service, targets: readonly Target[], signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '' } = service.metadata;
    const known = this.#slices
      .list(namespace)
      .filter(
        (s) =>
          s.metadata.labels?.[SERVICE_NAME_LABEL] === name && isOurs(s) && s.metadata.deletionTimestamp === undefined,
      );
    const zoneOf = (node: string): string | undefined => this.#nodes.get('', node)?.metadata.labels?.[ZONE_LABEL];
    const plan = planSlices(service, targets, known, zoneOf);
    const { client } = this.#d;
    let doing = '';
    try {
      doing = 'create EndpointSlice';
      for (const slice of plan.create) {
        this.#pending.written(key, this.#slices, await client.create(ENDPOINT_SLICES, slice, signal));
      }
      for (const slice of plan.update) {
        doing = `update ${slice.metadata.name} EndpointSlice`;
        this.#pending.written(key, this.#slices, await client.update(ENDPOINT_SLICES, slice, undefined, signal));
      }
      for (const slice of plan.remove) {
        doing = `delete ${slice.metadata.name} EndpointSlice`;
        const gone = client.delete(ENDPOINT_SLICES, namespace, slice.metadata.name ?? '', {}, signal);
        await ignoring(['NotFound'], gone);
        this.#pending.deleted(key, this.#slices, slice);
      }
    } catch (error) {
      const about = { ...service, apiVersion: 'v1', kind: 'Service' };
      const what = `Service ${namespace}/${name}`;
      const message = `Error updating Endpoint Slices for ${what}: failed to ${doing} for ${what}`;
      this.#fail(error, this.#sliceEvents, about, 'FailedToUpdateEndpointSlices', message);
    }
  }

  /** Tells of a write that failed and throws, unless the namespace is going. Somebody else's change is nothing to tell of. */
  #fail(error: unknown, events: EventRecorder, about: InvolvedObject, reason: string, what: string): void {
    if (this.#ending.refused(error, about.metadata?.namespace ?? '')) return;
    if (!isCode(error, 'Conflict') && !isCode(error, 'AlreadyExists') && !isCode(error, 'NotFound')) {
      events.record(about, 'Warning', reason, `${what}: ${messageOf(error)}`);
    }
    throw error;
  }
}

function hasSelector(service: Service): boolean {
  return Object.keys(service.spec?.selector ?? {}).length > 0;
}

/** Whether a service is for the pod. */
export function selectsPod(service: Service, pod: Pod): boolean {
  const selector = Object.entries(service.spec?.selector ?? {});
  return selector.length > 0 && selector.every(([key, value]) => pod.metadata.labels?.[key] === value);
}

function isManaged(endpoints: Endpoints): boolean {
  return Object.entries(MANAGED_BY).every(([key, value]) => endpoints.metadata.labels?.[key] === value);
}

/** What of a pod endpoints depend on. */
function relevant(pod: Pod): string {
  const { labels, deletionTimestamp } = pod.metadata;
  const { nodeName, hostname, subdomain } = pod.spec ?? {};
  const { phase, podIPs, conditions } = pod.status ?? {};
  const ready = conditions?.find((c) => c.type === 'Ready')?.status;
  return JSON.stringify([labels, deletionTimestamp, nodeName, hostname, subdomain, phase, podIPs, ready]);
}
