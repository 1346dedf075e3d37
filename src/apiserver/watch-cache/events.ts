import type { KubeObject } from '../../api/object.ts';
import { StoredObject, withResourceVersion } from './cached-object.ts';
import type { CachedObject, CachedResource, CacheEvent, CacheEventType, FrameFormat } from './watch-cache.ts';

const FRAME_END = Buffer.from('}\n');
const frameStart: Readonly<Record<CacheEventType, Buffer>> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
  BOOKMARK: Buffer.from('{"type":"BOOKMARK","object":'),
};

/** An event whose frames are made on first use, once for all watchers. */
export class FramedEvent implements CacheEvent {
  readonly type: CacheEventType;
  readonly object: CachedObject;
  readonly initialEventsEnd: boolean;
  #json: Buffer | undefined;
  #frames: Map<FrameFormat, Buffer> | undefined;

  constructor(type: CacheEventType, object: CachedObject, initialEventsEnd = false) {
    this.type = type;
    this.object = object;
    this.initialEventsEnd = initialEventsEnd;
  }

  get resourceVersion(): number {
    return this.object.resourceVersion;
  }

  frame(format?: FrameFormat): Buffer {
    if (format === undefined) {
      this.#json ??= Buffer.concat([frameStart[this.type], this.object.bytes, FRAME_END]);
      return this.#json;
    }
    this.#frames ??= new Map();
    let frame = this.#frames.get(format);
    if (frame === undefined) {
      frame = format.encode(this.type, this.object);
      this.#frames.set(format, frame);
    }
    return frame;
  }

  /** Frees the frames. Who still needs one makes it again. */
  forgetFrames(): void {
    this.#json = undefined;
    this.#frames = undefined;
  }
}

/** One change of one object, and what it looks like to the watchers: to one with selectors it may be an addition or the end. */
export class Change {
  readonly revision: number;
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** The state after a put. */
  readonly current: StoredObject | undefined;
  /** The state before, if there was one. */
  readonly previous: StoredObject | undefined;
  readonly #last: () => StoredObject;
  #added: FramedEvent | undefined;
  #modified: FramedEvent | undefined;
  #deleted: FramedEvent | undefined;

  /** `last` makes the object that an event DELETED carries. */
  private constructor(
    revision: number,
    subject: CachedObject,
    current: StoredObject | undefined,
    previous: StoredObject | undefined,
    last: () => StoredObject,
  ) {
    this.revision = revision;
    this.key = subject.key;
    this.namespace = subject.namespace;
    this.name = subject.name;
    this.current = current;
    this.previous = previous;
    this.#last = last;
  }

  static put(prefix: string, current: StoredObject, previous: StoredObject | undefined): Change {
    const revision = current.resourceVersion;
    const last = (): StoredObject => withResourceVersion(prefix, previous ?? current, revision);
    return new Change(revision, current, current, previous, last);
  }

  /** `last` is what the store says was deleted; its bytes carry the revision of the deletion, or of the last write. */
  static delete(prefix: string, last: StoredObject, previous: StoredObject | undefined): Change {
    const revision = last.resourceVersion;
    return new Change(revision, last, undefined, previous, () => withResourceVersion(prefix, last, revision));
  }

  get size(): number {
    return (this.current ?? this.previous)?.bytes.length ?? 0;
  }

  /** To a watcher of everything, or one whose selectors `matches` tells; `undefined` when it is nothing to it. */
  event(matches: ((object: CachedObject) => boolean) | undefined): FramedEvent | undefined {
    const { current, previous } = this;
    const isIn = current !== undefined && (matches === undefined || matches(current));
    const wasIn = previous !== undefined && (matches === undefined || matches(previous));
    if (isIn && wasIn) {
      this.#modified ??= new FramedEvent('MODIFIED', current);
      return this.#modified;
    }
    if (isIn) {
      this.#added ??= new FramedEvent('ADDED', current);
      return this.#added;
    }
    if (!wasIn) return undefined;
    this.#deleted ??= new FramedEvent('DELETED', this.#last());
    return this.#deleted;
  }

  forgetFrames(): void {
    this.#added?.forgetFrames();
    this.#modified?.forgetFrames();
    this.#deleted?.forgetFrames();
  }
}

/** What a watcher's client has seen everything up to. */
export function bookmark(resource: CachedResource, revision: number, initialEventsEnd: boolean): FramedEvent {
  const object: KubeObject = {
    kind: resource.kind,
    apiVersion: resource.apiVersion,
    metadata: {
      resourceVersion: String(revision),
      ...(initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    },
  };
  const stored = new StoredObject('', '', Buffer.from(JSON.stringify(object)), revision);
  return new FramedEvent('BOOKMARK', stored, initialEventsEnd);
}
