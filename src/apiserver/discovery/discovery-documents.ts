import { createHash } from 'node:crypto';
import { apiVersionOf } from '../../api/object.ts';
import type { ResourceDefinition, Scheme, SubresourceDefinition } from '../../api/scheme.ts';

/** A document as it is sent, with the tag that says whether a client has it already. */
export interface Document {
  readonly bytes: Buffer;
  /** With its quotes, as in the `ETag` header. */
  readonly etag: string;
}

export function documentOf(value: unknown): Document {
  return documentOfBytes(Buffer.from(`${JSON.stringify(value)}\n`));
}

export function documentOfBytes(bytes: Buffer): Document {
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('hex').toUpperCase()}"` };
}

/** A Scheme as the discovery documents that clients read: aggregated (v2, v2beta1) and legacy. Each is made once, when first asked for. */
export class DiscoveryDocuments {
  readonly #scheme: Scheme;
  readonly #made = new Map<string, Document | undefined>();

  constructor(scheme: Scheme) {
    this.#scheme = scheme;
  }

  #once(key: string, make: () => unknown): Document | undefined {
    if (!this.#made.has(key)) {
      const value = make();
      this.#made.set(key, value === undefined ? undefined : documentOf(value));
    }
    return this.#made.get(key);
  }

  /** The paths of all groups and versions. */
  paths(): string[] {
    return this.#scheme.groups.flatMap(({ name, versions }) => {
      const root = name === '' ? '/api' : `/apis/${name}`;
      return [...(name === '' ? [] : [root]), ...versions.map((version) => `${root}/${version}`)];
    });
  }

  /** `/api` (core) or `/apis` (all others) as `APIGroupDiscoveryList`. */
  aggregated(root: 'api' | 'apis', version: 'v2' | 'v2beta1'): Document {
    return this.#once(`aggregated ${root} ${version}`, () => ({
      kind: 'APIGroupDiscoveryList',
      apiVersion: `apidiscovery.k8s.io/${version}`,
      metadata: {},
      items: this.#scheme.groups
        .filter((group) => (group.name === '') === (root === 'api'))
        .map((group) => ({
          metadata: { ...(group.name === '' ? {} : { name: group.name }), creationTimestamp: null },
          versions: group.versions.map((v) => ({
            version: v,
            resources: this.#resources(group.name, v).map(aggregatedResource),
            freshness: 'Current',
          })),
        })),
    })) as Document;
  }

  /** Legacy `/apis`: `APIGroupList`. */
  groupList(): Document {
    return this.#once('groups', () => ({
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: this.#scheme.groups.filter((g) => g.name !== '').map(groupOf),
    })) as Document;
  }

  /** Legacy `/apis/GROUP`: `APIGroup`. */
  group(name: string): Document | undefined {
    const group = this.#scheme.groups.find((g) => g.name === name);
    if (group === undefined || name === '') return undefined;
    return this.#once(`group ${name}`, () => ({ kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group) }));
  }

  /** Legacy `/api/v1`, `/apis/GROUP/VERSION`: `APIResourceList`. */
  resourceList(group: string, version: string): Document | undefined {
    if (this.#scheme.groups.find((g) => g.name === group)?.versions.includes(version) !== true) return undefined;
    return this.#once(`resources ${group}/${version}`, () => ({
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: apiVersionOf(group, version),
      resources: this.#resources(group, version)
        .flatMap((resource) => [
          legacyResource(resource),
          ...resource.subresources.map((s) => legacySubresource(resource, s)),
        ])
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    }));
  }

  #resources(group: string, version: string): ResourceDefinition[] {
    return this.#scheme.resources
      .filter((r) => r.group === group && r.version === version)
      .sort((a, b) => (a.plural < b.plural ? -1 : 1));
  }
}

function sorted(values: readonly string[]): string[] {
  return [...values].sort();
}

function aggregatedResource(resource: ResourceDefinition): Record<string, unknown> {
  return {
    resource: resource.plural,
    responseKind: { group: resource.group, version: resource.version, kind: resource.kind },
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: sorted(resource.verbs),
    ...(resource.shortNames.length === 0 ? {} : { shortNames: resource.shortNames }),
    ...(resource.categories.length === 0 ? {} : { categories: resource.categories }),
    ...(resource.subresources.length === 0
      ? {}
      : {
          subresources: resource.subresources.map((s) => ({
            subresource: s.name,
            responseKind: { group: s.group, version: s.version, kind: s.kind },
            verbs: sorted(s.verbs),
          })),
        }),
  };
}

function groupOf(group: Scheme['groups'][number]): Record<string, unknown> {
  const versions = group.versions.map((version) => ({ groupVersion: apiVersionOf(group.name, version), version }));
  return { name: group.name, versions, preferredVersion: versions[0] };
}

function legacyResource(resource: ResourceDefinition): Record<string, unknown> & { name: string } {
  return {
    name: resource.plural,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: sorted(resource.verbs),
    ...(resource.shortNames.length === 0 ? {} : { shortNames: resource.shortNames }),
    ...(resource.categories.length === 0 ? {} : { categories: resource.categories }),
  };
}

function legacySubresource(
  resource: ResourceDefinition,
  subresource: SubresourceDefinition,
): Record<string, unknown> & { name: string } {
  const foreign = subresource.group !== resource.group || subresource.version !== resource.version;
  return {
    name: `${resource.plural}/${subresource.name}`,
    singularName: '',
    namespaced: resource.namespaced,
    ...(foreign ? { group: subresource.group, version: subresource.version } : {}),
    kind: subresource.kind,
    verbs: sorted(subresource.verbs),
  };
}
