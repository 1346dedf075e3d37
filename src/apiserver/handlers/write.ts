import { semanticEqual } from '../../api/json-object.ts';
import type { KubeObject, ObjectMeta } from '../../api/object.ts';
import type { ResourceDefinition } from '../../api/scheme.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { alreadyExists, CausewayError, conflict, type ErrorCause, invalid, notFound } from '../../lib/errors.ts';
import type { Entry } from '../../storage/store.ts';
import type { Sendable } from '../content/represent.ts';
import type { ApiRequest } from '../request.ts';
import type { CachedObject } from '../watch-cache/watch-cache.ts';
import { admissionAttributes, type Endpoint, encoder, type HandlerContext, keyOf } from './endpoint.ts';

export interface Written extends Sendable {
  readonly created: boolean;
}

const staleMessage = 'the object has been modified; please apply your changes to the latest version and try again';

/** Attempts of an update that names no `resourceVersion`, when others write the same object. */
const MAX_ATTEMPTS = 10;
const MAX_NAME_ATTEMPTS = 8;
/** A generated name is cut so that name and suffix fit a label. */
const MAX_GENERATED_NAME = 63;
const SUFFIX_LENGTH = 5;

/** What was stored is what is sent, unless it is stored in another form. */
function sendableEntry(endpoint: Endpoint, entry: Entry, object: KubeObject, created: boolean): Written {
  if (endpoint.form !== undefined) return sendableObject(object, created);
  return { bytes: entry.value as Buffer, object: () => object, created };
}

function sendableObject(object: KubeObject, created: boolean): Written {
  return { object: () => object, created };
}

/** The namespace of the URL is the object's; one that says otherwise is refused. */
export function settleNamespace(object: KubeObject, namespace: string, namespaced: boolean): void {
  const { metadata } = object;
  if (!namespaced) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
    throw new CausewayError(
      'BadRequest',
      'the namespace of the provided object does not match the namespace sent on the request',
    );
  }
  metadata.namespace = namespace;
}

/** What only the server says of an object. */
const serverFields = ['deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink', 'managedFields'] as const;

function giveSystemFields(context: HandlerContext, object: KubeObject): void {
  const { metadata } = object;
  metadata.uid = context.uuid();
  metadata.creationTimestamp = rfc3339(context.clock.now());
  for (const field of serverFields) {
    // To delete what is not there costs more than to look.
    if (metadata[field] !== undefined) delete metadata[field];
  }
}

function generatedName(context: HandlerContext, base: string): string {
  return base.slice(0, MAX_GENERATED_NAME - SUFFIX_LENGTH) + context.randomSuffix(SUFFIX_LENGTH);
}

function refuse(endpoint: Endpoint, object: KubeObject, causes: readonly ErrorCause[]): void {
  if (causes.length > 0) {
    throw invalid(endpoint.resource.group, endpoint.resource.kind, object.metadata.name ?? '', causes);
  }
}

/** Stores a new object: admission, defaults, validation, one durable write. `object` becomes the stored one. */
export async function createObject(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
  object: KubeObject,
  namespace: string,
  dryRun: boolean,
): Promise<Written> {
  const { resource } = endpoint;
  settleNamespace(object, namespace, resource.namespaced);
  if (object.metadata.resourceVersion !== undefined && object.metadata.resourceVersion !== '') {
    throw new CausewayError('BadRequest', 'resourceVersion should not be set on objects to be created');
  }
  if (object.metadata.resourceVersion !== undefined) delete object.metadata.resourceVersion;
  giveSystemFields(context, object);
  const generate =
    object.metadata.name === undefined || object.metadata.name === '' ? object.metadata.generateName : undefined;
  for (let attempt = 1; ; attempt++) {
    if (generate !== undefined && generate !== '') object.metadata.name = generatedName(context, generate);
    const written = await createOnce(context, endpoint, request, object, namespace, dryRun);
    if (written !== undefined) return written;
    if (generate === undefined || generate === '' || attempt >= MAX_NAME_ATTEMPTS) {
      const current = await endpoint.cache.get(resource.namespaced ? namespace : '', object.metadata.name ?? '');
      const taken = nameTaken(resource, object.metadata);
      if (current?.object().metadata.deletionTimestamp === undefined) throw taken;
      throw new CausewayError('AlreadyExists', `object is being deleted: ${taken.message}`, {
        ...(taken.details === undefined ? {} : { details: taken.details }),
      });
    }
  }
}

function nameTaken({ group, plural }: ResourceDefinition, { name = '', generateName = '' }: ObjectMeta): CausewayError {
  const taken = alreadyExists(group, plural, name);
  if (generateName === '') return taken;
  const message = `${taken.message}, the server was not able to generate a unique name for the object`;
  return new CausewayError('AlreadyExists', message, { details: { ...taken.details, retryAfterSeconds: 1 } });
}

/** Undefined when the name is taken. */
async function createOnce(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
  object: KubeObject,
  namespace: string,
  dryRun: boolean,
): Promise<Written | undefined> {
  const { resource, behaviour, hooks } = endpoint;
  behaviour.applyDefaults(object);
  const attributes = admissionAttributes(request, resource, {
    operation: 'CREATE',
    namespace: resource.namespaced ? namespace : resource.plural === 'namespaces' ? (object.metadata.name ?? '') : '',
    name: object.metadata.name ?? '',
    object,
    oldObject: undefined,
    dryRun,
    subresource: '',
  });
  await context.admission.admit(attributes);
  // What admission added has defaults of its own.
  behaviour.applyDefaults(object);
  behaviour.prepareForCreate(object);
  hooks.created?.(object, request.caller);
  const reserving = hooks.reserve?.(object, undefined, dryRun);
  const settle = reserving === undefined ? undefined : await reserving;
  let stored = false;
  try {
    refuse(endpoint, object, behaviour.validateCreate(object));
    for (const warning of behaviour.warnings(object, undefined)) request.warn(warning);
    await context.admission.validate(attributes);
    request.objectName = object.metadata.name;
    request.objectUid = object.metadata.uid;
    const key = keyOf(endpoint.form?.resource ?? resource, namespace, object.metadata.name ?? '');
    if (dryRun) {
      if ((await endpoint.cache.get(resource.namespaced ? namespace : '', object.metadata.name ?? '')) !== undefined) {
        return undefined;
      }
      return sendableObject(object, true);
    }
    const result = await context.store.txn([{ type: 'put', key, expected: 0, encode: encoder(object, endpoint.form) }]);
    if (!result.ok) return undefined;
    stored = true;
    return sendableEntry(endpoint, result.entries[0] as Entry, object, true);
  } finally {
    settle?.(stored);
  }
}

export interface Update {
  readonly namespace: string;
  readonly name: string;
  /** '' or the subresource that is written: `status`. */
  readonly subresource: string;
  readonly dryRun: boolean;
  /** Makes the new state from a copy of the present one. Called again when somebody else was faster. */
  next(current: KubeObject): Promise<KubeObject> | KubeObject;
  /** For kinds that a PUT may create. */
  create?(): KubeObject;
  /** A patch is made from the newest state, so it needs no `resourceVersion`. */
  readonly unconditional: boolean;
  /** `next` is the apiserver's own doing, and was admitted as what it is: the rules for what a client may change do not hold. */
  readonly ownChange?: boolean;
  /** Only this object, not one of the same name. */
  readonly uid?: string | undefined;
}

/** Changes a stored object: `next`, admission, validation, one durable compare-and-set, again when it lost a race. */
export async function updateObject(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
  update: Update,
): Promise<Written> {
  const { resource } = endpoint;
  const namespace = resource.namespaced ? update.namespace : '';
  for (let attempt = 1; ; attempt++) {
    const current = await endpoint.cache.get(namespace, update.name);
    if (current === undefined) {
      if (update.create === undefined || update.subresource !== '' || !endpoint.behaviour.allowCreateOnUpdate) {
        throw notFound(resource.group, resource.plural, update.name);
      }
      const object = update.create();
      delete object.metadata.resourceVersion;
      return createObject(context, endpoint, request, object, update.namespace, update.dryRun);
    }
    const outcome = await updateOnce(context, endpoint, request, update, current);
    if (outcome.written !== undefined) return outcome.written;
    if (outcome.conditional || attempt >= MAX_ATTEMPTS) {
      throw conflict(resource.group, resource.plural, update.name, staleMessage);
    }
  }
}

async function updateOnce(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
  update: Update,
  current: CachedObject,
): Promise<{ written: Written | undefined; conditional: boolean }> {
  const { resource, behaviour, hooks } = endpoint;
  const old = current.object();
  const object = await update.next(current.copy());
  const { metadata } = object;
  settleNamespace(object, update.namespace, resource.namespaced);
  if (metadata.name === undefined || metadata.name === '') metadata.name = update.name;
  const conditional = checkVersion(endpoint, update, object, old);
  keepSystemFields(object, old);

  behaviour.applyDefaults(object);
  const attributes = admissionAttributes(request, resource, {
    operation: 'UPDATE',
    namespace: resource.plural === 'namespaces' && resource.group === '' ? update.name : update.namespace,
    name: update.name,
    object,
    oldObject: old,
    dryRun: update.dryRun,
  });
  if (update.ownChange !== true) {
    await context.admission.admit(attributes);
    // What admission added has defaults of its own.
    behaviour.applyDefaults(object);
    behaviour.prepareForUpdate(object, old, update.subresource);
    hooks.updated?.(object, old);
  }
  metadata.resourceVersion = old.metadata.resourceVersion as string;
  const settle = await hooks.reserve?.(object, old, update.dryRun);
  let stored = false;
  try {
    if (update.ownChange !== true) {
      refuse(endpoint, object, behaviour.validateUpdate(object, old, update.subresource));
      for (const warning of behaviour.warnings(object, old)) request.warn(warning);
      await context.admission.validate(attributes);
    }
    request.objectUid = metadata.uid;
    if (endsHere(endpoint, object, old)) {
      const written = await removeNow(context, endpoint, object, current, update);
      stored = written !== undefined;
      return { written, conditional };
    }
    // An update that changes nothing is not a write: no revision, no event, no work for watchers.
    if (semanticEqual(object, old))
      return { written: { bytes: current.bytes, object: () => old, created: false }, conditional };
    if (update.dryRun) return { written: sendableObject(object, false), conditional };
    const result = await context.store.txn([
      { type: 'put', key: current.key, expected: current.resourceVersion, encode: encoder(object, endpoint.form) },
    ]);
    if (!result.ok) return { written: undefined, conditional };
    stored = true;
    return { written: sendableEntry(endpoint, result.entries[0] as Entry, object, false), conditional };
  } finally {
    settle?.(stored);
  }
}

/** Whether the caller's `resourceVersion` and `uid` allow the update. True when it named a version. */
function checkVersion(endpoint: Endpoint, update: Update, object: KubeObject, old: KubeObject): boolean {
  const { resource } = endpoint;
  const { metadata } = object;
  const uid = update.uid ?? metadata.uid;
  if (uid !== undefined && uid !== '' && uid !== old.metadata.uid) {
    throw conflict(
      resource.group,
      resource.plural,
      update.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }
  const version = metadata.resourceVersion ?? '';
  if (version === '' || version === '0') {
    if (!update.unconditional && !endpoint.behaviour.allowUnconditionalUpdate) {
      throw invalid(resource.group, resource.plural, update.name, [
        {
          reason: 'FieldValueInvalid',
          message: 'Invalid value: 0: must be specified for an update',
          field: 'metadata.resourceVersion',
        },
      ]);
    }
    return false;
  }
  if (!/^\d+$/.test(version)) {
    throw invalid(resource.group, resource.kind, update.name, [
      {
        reason: 'FieldValueInvalid',
        message: `Invalid value: ${JSON.stringify(version)}: must be an unsigned integer`,
        field: 'metadata.resourceVersion',
      },
    ]);
  }
  if (version !== old.metadata.resourceVersion) {
    throw conflict(resource.group, resource.plural, update.name, staleMessage);
  }
  return !update.unconditional;
}

/** No update changes what the apiserver itself says of an object. */
function keepSystemFields(object: KubeObject, old: KubeObject): void {
  const { metadata } = object;
  const before = old.metadata;
  metadata.uid = before.uid as string;
  metadata.creationTimestamp = before.creationTimestamp as string;
  if (before.generation === undefined) delete metadata.generation;
  else metadata.generation = before.generation;
  if (before.deletionTimestamp === undefined) {
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
  } else {
    metadata.deletionTimestamp = before.deletionTimestamp;
    if (before.deletionGracePeriodSeconds !== undefined) {
      metadata.deletionGracePeriodSeconds = before.deletionGracePeriodSeconds;
    }
  }
  delete metadata.selfLink;
  delete metadata.managedFields;
}

/** An object whose deletion waited for its finalizers goes with the last of them. */
function endsHere(endpoint: Endpoint, object: KubeObject, old: KubeObject): boolean {
  if (old.metadata.deletionTimestamp === undefined) return false;
  if ((object.metadata.finalizers ?? []).length > 0) return false;
  if ((old.metadata.deletionGracePeriodSeconds ?? 0) !== 0) return false;
  return endpoint.hooks.mayRemove?.(object) ?? true;
}

async function removeNow(
  context: HandlerContext,
  endpoint: Endpoint,
  object: KubeObject,
  current: CachedObject,
  update: Update,
): Promise<Written | undefined> {
  if (update.dryRun) return sendableObject(object, false);
  const result = await context.store.txn([
    { type: 'delete', key: current.key, expected: current.resourceVersion, encode: encoder(object, endpoint.form) },
  ]);
  if (!result.ok) return undefined;
  endpoint.hooks.released?.(object);
  return sendableObject(object, false);
}
