import type { KubeObject } from '../../api/object.ts';
import type { ResourceDefinition } from '../../api/scheme.ts';
import { isCode } from '../../lib/errors.ts';
import { negotiate, notAcceptable, type Representation } from '../content/accept.ts';
import { includeObject, objectTable, partialMetadata } from '../content/represent.ts';
import { limits } from '../limits.ts';
import type { Machinery } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';
import { queryBoolean } from '../request-info.ts';
import { lifeOf } from '../request-life.ts';
import { statusOf } from '../status.ts';
import type { BodyWriter } from '../transport/exchange.ts';
import type { CacheEventType, FrameFormat, WatchRequest, WatchStream } from '../watch-cache/watch-cache.ts';
import type { Endpoint, HandlerContext } from './endpoint.ts';
import { queryInteger, selectionOf } from './selection.ts';

/** Seconds that a watch lives when the client does not say: 30 to 60 minutes, spread so that clients do not come back all at once. */
const MIN_WATCH_SECONDS = 1800;

const STREAMED = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];

const formats = new WeakMap<ResourceDefinition, Map<string, FrameFormat>>();

/** The frame format for a representation; the same object for all watchers, so that a frame is made once for all of them. */
export function frameFormat(
  machinery: Machinery,
  resource: ResourceDefinition,
  representation: Representation,
  include: ReturnType<typeof includeObject>,
): FrameFormat | undefined {
  const { media, as, version } = representation;
  if (media === 'json' && as === undefined) return undefined;
  const key = `${media} ${as ?? ''} ${version} ${include}`;
  let known = formats.get(resource);
  if (known === undefined) {
    known = new Map();
    formats.set(resource, known);
  }
  let format = known.get(key);
  if (format === undefined) {
    format = {
      encode: (type, object) => encodeFrame(machinery, media, type, shown(object.object())),
    };
    known.set(key, format);
  }
  return format;

  function shown(object: KubeObject): KubeObject {
    if (as === 'Table') return objectTable(machinery, resource, object, include, version);
    return as === undefined ? object : partialMetadata(object, version);
  }
}

function encodeFrame(machinery: Machinery, media: string, type: CacheEventType | 'ERROR', object: KubeObject): Buffer {
  if (media === 'protobuf') return machinery.codec.encodeProtobufWatchEvent(type, object);
  return Buffer.from(`{"type":"${type}","object":${JSON.stringify(object)}}\n`);
}

export function timeoutSeconds(query: URLSearchParams): number {
  const asked = queryInteger(query, 'timeoutSeconds') ?? 0;
  return asked === 0 ? MIN_WATCH_SECONDS * (1 + Math.random()) : Math.max(0, asked);
}

/** Where a watch is to start, as the URL says it. */
export function watchOptionsOf(query: URLSearchParams): Omit<WatchRequest, 'signal'> {
  return {
    resourceVersion: query.get('resourceVersion') ?? undefined,
    resourceVersionMatch: query.get('resourceVersionMatch') ?? undefined,
    sendInitialEvents: query.has('sendInitialEvents') ? queryBoolean(query, 'sendInitialEvents') : undefined,
    allowBookmarks: queryBoolean(query, 'allowWatchBookmarks'),
  };
}

/** GET `?watch=1`: every change from a revision on, as it happens, until the client goes, the time is up or the credential expires. */
export async function watchObjects(context: HandlerContext, endpoint: Endpoint, request: ApiRequest): Promise<void> {
  const { exchange, info } = request;
  const representation = negotiate(exchange.header('accept'), info.query, exchange.header('user-agent'), true);
  // YAML has no form for one event after the other.
  if (representation.media === 'yaml') throw notAcceptable(STREAMED);
  const format = frameFormat(context.machinery, endpoint.resource, representation, includeObject(info.query));
  const maxMs = timeoutSeconds(info.query) * 1000;
  const life = lifeOf(context, request, maxMs);
  const contentType =
    representation.media === 'protobuf' ? 'application/vnd.kubernetes.protobuf;stream=watch' : 'application/json';
  const begin = () => exchange.stream(200, { 'content-type': contentType, 'cache-control': 'no-cache, private' });
  try {
    const stream = await endpoint.cache.watch({
      ...selectionOf(request, context.machinery, endpoint.resource),
      ...watchOptionsOf(info.query),
      endsAt: context.clock.now() + maxMs,
      signal: life.signal,
    });
    await sendEvents(stream, format, begin(), request, life.signal);
  } catch (error) {
    if (life.signal.aborted && !request.signal.aborted) {
      // Its time was over before it had begun.
      begin().end();
      return;
    }
    if (!isCode(error, 'Expired') && !isCode(error, 'Timeout')) throw error;
    // A client that watches from a revision that is gone hears of it as the first and last event, as in Kubernetes.
    const writer = begin();
    writer.write(
      encodeFrame(context.machinery, representation.media, 'ERROR', statusOf(error) as unknown as KubeObject),
    );
    writer.end();
  } finally {
    life.end();
  }
}

async function sendEvents(
  stream: WatchStream,
  format: FrameFormat | undefined,
  writer: BodyWriter,
  request: ApiRequest,
  signal: AbortSignal,
): Promise<void> {
  for await (const batch of stream) {
    let writable = true;
    for (const event of batch) writable = writer.write(event.frame(format));
    if (writer.backlog > limits.maxWatchBacklogBytes) {
      // Every frame is shared with the other watchers, but the queue is this client's own: one that never reads must not hold it.
      writer.abort();
      return;
    }
    if (!writable) await writer.drained(signal);
  }
  if (!request.signal.aborted) writer.end();
}
