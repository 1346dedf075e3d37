import type { GroupVersionKind, KubeObject } from '../../api/object.ts';
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
  const decoded = machinery.decode(bytes, media, expected);
  checkKind(decoded.object, expected);
  return decoded;
}

function checkKind(object: KubeObject, expected: GroupVersionKind): void {
  const apiVersion = expected.group === '' ? expected.version : `${expected.group}/${expected.version}`;
  if (object.apiVersion !== apiVersion || object.kind !== expected.kind) {
    const slash = object.apiVersion?.lastIndexOf('/') ?? -1;
    const [group, version] =
      slash < 0
        ? ['', object.apiVersion ?? '']
        : [object.apiVersion?.slice(0, slash) ?? '', object.apiVersion?.slice(slash + 1) ?? ''];
    throw new CausewayError(
      'BadRequest',
      group === expected.group && version === expected.version
        ? `${object.kind} in version ${JSON.stringify(version)} cannot be handled as a ${expected.kind}: converting (v1.${object.kind}) to (v1.${expected.kind}): unknown conversion`
        : `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
}
