import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { InFlight } from '../in-flight.ts';
import type { ApiRequest } from '../request.ts';
import { type Distribution, type Labels, RequestHistogram } from './request-histogram.ts';

const durationBuckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 10, 30, 60];

interface Series {
  readonly labels: Labels;
  requests: number;
  readonly duration: Distribution;
  readonly size: Distribution | undefined;
}

/** Label sets that are kept apart; a scan over made-up URLs must not grow memory. */
const MAX_SERIES = 5_000;

/** What `/metrics` tells of requests, by Kubernetes' names. */
export class RequestMetrics {
  readonly registry = new Registry();
  readonly #duration: RequestHistogram;
  readonly #size: RequestHistogram;
  readonly #series = new Map<string, Series>();
  readonly #longRunning: Gauge;

  constructor(inFlight: InFlight, auditLost: () => number) {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: 100 });
    const series = this.#series;
    new Counter({
      name: 'apiserver_request_total',
      help: 'Requests by verb, group, version, resource, scope and HTTP code.',
      labelNames: ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'code', 'dry_run', 'component'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { labels, requests } of series.values()) this.inc(labels, requests);
      },
    });
    this.#duration = new RequestHistogram({
      name: 'apiserver_request_duration_seconds',
      help: 'Seconds from the arrival of a request to the end of its response; watches and streams are left out.',
      buckets: durationBuckets,
      registry: this.registry,
    });
    this.#size = new RequestHistogram({
      name: 'apiserver_response_sizes',
      help: 'Bytes of response bodies.',
      buckets: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
      registry: this.registry,
    });
    this.#longRunning = new Gauge({
      name: 'apiserver_longrunning_requests',
      help: 'Watches, logs and streams that are open.',
      registers: [this.registry],
      collect() {
        this.set(inFlight.counts.longRunning);
      },
    });
    new Gauge({
      name: 'apiserver_current_inflight_requests',
      help: 'Requests under way.',
      labelNames: ['request_kind'],
      registers: [this.registry],
      collect() {
        this.set({ request_kind: 'readOnly' }, inFlight.counts.readOnly);
        this.set({ request_kind: 'mutating' }, inFlight.counts.mutating);
      },
    });
    new Gauge({
      name: 'apiserver_audit_lost_total',
      help: 'Audit lines lost because the disk did not keep up.',
      registers: [this.registry],
      collect() {
        this.set(auditLost());
      },
    });
  }

  observe(request: ApiRequest, code: number, longRunning: boolean, now: number): void {
    const info = request.parsed ? request.info : undefined;
    const resource = info?.resourceRequest === true;
    // Names from URLs become labels only when they led somewhere: a 404 may have been made up.
    const known = resource && code !== 404;
    const key = `${info?.verb ?? request.method} ${known ? `${info.group} ${info.version} ${info.resource} ${info.subresource} ${scopeOf(info)}` : ''} ${code}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= MAX_SERIES) return;
      const labels = {
        verb: (info?.verb ?? 'other').toUpperCase(),
        group: known ? info.group : '',
        version: known ? info.version : '',
        resource: known ? info.resource : '',
        subresource: known ? info.subresource : '',
        scope: known ? scopeOf(info) : '',
        component: 'apiserver',
      };
      series = {
        labels: { ...labels, code: String(code), dry_run: '' },
        requests: 0,
        duration: this.#duration.of(labels),
        size: longRunning ? undefined : this.#size.of(labels),
      };
      this.#series.set(key, series);
    }
    series.requests += 1;
    if (!longRunning) {
      series.duration.observe((now - request.receivedAt) / 1000);
      series.size?.observe(request.exchange.sentBytes);
    }
  }
}

function scopeOf(info: ApiRequest['info']): string {
  if (info.name !== '') return 'resource';
  return info.namespace === '' ? 'cluster' : 'namespace';
}
