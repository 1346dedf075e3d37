import type { KubeObject } from '../../api/object.ts';
import { CausewayError } from '../../lib/errors.ts';
import { negotiate, parseMediaType } from '../content/accept.ts';
import { respondObject } from '../content/represent.ts';
import { limits } from '../limits.ts';
import type { PatchMedia } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';
import type { Endpoint, HandlerContext } from './endpoint.ts';
import { readObject, unsupportedMediaType } from './request-body.ts';
import { createObject, updateObject } from './write.ts';
import { handlePatchErrors, handleStrictErrors, writeOptions } from './write-options.ts';

function representationOf(request: ApiRequest) {
  const { exchange, info } = request;
  return negotiate(exchange.header('accept'), info.query, exchange.header('user-agent'), true);
}

/** POST to a collection. */
export async function postObject(context: HandlerContext, endpoint: Endpoint, request: ApiRequest): Promise<void> {
  const { resource } = endpoint;
  const representation = representationOf(request);
  const options = writeOptions(request, 'CreateOptions');
  const { object, strictErrors } = await readObject(request, context.machinery, resource);
  handleStrictErrors(request, options, resource.kind, resource.version, strictErrors);
  if (resource.namespaced && request.info.namespace === '') {
    throw new CausewayError('BadRequest', 'an empty namespace may not be set during creation');
  }
  const written = await createObject(context, endpoint, request, object, request.info.namespace, options.dryRun);
  await respondObject(context.machinery, request, 201, resource, written, representation);
}

function checkName(object: KubeObject, request: ApiRequest, namespaced: boolean): void {
  const { name, namespace } = request.info;
  const { metadata } = object;
  if (metadata.name === undefined || metadata.name === '') {
    throw new CausewayError(
      'BadRequest',
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    );
  }
  if (metadata.name !== name) {
    throw new CausewayError(
      'BadRequest',
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (namespaced && metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
    throw new CausewayError(
      'BadRequest',
      `the namespace of the object (${metadata.namespace}) does not match the namespace on the request (${namespace})`,
    );
  }
}

/** PUT of an object or of its `status`. */
export async function putObject(context: HandlerContext, endpoint: Endpoint, request: ApiRequest): Promise<void> {
  const { resource } = endpoint;
  const representation = representationOf(request);
  const options = writeOptions(request, 'UpdateOptions');
  const { object, strictErrors } = await readObject(request, context.machinery, resource);
  handleStrictErrors(request, options, resource.kind, resource.version, strictErrors);
  checkName(object, request, resource.namespaced);
  const written = await updateObject(context, endpoint, request, {
    namespace: request.info.namespace,
    name: request.info.name,
    subresource: request.info.subresource,
    dryRun: options.dryRun,
    // Attempts start from the body as it came: admission may have changed the copy of an earlier one.
    next: () => structuredClone(object),
    create: () => structuredClone(object),
    unconditional: false,
  });
  await respondObject(context.machinery, request, written.created ? 201 : 200, resource, written, representation);
}

const patchMedia: readonly string[] = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

/** The patch type of a request. Throws `UnsupportedMediaType`. */
export function patchMediaOf(contentType: string | undefined): PatchMedia {
  const type = parseMediaType(contentType ?? '').type;
  if (patchMedia.includes(type)) return type as PatchMedia;
  if (type === 'application/apply-patch+yaml' || type === 'application/apply-patch+cbor') {
    throw new CausewayError(
      'UnsupportedMediaType',
      'server-side apply is not served yet: use a JSON, merge or strategic merge patch (kubectl apply --server-side=false)',
    );
  }
  throw unsupportedMediaType(patchMedia);
}

/** PATCH of an object or of its `status`, from the newest state. */
export async function patchObject(context: HandlerContext, endpoint: Endpoint, request: ApiRequest): Promise<void> {
  const { resource } = endpoint;
  const { info } = request;
  const media = patchMediaOf(request.exchange.header('content-type'));
  const representation = representationOf(request);
  const options = writeOptions(request, 'PatchOptions');
  const patch = await request.exchange.body(limits.maxBodyBytes);
  const written = await updateObject(context, endpoint, request, {
    namespace: info.namespace,
    name: info.name,
    subresource: info.subresource,
    dryRun: options.dryRun,
    next: (current) => {
      const { object, strictErrors } = context.machinery.patch(current, patch, media, resource);
      handlePatchErrors(request, options, patch, strictErrors);
      checkName(object, request, resource.namespaced);
      return object;
    },
    unconditional: true,
  });
  await respondObject(context.machinery, request, 200, resource, written, representation);
}
