import type { Codec } from '../../api/codec/codec.ts';
import type { KubeObject, ObjectMeta } from '../../api/object.ts';
import type { ResourceDefinition } from '../../api/scheme.ts';
import { type IncludeObject, makeTable, parseIncludeObject } from '../../api/table/table.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { Machinery } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';
import { contentTypes, type Representation } from './accept.ts';
import { joinedItems } from './joined-items.ts';
import { respondBytes } from './respond.ts';

/** An object that is about to be sent: its stored bytes, or itself where there are none. */
export interface Sendable {
  readonly bytes?: Buffer;
  object(): KubeObject;
}

export interface ListParts {
  readonly resourceVersion: string;
  readonly continue: string | undefined;
  readonly remainingItemCount: number | undefined;
}

export function includeObject(query: URLSearchParams): IncludeObject {
  return parseIncludeObject(query.get('includeObject') ?? undefined);
}

const listTail = Buffer.from(']}\n');

function listMeta(parts: ListParts): Record<string, unknown> {
  return {
    resourceVersion: parts.resourceVersion,
    ...(parts.continue === undefined ? {} : { continue: parts.continue }),
    ...(parts.remainingItemCount === undefined ? {} : { remainingItemCount: parts.remainingItemCount }),
  };
}

export function apiVersionOfResource(resource: { readonly group: string; readonly version: string }): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** Only what `metav1.PartialObjectMetadata` has. */
export function partialMetadata(object: KubeObject, version: string): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}

function tableOf(
  machinery: Machinery,
  resource: Pick<ResourceDefinition, 'group' | 'kind'>,
  objects: readonly KubeObject[],
  listMetadata: Record<string, unknown>,
  include: IncludeObject,
  version: string,
): KubeObject {
  const table = makeTable(machinery.table(resource), objects, { listMetadata, include, now: machinery.now() });
  return { ...table, apiVersion: `meta.k8s.io/${version}` } as unknown as KubeObject;
}

/** One object as a Table of one row: an answer to a GET, or an event of a watch. */
export function objectTable(
  machinery: Machinery,
  resource: Pick<ResourceDefinition, 'group' | 'kind'>,
  object: KubeObject,
  include: IncludeObject,
  version: string,
): KubeObject {
  const resourceVersion = object.metadata.resourceVersion ?? '';
  return tableOf(machinery, resource, [object], { resourceVersion }, include, version);
}

/** An object as bytes: protobuf, YAML, or JSON for programs or for people. */
export function encode(
  codec: Codec,
  value: KubeObject,
  representation: Pick<Representation, 'media' | 'pretty'>,
): Buffer {
  if (representation.media === 'protobuf') return codec.encodeProtobuf(value);
  if (representation.media === 'yaml') return codec.encodeYaml(value);
  return Buffer.from(representation.pretty ? `${JSON.stringify(value, null, 2)}\n` : JSON.stringify(value));
}

/** One object's shape was asked for a list, or the other way round. Kubernetes names its own type. */
function wrongShape(
  asked: string,
  is: string,
  { group, kind }: Pick<ResourceDefinition, 'group' | 'kind'>,
  suffix: string,
): CausewayError {
  const type = `*${group === '' ? 'core' : group.split('.')[0]}.${kind}${suffix}`;
  return new CausewayError('NotAcceptable', `you requested ${asked}, but the requested object is ${is} (${type})`);
}

/** Sends one object as the client wants it; its stored bytes unchanged where that is what it wants. */
export function respondObject(
  machinery: Machinery,
  request: ApiRequest,
  status: number,
  kind: Pick<ResourceDefinition, 'group' | 'kind'>,
  sendable: Sendable,
  representation: Representation,
): Promise<void> {
  const contentType = contentTypes[representation.media];
  if (representation.as === undefined) {
    if (representation.media === 'json' && !representation.pretty && sendable.bytes !== undefined) {
      return respondBytes(request, status, contentType, sendable.bytes);
    }
    return respondBytes(request, status, contentType, encode(machinery.codec, sendable.object(), representation));
  }
  if (representation.as === 'PartialObjectMetadataList') throw wrongShape(representation.as, 'not a list', kind, '');
  const object = sendable.object();
  const shown =
    representation.as === 'Table'
      ? objectTable(machinery, kind, object, includeObject(request.query), representation.version)
      : partialMetadata(object, representation.version);
  return respondBytes(request, status, contentType, encode(machinery.codec, shown, representation));
}

/** Sends a list as the client wants it; in JSON it is the stored bytes of its items, one after the other. */
export function respondList(
  machinery: Machinery,
  request: ApiRequest,
  resource: ResourceDefinition,
  items: readonly (Sendable & { readonly bytes: Buffer })[],
  parts: ListParts,
  representation: Representation,
): Promise<void> {
  if (representation.as === undefined && representation.media === 'json' && !representation.pretty) {
    const metadata = listMeta(parts);
    const head = `{"kind":"${resource.kind}List","apiVersion":"${apiVersionOfResource(resource)}","metadata":${JSON.stringify(metadata)},"items":[`;
    const pieces = [Buffer.from(head), joinedItems(resource, items), listTail];
    return respondBytes(request, 200, contentTypes.json, pieces);
  }
  const objects = items.map((item) => item.object());
  return respondObjects(machinery, request, resource, objects, parts, representation);
}

/** The same for objects that have no bytes yet. */
export function respondObjects(
  machinery: Machinery,
  request: ApiRequest,
  resource: ResourceDefinition,
  objects: readonly KubeObject[],
  parts: ListParts,
  representation: Representation,
): Promise<void> {
  const contentType = contentTypes[representation.media];
  const metadata = listMeta(parts);
  let shown: KubeObject;
  if (representation.as === 'Table') {
    shown = tableOf(machinery, resource, objects, metadata, includeObject(request.query), representation.version);
  } else if (representation.as === 'PartialObjectMetadata') {
    throw wrongShape(representation.as, 'a list', resource, 'List');
  } else if (representation.as !== undefined) {
    shown = {
      kind: 'PartialObjectMetadataList',
      apiVersion: `meta.k8s.io/${representation.version}`,
      metadata: metadata as ObjectMeta,
      items: objects.map((object) => partialMetadata(object, representation.version)),
    };
  } else {
    shown = {
      kind: `${resource.kind}List`,
      apiVersion: apiVersionOfResource(resource),
      metadata: metadata as ObjectMeta,
      items: objects,
    };
  }
  return respondBytes(request, 200, contentType, encode(machinery.codec, shown, representation));
}
