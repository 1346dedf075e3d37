import type { KubeObject } from '../../api/object.ts';
import { CausewayError, conflict, invalid, notFound } from '../../lib/errors.ts';
import { negotiate } from '../content/accept.ts';
import { respondObject } from '../content/represent.ts';
import { patchMediaOf } from '../handlers/change.ts';
import type { Endpoint, HandlerContext } from '../handlers/endpoint.ts';
import { readObject } from '../handlers/request-body.ts';
import { updateObject } from '../handlers/write.ts';
import { handlePatchErrors, handleStrictErrors, writeOptions } from '../handlers/write-options.ts';
import { limits } from '../limits.ts';
import type { ApiRequest } from '../request.ts';
import type { ResourceHandler } from '../router.ts';

const scaleKind = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  definition: 'io.k8s.api.autoscaling.v1.Scale',
} as const;

interface Scalable {
  spec?: { replicas?: number; selector?: LabelSelector | Record<string, string> };
  status?: { replicas?: number };
}

interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** A selector as text, in Kubernetes' spelling: what `status.selector` of a Scale says. */
function selectorText(selector: LabelSelector | Record<string, string> | undefined): string {
  if (selector === undefined) return '';
  if (!('matchLabels' in selector) && !('matchExpressions' in selector)) {
    return Object.entries(selector as Record<string, string>)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join(',');
  }
  const { matchLabels = {}, matchExpressions = [] } = selector as LabelSelector;
  const terms = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of matchExpressions) {
    if (operator === 'Exists') terms.push(key);
    else if (operator === 'DoesNotExist') terms.push(`!${key}`);
    else terms.push(`${key} ${operator === 'In' ? 'in' : 'notin'} (${[...values].sort().join(',')})`);
  }
  return terms.sort().join(',');
}

function scaleOf(object: KubeObject): KubeObject {
  const { spec = {}, status = {} } = object as Scalable;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = selectorText(spec.selector);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp } as KubeObject['metadata'],
    spec: { replicas: spec.replicas ?? 0 },
    status: { replicas: status.replicas ?? 0, ...(selector === '' ? {} : { selector }) },
  };
}

function applyScale(object: KubeObject, scale: KubeObject, endpoint: Endpoint, name: string): KubeObject {
  const replicas = (scale['spec'] as { replicas?: number } | undefined)?.replicas ?? 0;
  if (replicas < 0) {
    throw invalid('autoscaling', 'Scale', name, [
      {
        reason: 'FieldValueInvalid',
        message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
        field: 'spec.replicas',
      },
    ]);
  }
  const { uid, resourceVersion } = scale.metadata;
  const { group, plural } = endpoint.resource;
  if (uid !== undefined && uid !== '' && uid !== object.metadata.uid) {
    throw conflict(
      group,
      plural,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${object.metadata.uid}`,
    );
  }
  // Checked where every update checks it.
  if (resourceVersion !== undefined && resourceVersion !== '') object.metadata.resourceVersion = resourceVersion;
  else delete object.metadata.resourceVersion;
  object['spec'] = { ...(object['spec'] as object), replicas };
  return object;
}

/** `scale` of a workload: GET, PUT and PATCH of its replica count, without knowing its kind. */
export function scaleHandlers(context: HandlerContext): {
  readonly get: ResourceHandler;
  readonly update: ResourceHandler;
  readonly patch: ResourceHandler;
} {
  const represent = (request: ApiRequest) =>
    negotiate(request.exchange.header('accept'), request.query, request.exchange.header('user-agent'), false);

  const write = async (
    request: ApiRequest,
    endpoint: Endpoint,
    dryRun: boolean,
    next: (scale: KubeObject) => KubeObject,
  ): Promise<void> => {
    const representation = represent(request);
    const { name, namespace } = request.info;
    const written = await updateObject(context, endpoint, request, {
      namespace,
      name,
      subresource: 'scale',
      dryRun,
      next: (current) => applyScale(current, next(scaleOf(current)), endpoint, name),
      unconditional: true,
    });
    const scale = scaleOf(written.object());
    await respondObject(context.machinery, request, 200, endpoint.resource, { object: () => scale }, representation);
  };

  return {
    async get(request, endpoint) {
      const { resource } = endpoint;
      const { name, namespace } = request.info;
      const found = await endpoint.cache.get(namespace, name);
      if (found === undefined) throw notFound(resource.group, resource.plural, name);
      const scale = scaleOf(found.object());
      await respondObject(context.machinery, request, 200, resource, { object: () => scale }, represent(request));
    },
    async update(request, endpoint) {
      const options = writeOptions(request, 'UpdateOptions');
      const { object, strictErrors } = await readObject(request, context.machinery, scaleKind);
      handleStrictErrors(request, options, 'Scale', 'v1', strictErrors);
      if (object.metadata?.name !== request.info.name) {
        throw new CausewayError(
          'BadRequest',
          `the name of the object (${object.metadata?.name ?? ''}) does not match the name on the URL (${request.info.name})`,
        );
      }
      await write(request, endpoint, options.dryRun, () => object);
    },
    async patch(request, endpoint) {
      const media = patchMediaOf(request.exchange.header('content-type'));
      const options = writeOptions(request, 'PatchOptions');
      const patch = await request.exchange.body(limits.maxBodyBytes);
      await write(request, endpoint, options.dryRun, (scale) => {
        const { object, strictErrors } = context.machinery.patch(scale, patch, media, scaleKind);
        handlePatchErrors(request, options, patch, strictErrors);
        return object;
      });
    },
  };
}
