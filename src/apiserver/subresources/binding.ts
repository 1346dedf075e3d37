import type { KubeObject } from '../../api/object.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { CausewayError, conflict, type ErrorCause, invalid } from '../../lib/errors.ts';
import { respondStatus } from '../content/respond-status.ts';
import { admissionAttributes, type Endpoint, type HandlerContext } from '../handlers/endpoint.ts';
import { readObject } from '../handlers/request-body.ts';
import { settleNamespace, updateObject } from '../handlers/write.ts';
import { handleStrictErrors, writeOptions } from '../handlers/write-options.ts';
import type { ApiRequest } from '../request.ts';
import type { ResourceHandler } from '../router.ts';
import { success } from '../status.ts';

const bindingKind = { group: '', version: 'v1', kind: 'Binding' } as const;

interface Condition {
  type: string;
  status: string;
  lastProbeTime?: string | null;
  lastTransitionTime?: string;
  reason?: string;
  message?: string;
}

interface BoundPod {
  spec?: { nodeName?: string; schedulingGates?: unknown[] };
  status?: { conditions?: Condition[] };
}

function target(binding: KubeObject): string {
  const reference = (binding['target'] ?? {}) as { kind?: string; name?: string };
  const causes: ErrorCause[] = [];
  if ((reference.kind ?? '') !== '' && reference.kind !== 'Node') {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(reference.kind)}: supported values: "Node", "<empty>"`,
      field: 'target.kind',
    });
  }
  if ((reference.name ?? '') === '') {
    causes.push({ reason: 'FieldValueRequired', message: 'Required value', field: 'target.name' });
  }
  if (causes.length > 0) throw invalid('', 'Binding', binding.metadata.name ?? '', causes);
  return reference.name as string;
}

/** The pod with its node: what a scheduler decides, once. */
function bind(context: HandlerContext, pod: KubeObject, binding: KubeObject, node: string): KubeObject {
  const { name = '', resourceVersion } = pod.metadata;
  const bound = pod as BoundPod;
  const wanted = binding.metadata.resourceVersion ?? '';
  if (wanted !== '' && wanted !== resourceVersion) {
    const versions = `ResourceVersion in precondition: ${wanted}, ResourceVersion in object meta: ${resourceVersion}`;
    throw conflict('', 'pods', name, `Precondition failed: ${versions}`);
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict('', 'pods/binding', name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if ((bound.spec?.nodeName ?? '') !== '') {
    throw conflict('', 'pods/binding', name, `pod ${name} is already assigned to node "${bound.spec?.nodeName}"`);
  }
  if ((bound.spec?.schedulingGates ?? []).length > 0) {
    throw conflict('', 'pods/binding', name, `pod ${name} has non-empty .spec.schedulingGates`);
  }
  bound.spec = { ...bound.spec, nodeName: node };
  const { annotations, labels } = binding.metadata;
  if (annotations !== undefined) pod.metadata.annotations = { ...pod.metadata.annotations, ...annotations };
  if (labels !== undefined) pod.metadata.labels = { ...pod.metadata.labels, ...labels };
  const others = (bound.status?.conditions ?? []).filter((c) => c.type !== 'PodScheduled');
  const scheduled: Condition = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: rfc3339(context.clock.now()),
  };
  bound.status = { ...bound.status, conditions: [...others, scheduled] };
  return pod;
}

async function assign(
  context: HandlerContext,
  pods: Endpoint,
  request: ApiRequest,
  binding: KubeObject,
  name: string,
  dryRun: boolean,
): Promise<void> {
  const node = target(binding);
  const { namespace } = request.info;
  await context.admission.run(
    admissionAttributes(request, pods.resource, {
      operation: 'CREATE',
      namespace,
      name,
      object: binding,
      oldObject: undefined,
      dryRun,
      subresource: 'binding',
      kind: bindingKind,
    }),
  );
  await updateObject(context, pods, request, {
    namespace,
    name,
    subresource: 'binding',
    dryRun,
    next: (pod) => bind(context, pod, binding, node),
    ownChange: true,
    unconditional: true,
    uid: binding.metadata.uid,
  });
  respondStatus(context.machinery.codec, request, 201, success(201));
}

/** POST pods/NAME/binding, and POST to the collection `bindings`. */
export function bindingHandler(context: HandlerContext, podsEndpoint: () => Endpoint): ResourceHandler {
  return async (request) => {
    const options = writeOptions(request, 'CreateOptions');
    const { object, strictErrors } = await readObject(request, context.machinery, bindingKind);
    handleStrictErrors(request, options, 'Binding', 'v1', strictErrors);
    settleNamespace(object, request.info.namespace, true);
    const given = object.metadata.name ?? '';
    const name = request.info.name === '' ? given : request.info.name;
    if (given !== name) {
      throw new CausewayError('BadRequest', 'name in URL does not match name in Binding object');
    }
    await assign(context, podsEndpoint(), request, object, name, options.dryRun);
  };
}
