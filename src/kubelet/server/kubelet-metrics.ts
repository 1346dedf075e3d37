import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { PodProvider } from './pod-provider.ts';

/** The labels that Kubernetes' kubelet has. */
const REQUEST_LABELS = ['method', 'path', 'server_type', 'long_running'] as const;
type RequestLabel = (typeof REQUEST_LABELS)[number];
const LONG_RUNNING: ReadonlySet<string> = new Set(['exec', 'attach', 'portForward']);

/** `/metrics`: how the kubelet itself does. */
export class KubeletMetrics {
  readonly registry = new Registry();
  readonly #requests: Counter<RequestLabel>;
  readonly #durations: Histogram<RequestLabel>;
  readonly #sessions: Gauge<'kind'>;

  constructor(pods: PodProvider) {
    const registers = [this.registry];
    this.#requests = new Counter({
      name: 'kubelet_http_requests_total',
      help: 'Number of the http requests received since the server started',
      labelNames: REQUEST_LABELS,
      registers,
    });
    this.#durations = new Histogram({
      name: 'kubelet_http_requests_duration_seconds',
      help: 'Duration in seconds to serve http requests',
      labelNames: REQUEST_LABELS,
      registers,
    });
    this.#sessions = new Gauge({
      name: 'kubelet_streaming_sessions',
      help: 'Open sessions of exec, attach and port-forward',
      labelNames: ['kind'],
      registers,
    });
    new Gauge({
      name: 'kubelet_running_pods',
      help: 'Number of pods that have a running pod sandbox',
      registers,
      collect() {
        this.set(pods.pods().filter((pod) => pod.sandboxId !== undefined).length);
      },
    });
    new Gauge({
      name: 'kubelet_running_containers',
      help: 'Number of containers currently running',
      labelNames: ['container_state'],
      registers,
      collect() {
        this.reset();
        for (const pod of pods.pods()) {
          for (const { running, state } of pod.containers) {
            this.inc({ container_state: running === undefined ? stateNames[state.kind] : 'running' });
          }
        }
      },
    });
    new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Resident memory size in bytes.',
      registers,
      collect() {
        this.set(process.memoryUsage.rss());
      },
    });
  }

  /** `path` is the kind of a route, never what a client wrote. */
  request(method: string, path: string, seconds: number): void {
    const labels = { method, path, server_type: 'readwrite', long_running: String(LONG_RUNNING.has(path)) };
    this.#requests.inc(labels);
    this.#durations.observe(labels, seconds);
  }

  /** Call the answer when the session ended. */
  session(kind: 'exec' | 'attach' | 'portForward'): () => void {
    this.#sessions.inc({ kind });
    return () => this.#sessions.dec({ kind });
  }
}

const stateNames = { unknown: 'unknown', waiting: 'created', running: 'running', terminated: 'exited' } as const;
