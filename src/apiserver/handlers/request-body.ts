import type { GroupVersionKind } from '../../api/object.ts';
import { CausewayError } from '../../lib/errors.ts';
import { contentTypes, parseMediaType } from '../content/accept.ts';
import { limits } from '../limits.ts';
import type { Decoded, Machinery, Media } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';

const bodyMedia = new Map<string, Media>([
  ['application/json', 'json'],
  ['application/yaml', 'yaml'],
  ['application/vnd.kubernetes.protobuf', 'protobuf'],
]);

/** The media type of a body; JSON when none is named. Throws `UnsupportedMediaType`. */
export function mediaOfBody(contentType: string | undefined): Media {
  if (contentType === undefined || contentType === '') return 'json';
  const media = bodyMedia.get(parseMediaType(contentType).type);
  if (media !== undefined) return media;
  throw unsupportedMediaType(Object.values(contentTypes));
}

export function unsupportedMediaType(supported: readonly string[]): CausewayError {
  return new CausewayError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${supported.join(', ')}`,
  );
}

/** Reads and parses a body that must be of kind `expected`; a body that names no kind is taken for it. */
export async function readObject(
  request: ApiRequest,
  machinery: Machinery,
  expected: GroupVersionKind,
): Promise<Decoded> {
  const media = mediaOfBody(request.exchange.header('content-type'));
  const bytes = await request.exchange.body(limits.maxBodyBytes);
  return machinery.codec.decode(bytes, media, expected);
}
