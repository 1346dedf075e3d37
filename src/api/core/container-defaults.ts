import type { Container, EphemeralContainer, Lifecycle, Probe } from '../generated/types.ts';
import { canonicalizeResourceList } from '../quantity.ts';
import { dropZeroes } from '../zero-values.ts';

type AnyContainer = Container | EphemeralContainer;

/** Fills in what a container leaves open, exactly as Kubernetes stores it. */
export function defaultContainer(container: AnyContainer): void {
  if (empty(container.imagePullPolicy)) {
    container.imagePullPolicy = imageTag(container.image ?? '') === 'latest' ? 'Always' : 'IfNotPresent';
  }
  if (empty(container.terminationMessagePath)) container.terminationMessagePath = '/dev/termination-log';
  if (empty(container.terminationMessagePolicy)) container.terminationMessagePolicy = 'File';
  for (const port of container.ports ?? []) {
    if (empty(port.protocol)) port.protocol = 'TCP';
    dropZeroes(port, ['name', 'hostPort', 'hostIP']);
  }
  for (const mount of container.volumeMounts ?? []) dropZeroes(mount, ['readOnly', 'subPath', 'subPathExpr']);
  dropZeroes(container, [
    'workingDir',
    'stdin',
    'stdinOnce',
    'tty',
    'command',
    'args',
    'env',
    'envFrom',
    'ports',
    'volumeMounts',
  ]);
  for (const variable of container.env ?? []) {
    dropZeroes(variable, ['value']);
    const { fieldRef, fileKeyRef } = variable.valueFrom ?? {};
    if (fieldRef !== undefined && empty(fieldRef.apiVersion)) fieldRef.apiVersion = 'v1';
    if (fileKeyRef !== undefined) fileKeyRef.optional ??= false;
  }
  container.resources ??= {};
  dropZeroes(container.resources, ['limits', 'requests', 'claims']);
  canonicalizeResourceList(container.resources.limits);
  canonicalizeResourceList(container.resources.requests);
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe !== undefined) defaultProbe(probe);
  }
  defaultLifecycle(container.lifecycle);
}

function defaultProbe(probe: Probe): void {
  dropZeroes(probe, ['initialDelaySeconds']);
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHttpGet(probe.httpGet);
  if (probe.grpc !== undefined) probe.grpc.service ??= '';
}

function defaultLifecycle(lifecycle: Lifecycle | undefined): void {
  defaultHttpGet(lifecycle?.postStart?.httpGet);
  defaultHttpGet(lifecycle?.preStop?.httpGet);
}

function defaultHttpGet(action: Probe['httpGet']): void {
  if (action === undefined) return;
  if (empty(action.path)) action.path = '/';
  if (empty(action.scheme)) action.scheme = 'HTTP';
}

/** The tag of an image's name: `latest` when it has neither tag nor digest. */
export function imageTag(image: string): string {
  if (image.includes('@')) return '';
  const name = image.slice(image.lastIndexOf('/') + 1);
  const colon = name.indexOf(':');
  return colon < 0 ? 'latest' : name.slice(colon + 1);
}

/** Requests that are not stated are the limits: for pods, not for templates. */
export function defaultRequests(container: Pick<Container, 'resources'>): void {
  const { limits } = container.resources ?? {};
  if (limits === undefined || container.resources === undefined) return;
  container.resources.requests ??= {};
  for (const [name, quantity] of Object.entries(limits)) container.resources.requests[name] ??= quantity;
}

function empty(text: string | undefined): boolean {
  return text === undefined || text === '';
}
