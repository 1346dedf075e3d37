import { cloneJson } from '../../api/json-object.ts';
import type { KubeObject } from '../../api/object.ts';
import type {
  CachedObject,
  CacheEvent,
  CacheFollower,
  FrameFormat,
  GetRequest,
  ListRequest,
  Selection,
  WatchCache,
  WatchRequest,
  WatchStream,
} from '../watch-cache/watch-cache.ts';

type Convert = (object: KubeObject) => KubeObject;

/** A watch cache seen in another form: the same objects, revisions and events. Conversions are kept as long as the object is. */
export class ConvertedCache implements WatchCache {
  readonly #stored: WatchCache;
  readonly #convert: Convert;
  readonly #known = new WeakMap<CachedObject, CachedObject>();

  constructor(stored: WatchCache, convert: Convert) {
    this.#stored = stored;
    this.#convert = convert;
  }

  #object(stored: CachedObject): CachedObject {
    let converted = this.#known.get(stored);
    if (converted === undefined) {
      converted = new ConvertedObject(stored, this.#convert);
      this.#known.set(stored, converted);
    }
    return converted;
  }

  #selection<T extends Selection>(request: T): T {
    const { matches } = request;
    return matches === undefined
      ? request
      : { ...request, matches: (stored: CachedObject) => matches(this.#object(stored)) };
  }

  async get(namespace: string, name: string, request?: GetRequest): Promise<CachedObject | undefined> {
    const stored = await this.#stored.get(namespace, name, request);
    return stored === undefined ? undefined : this.#object(stored);
  }

  async list(request: ListRequest): ReturnType<WatchCache['list']> {
    const list = await this.#stored.list(this.#selection(request));
    return { ...list, items: list.items.map((item) => this.#object(item)) };
  }

  async watch(request: WatchRequest): Promise<WatchStream> {
    const stream = await this.#stored.watch(this.#selection(request));
    const event = (stored: CacheEvent): CacheEvent => {
      const object = this.#object(stored.object);
      return {
        type: stored.type,
        object,
        resourceVersion: stored.resourceVersion,
        initialEventsEnd: stored.initialEventsEnd,
        frame: (format?: FrameFormat) =>
          format === undefined
            ? Buffer.from(`{"type":"${stored.type}","object":${object.bytes}}\n`)
            : format.encode(stored.type, object),
      };
    };
    return {
      get ended() {
        return stream.ended;
      },
      async *[Symbol.asyncIterator]() {
        for await (const batch of stream) yield batch.map(event);
      },
    };
  }

  follow(follower: CacheFollower): Promise<void> {
    return this.#stored.follow({
      reset: (objects) => follower.reset([...objects].map((o) => this.#object(o))),
      changed: (object, deleted) => follower.changed(this.#object(object), deleted),
    });
  }
}

class ConvertedObject implements CachedObject {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: number;
  readonly #stored: CachedObject;
  readonly #convert: Convert;
  #converted: KubeObject | undefined;
  #bytes: Buffer | undefined;

  constructor(stored: CachedObject, convert: Convert) {
    this.key = stored.key;
    this.namespace = stored.namespace;
    this.name = stored.name;
    this.resourceVersion = stored.resourceVersion;
    this.#stored = stored;
    this.#convert = convert;
  }

  object(): KubeObject {
    this.#converted ??= this.#convert(this.#stored.object());
    return this.#converted;
  }

  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(JSON.stringify(this.object()));
    return this.#bytes;
  }

  copy(): KubeObject {
    return cloneJson(this.object());
  }
}
