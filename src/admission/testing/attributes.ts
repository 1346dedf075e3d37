import assert from 'node:assert/strict';
import { type KubeObject, parseApiVersion } from '../../api/object.ts';
import type { UserInfo } from '../../api/user-info.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { AdmissionAttributes, ObjectReader } from '../plugin.ts';

/** Attributes for tests, with what the plug-ins said about them. */
export interface Request extends AdmissionAttributes {
  readonly warnings: string[];
  readonly annotations: Map<string, string>;
}

const kinds: Readonly<Record<string, string>> = {
  namespaces: 'Namespace',
  pods: 'Pod',
  nodes: 'Node',
  services: 'Service',
};

/** `request('pods/status', { operation: 'UPDATE', … })`; namespace `default` unless the resource or `over` says otherwise. */
export function request(target: string, over: Partial<AdmissionAttributes> = {}): Request {
  const [plural = '', subresource = ''] = target.split('/');
  const dot = plural.indexOf('.');
  const resource = dot < 0 ? plural : plural.slice(0, dot);
  const warnings: string[] = [];
  const annotations = new Map<string, string>();
  return {
    operation: 'CREATE',
    group: dot < 0 ? '' : plural.slice(dot + 1),
    version: 'v1',
    kind: over.object?.kind ?? kinds[resource] ?? '',
    resource,
    subresource,
    namespace: resource === 'nodes' || resource === 'namespaces' ? '' : 'default',
    name: over.operation === undefined || over.operation === 'CREATE' ? '' : (over.object?.metadata.name ?? ''),
    object: undefined,
    oldObject: undefined,
    user: { username: 'alice', groups: ['system:authenticated'] },
    dryRun: false,
    warn: (message) => void warnings.push(message),
    annotate: (key, value) => void annotations.set(key, value),
    ...over,
    warnings,
    annotations,
  };
}

/** A reader over plain objects; the resource is the kind in lower case with an `s`. */
export function readerOf(...objects: readonly KubeObject[]): ObjectReader & { objects: KubeObject[] } {
  const reader = {
    objects: [...objects],
    matches: (object: KubeObject, group: string, resource: string, namespace: string): boolean => {
      const plural = `${(object.kind ?? '').toLowerCase()}${resource.endsWith('classes') ? 'es' : 's'}`;
      const own = parseApiVersion(object.apiVersion ?? 'v1').group;
      return own === group && plural === resource && (object.metadata.namespace ?? '') === namespace;
    },
    get: async (group: string, resource: string, namespace: string, name: string) =>
      reader.objects.find((one) => reader.matches(one, group, resource, namespace) && one.metadata.name === name),
    list: async (group: string, resource: string, namespace: string) =>
      reader.objects.filter((one) => reader.matches(one, group, resource, namespace)),
  };
  return reader;
}

export function namespace(name: string, labels: Record<string, string> = {}, phase = 'Active'): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels }, status: { phase } };
}

export function node(name: string): UserInfo {
  return { username: `system:node:${name}`, uid: `uid-${name}`, groups: ['system:nodes', 'system:authenticated'] };
}

/** The error that refuses; fails the test when nothing does. */
export async function refusalOf(attempt: Promise<void> | undefined): Promise<CausewayError> {
  const error = await (attempt ?? Promise.resolve()).then(
    () => assert.fail('it was allowed'),
    (e: unknown) => e,
  );
  assert.ok(error instanceof CausewayError, String(error));
  return error;
}
