import { createHash } from 'node:crypto';
import { apiVersionOf } from '../object.ts';
import { readGenerated, type Schema } from '../schema/schema.ts';
import type { ResourceDefinition, Scheme } from '../scheme.ts';
import { documentV2 } from './document-v2.ts';
import { documentV3 } from './document-v3.ts';
import { encodeGnostic } from './gnostic.ts';
import { type PathItem, pathItems } from './operations.ts';
import { readWords } from './words.ts';

export interface OpenApiDocument {
  readonly contentType: string;
  /** Changes when the document does; without quotes. */
  readonly etag: string;
  readonly bytes: Buffer;
}

export const gnosticMediaType = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

/** The documents of `/openapi/v2` and `/openapi/v3`. Each is made when it is first asked for, and kept. */
export interface OpenApi {
  v2(media: 'json' | 'protobuf'): OpenApiDocument;
  /** `/openapi/v3`: the group-versions, each with the URL of its document. */
  v3Index(): OpenApiDocument;
  /** The document of `api/v1` or `apis/apps/v1`; undefined when nothing of that name is served. */
  v3(path: string): OpenApiDocument | undefined;
}

/** `version` is what `info.version` says: the Kubernetes version that the server claims to be. */
export function createOpenApi(schema: Schema, scheme: Scheme, version: string): OpenApi {
  return new Documents(schema, scheme, version);
}

class Documents implements OpenApi {
  readonly #schema: Schema;
  readonly #scheme: Scheme;
  readonly #version: string;
  readonly #made = new Map<string, OpenApiDocument>();
  readonly #groups: ReadonlyMap<string, readonly ResourceDefinition[]>;
  #inputs: string | undefined;

  constructor(schema: Schema, scheme: Scheme, version: string) {
    this.#schema = schema;
    this.#scheme = scheme;
    this.#version = version;
    this.#groups = Map.groupBy(scheme.resources, ({ group, version: v }) => documentPath(group, v));
  }

  v2(media: 'json' | 'protobuf'): OpenApiDocument {
    return this.#make(`v2 ${media}`, () => {
      const items = this.#paths(this.#scheme.resources);
      const document = documentV2(this.#schema, readWords(), items, this.#version);
      const etag = this.#hash(`v2 ${media}`, this.#scheme.resources);
      return media === 'json'
        ? { contentType: 'application/json', etag, bytes: Buffer.from(JSON.stringify(document)) }
        : { contentType: gnosticMediaType, etag, bytes: encodeGnostic(document) };
    });
  }

  v3Index(): OpenApiDocument {
    return this.#make('v3', () => {
      const paths = [...this.#groups].map(([path, resources]) => [
        path,
        { serverRelativeURL: `/openapi/v3/${path}?hash=${this.#hash(path, resources)}` },
      ]);
      const bytes = Buffer.from(JSON.stringify({ paths: Object.fromEntries(paths) }));
      return { contentType: 'application/json', etag: this.#hash('v3', this.#scheme.resources), bytes };
    });
  }

  v3(path: string): OpenApiDocument | undefined {
    const resources = this.#groups.get(path);
    if (resources === undefined) return undefined;
    return this.#make(path, () => {
      const document = documentV3(this.#schema, readWords(), this.#paths(resources), this.#version);
      const etag = this.#hash(path, resources);
      return { contentType: 'application/json', etag, bytes: Buffer.from(JSON.stringify(document)) };
    });
  }

  #make(name: string, make: () => OpenApiDocument): OpenApiDocument {
    const made = this.#made.get(name) ?? make();
    this.#made.set(name, made);
    return made;
  }

  #paths(resources: readonly ResourceDefinition[]): PathItem[] {
    return resources.flatMap((resource) =>
      pathItems(resource, ({ group, version, kind }) => this.#schema.definitionOf(group, version, kind)),
    );
  }

  /** A hash of all that a document is made from: the index names it, and the documents themselves need not be made for that. */
  #hash(name: string, resources: readonly ResourceDefinition[]): string {
    this.#inputs ??= readGenerated('inputs.sha256');
    const hash = createHash('sha256').update(`${this.#inputs}\n${this.#version}\n${formVersion}\n${name}\n`);
    return hash.update(JSON.stringify(resources)).digest('hex').toUpperCase();
  }
}

/** Raise it when the code in this folder makes another document from the same input. */
const formVersion = 1;

function documentPath(group: string, version: string): string {
  return group === '' ? `api/${version}` : `apis/${apiVersionOf(group, version)}`;
}
