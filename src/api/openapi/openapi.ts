import { createHash } from 'node:crypto';
import { apiVersionOf } from '../object.ts';
import type { Schema } from '../schema/schema.ts';
import type { ResourceDefinition, Scheme } from '../scheme.ts';
import { documentV2, type Json } from './document-v2.ts';
import { documentV3 } from './document-v3.ts';
import { encodeGnostic } from './gnostic.ts';
import { type PathItem, pathItems } from './operations.ts';
import { readWords } from './words.ts';

/** A document whose bytes are made when they are first asked for, and kept; its tag is known before. */
export interface OpenApiDocument {
  /** In quotes, as the header has it. Changes when the document does. */
  readonly etag: string;
  readonly bytes: Buffer;
}

/** The documents of `/openapi/v2` and `/openapi/v3`. */
export interface OpenApi {
  v2Json(): OpenApiDocument;
  /** `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`. */
  v2Protobuf(): OpenApiDocument;
  /** The group-versions: `api/v1`, `apis/apps/v1`, … */
  v3Paths(): readonly string[];
  /** The document of one of them; undefined when nothing of that name is served. */
  v3(path: string): OpenApiDocument | undefined;
}

/** `version` is what `info.version` says: the Kubernetes version that the server claims to be. */
export function createOpenApi(schema: Schema, scheme: Scheme, version: string): OpenApi {
  return new Documents(schema, scheme, version);
}

class LazyDocument implements OpenApiDocument {
  readonly etag: string;
  readonly #make: () => Buffer;
  #bytes: Buffer | undefined;

  constructor(etag: string, make: () => Buffer) {
    this.etag = etag;
    this.#make = make;
  }

  get bytes(): Buffer {
    this.#bytes ??= this.#make();
    return this.#bytes;
  }
}

class Documents implements OpenApi {
  readonly #schema: Schema;
  readonly #scheme: Scheme;
  readonly #version: string;
  readonly #made = new Map<string, OpenApiDocument>();
  readonly #groups: ReadonlyMap<string, readonly ResourceDefinition[]>;

  constructor(schema: Schema, scheme: Scheme, version: string) {
    this.#schema = schema;
    this.#scheme = scheme;
    this.#version = version;
    this.#groups = Map.groupBy(scheme.resources, ({ group, version: v }) => documentPath(group, v));
  }

  v2Json(): OpenApiDocument {
    return this.#document('v2.json', this.#scheme.resources, () => Buffer.from(JSON.stringify(this.#v2())));
  }

  v2Protobuf(): OpenApiDocument {
    return this.#document('v2.protobuf', this.#scheme.resources, () => encodeGnostic(this.#v2()));
  }

  v3Paths(): readonly string[] {
    return [...this.#groups.keys()];
  }

  v3(path: string): OpenApiDocument | undefined {
    const resources = this.#groups.get(path);
    if (resources === undefined) return undefined;
    return this.#document(path, resources, () => {
      const document = documentV3(this.#schema, readWords(), this.#paths(resources), this.#version);
      return Buffer.from(JSON.stringify(document));
    });
  }

  #v2(): Json {
    return documentV2(this.#schema, readWords(), this.#paths(this.#scheme.resources), this.#version);
  }

  /** The tag is a hash of all that a document is made from, so that an index can name documents that nobody has asked for. */
  #document(name: string, resources: readonly ResourceDefinition[], make: () => Buffer): OpenApiDocument {
    let document = this.#made.get(name);
    if (document === undefined) {
      const hash = createHash('sha256').update(`${this.#schema.inputs}\n${this.#version}\n${formVersion}\n${name}\n`);
      document = new LazyDocument(`"${hash.update(JSON.stringify(resources)).digest('hex').toUpperCase()}"`, make);
      this.#made.set(name, document);
    }
    return document;
  }

  #paths(resources: readonly ResourceDefinition[]): PathItem[] {
    return resources.flatMap((resource) =>
      pathItems(resource, ({ group, version, kind }) => this.#schema.definitionOf(group, version, kind)),
    );
  }
}

/** Raise it when the code in this folder makes another document from the same input. */
const formVersion = 1;

function documentPath(group: string, version: string): string {
  return group === '' ? `api/${version}` : `apis/${apiVersionOf(group, version)}`;
}
