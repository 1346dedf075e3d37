import type { KubeObject } from '../../api/object.ts';
import { CausewayError } from '../../lib/errors.ts';
import { negotiate } from '../content/accept.ts';
import { respondObject } from '../content/represent.ts';
import type { HandlerContext } from '../handlers/endpoint.ts';
import { readObject } from '../handlers/request-body.ts';
import { updateObject } from '../handlers/write.ts';
import { handleStrictErrors, writeOptions } from '../handlers/write-options.ts';
import type { ResourceHandler } from '../router.ts';

/** PUT namespaces/NAME/finalize: only `spec.finalizers` changes; the namespace goes with the last of them. */
export function finalizeHandler(context: HandlerContext): ResourceHandler {
  return async (request, endpoint) => {
    const { name } = request.info;
    const representation = negotiate(
      request.exchange.header('accept'),
      request.query,
      request.exchange.header('user-agent'),
      false,
    );
    const options = writeOptions(request, 'UpdateOptions');
    const { object, strictErrors } = await readObject(request, context.machinery, endpoint.resource);
    handleStrictErrors(request, options, 'Namespace', 'v1', strictErrors);
    if (object.metadata.name !== name) {
      throw new CausewayError(
        'BadRequest',
        `the name of the object (${object.metadata.name ?? ''}) does not match the name on the URL (${name})`,
      );
    }
    const finalizers = (object['spec'] as { finalizers?: string[] } | undefined)?.finalizers ?? [];
    const written = await updateObject(context, endpoint, request, {
      namespace: '',
      name,
      subresource: 'finalize',
      dryRun: options.dryRun,
      next: (current) => withFinalizers(current, finalizers, object.metadata.resourceVersion),
      unconditional: false,
      uid: object.metadata.uid,
    });
    await respondObject(context.machinery, request, 200, endpoint.resource, written, representation);
  };
}

function withFinalizers(namespace: KubeObject, finalizers: string[], resourceVersion: string | undefined): KubeObject {
  namespace['spec'] = { ...(namespace['spec'] as object | undefined), finalizers };
  if (resourceVersion === undefined) delete namespace.metadata.resourceVersion;
  else namespace.metadata.resourceVersion = resourceVersion;
  return namespace;
}
