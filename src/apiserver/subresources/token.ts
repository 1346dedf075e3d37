import { invalidValue } from '../../api/field-error.ts';
import { behaviourOf } from '../../api/kind-behaviour.ts';
import type { KubeObject, ObjectMeta } from '../../api/object.ts';
import type { TokenIssuer, TokenSubject } from '../../authn/token-issuer.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { CausewayError, conflict, invalid, notFound } from '../../lib/errors.ts';
import { negotiate } from '../content/accept.ts';
import { respondObject } from '../content/represent.ts';
import { admissionAttributes, type HandlerContext } from '../handlers/endpoint.ts';
import { readObject } from '../handlers/request-body.ts';
import { settleNamespace } from '../handlers/write.ts';
import { handleStrictErrors, writeOptions } from '../handlers/write-options.ts';
import type { ResourceHandler } from '../router.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';

const tokenRequestKind = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' } as const;
const behaviour = behaviourOf({ ...tokenRequestKind, namespaced: true, subresources: [] });

interface BoundObjectReference {
  kind?: string;
  apiVersion?: string;
  name?: string;
  uid?: string;
}

interface TokenRequestSpec {
  audiences?: string[] | null;
  expirationSeconds: number;
  boundObjectRef?: BoundObjectReference | null;
}

export interface TokenDependencies {
  readonly context: HandlerContext;
  readonly issuer: TokenIssuer;
}

/** POST serviceaccounts/NAME/token: a token for the account, bound to a pod, secret or node where asked. (`kubectl create token`) */
export function tokenHandler(dependencies: TokenDependencies): ResourceHandler {
  const { context, issuer } = dependencies;
  return async (request, endpoint) => {
    const { name, namespace } = request.info;
    const representation = negotiate(
      request.exchange.header('accept'),
      request.query,
      request.exchange.header('user-agent'),
      false,
    );
    const options = writeOptions(request, 'CreateOptions');
    const { object, strictErrors } = await readObject(request, context.machinery, tokenRequestKind);
    handleStrictErrors(request, options, 'TokenRequest', 'v1', strictErrors);
    behaviour.applyDefaults(object);
    checkMetadata(object.metadata, name, namespace);
    const account = await endpoint.cache.get(namespace, name);
    if (account === undefined) throw notFound('', 'serviceaccounts', name);
    const attributes = admissionAttributes(request, endpoint.resource, {
      operation: 'CREATE',
      namespace,
      name,
      object,
      oldObject: undefined,
      dryRun: options.dryRun,
      kind: tokenRequestKind,
    });
    await context.admission.admit(attributes);
    const spec = object['spec'] as TokenRequestSpec;
    if ((spec.audiences ?? []).length === 0) spec.audiences = [...issuer.apiAudiences];
    const causes = behaviour.validateCreate(object);
    if (causes.length > 0) throw invalid('authentication.k8s.io', 'TokenRequest', '', causes);
    await context.admission.validate(attributes);
    const seconds = spec.expirationSeconds;
    const subject = await subjectOf(context, namespace, name, account.object().metadata.uid ?? '', spec);
    const issued = options.dryRun
      ? undefined
      : issuer.issue(subject, { audiences: spec.audiences ?? [], expirationSeconds: seconds });
    const answer: KubeObject = {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: {
        name,
        namespace,
        creationTimestamp: rfc3339(context.clock.now()),
      },
      spec: {
        ...spec,
        expirationSeconds: issued === undefined ? seconds : Math.round((issued.expiresAt - context.clock.now()) / 1000),
      },
      status: {
        token: issued?.token ?? '',
        expirationTimestamp: issued === undefined ? null : rfc3339(issued.expiresAt),
      },
    };
    if (issued !== undefined) {
      request.annotations.set('authentication.kubernetes.io/issued-credential-id', issued.credentialId);
    }
    await respondObject(context.machinery, request, 201, endpoint.resource, { object: () => answer }, representation);
  };
}

/** What a TokenRequest says of its account must be what the URL says. */
function checkMetadata(metadata: ObjectMeta, name: string, namespace: string): void {
  settleNamespace({ metadata }, namespace, true);
  if (metadata.name === undefined || metadata.name === '' || metadata.name === name) return;
  const why = 'must match the service account name if specified';
  throw invalid('authentication.k8s.io', 'TokenRequest', name, [invalidValue('metadata.name', metadata.name, why)]);
}

function cacheOf(context: HandlerContext, kind: string, plural: string): WatchCache {
  return context.caches.of({ group: '', apiVersion: 'v1', kind, plural });
}

/** Whom the token is for: the UIDs come from the objects as they are stored, never from the request. */
async function subjectOf(
  context: HandlerContext,
  namespace: string,
  name: string,
  uid: string,
  spec: TokenRequestSpec,
): Promise<TokenSubject> {
  const subject: TokenSubject = { namespace, serviceAccount: { name, uid } };
  const reference = spec.boundObjectRef;
  if (reference === undefined || reference === null) return subject;
  const bound = reference.name ?? '';
  if (reference.apiVersion === 'v1' && reference.kind === 'Pod') {
    const pod = await stored(cacheOf(context, 'Pod', 'pods'), 'pods', namespace, bound, reference);
    const podSpec = (pod['spec'] ?? {}) as { serviceAccountName?: string; nodeName?: string };
    if (podSpec.serviceAccountName !== name) {
      throw new CausewayError(
        'BadRequest',
        `cannot bind token for serviceaccount ${JSON.stringify(name)} to pod running with different serviceaccount name.`,
      );
    }
    const node =
      podSpec.nodeName === undefined || podSpec.nodeName === ''
        ? undefined
        : await cacheOf(context, 'Node', 'nodes').get('', podSpec.nodeName);
    return {
      ...subject,
      pod: { name: bound, uid: pod.metadata.uid ?? '' },
      ...(node === undefined ? {} : { node: { name: node.name, uid: node.object().metadata.uid ?? '' } }),
    };
  }
  if (reference.apiVersion === 'v1' && reference.kind === 'Secret') {
    const secret = await stored(cacheOf(context, 'Secret', 'secrets'), 'secrets', namespace, bound, reference);
    return { ...subject, secret: { name: bound, uid: secret.metadata.uid ?? '' } };
  }
  if (reference.apiVersion === 'v1' && reference.kind === 'Node') {
    const node = await stored(cacheOf(context, 'Node', 'nodes'), 'nodes', '', bound, reference);
    return { ...subject, node: { name: bound, uid: node.metadata.uid ?? '' } };
  }
  throw new CausewayError(
    'BadRequest',
    `cannot bind token to object of type ${reference.apiVersion ?? ''}, Kind=${reference.kind ?? ''}`,
  );
}

async function stored(
  cache: WatchCache,
  plural: string,
  namespace: string,
  name: string,
  reference: BoundObjectReference,
): Promise<KubeObject> {
  const found = name === '' ? undefined : await cache.get(namespace, name);
  if (found === undefined) throw notFound('', plural, name);
  const object = found.object();
  if (reference.uid !== undefined && reference.uid !== '' && reference.uid !== object.metadata.uid) {
    throw conflict(
      '',
      reference.kind ?? '',
      name,
      `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return object;
}
