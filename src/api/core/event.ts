import type { ErrorCause } from '../../lib/errors.ts';
import { invalidEach, invalidValue, required } from '../field-error.ts';
import type { Event } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { dns1123Subdomain, pathSegmentName, pathSegmentPrefix, qualifiedName } from '../names.ts';
import type { KubeObject } from '../object.ts';

/** Bytes of the fields that a reporter names itself by, and of the message of a new-style event. */
const nameLimit = 128;
const noteLimit = 1024;

/** `core/v1`, and the names that `events.k8s.io/v1` has for the same fields. */
type AnyEvent = Event & { regarding?: Event['involvedObject']; note?: string; reportingController?: string };
const asEvent = (object: KubeObject): AnyEvent => object as unknown as AnyEvent;
const isNew = (object: KubeObject): boolean => object.apiVersion === 'events.k8s.io/v1';

export const eventRules: KindRules = {
  nameRule: (name, prefix) => (prefix ? pathSegmentPrefix(name) : pathSegmentName(name)),
  allowCreateOnUpdate: true,
  validate: (object) => validateEvent(object),
  selectableFields(object) {
    const event = asEvent(object);
    const about = event.involvedObject ?? event.regarding ?? {};
    const fields: Record<string, string> = {
      reason: event.reason ?? '',
      reportingComponent: event.reportingComponent ?? event.reportingController ?? '',
      source: event.source?.component ?? event.reportingComponent ?? event.reportingController ?? '',
      type: event.type ?? '',
    };
    for (const name of ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const) {
      fields[`involvedObject.${name}`] = about[name] ?? '';
    }
    return fields;
  },
};

function validateEvent(object: KubeObject): ErrorCause[] {
  const event = asEvent(object);
  const namespace = event.metadata.namespace ?? '';
  const field = isNew(object) ? 'regarding.namespace' : 'involvedObject.namespace';
  const about = (event.involvedObject ?? event.regarding)?.namespace ?? '';
  const mismatch = [invalidValue(field, about, 'does not match event.namespace')];
  const causes: ErrorCause[] = [];
  if (event.eventTime === undefined) {
    if (isNew(object)) causes.push(required('eventTime'));
    if (about === '' ? namespace !== 'default' && namespace !== '' : about !== namespace) causes.push(...mismatch);
  } else {
    if (about === '' && namespace !== 'default' && namespace !== 'kube-system') causes.push(...mismatch);
    causes.push(...validateReporter(event, isNew(object)));
  }
  if (isNew(object) && event.type !== 'Normal' && event.type !== 'Warning') {
    causes.push(invalidValue('type', event.type ?? '', `has invalid value: ${event.type ?? ''}`));
  }
  causes.push(...invalidEach('namespace', namespace, dns1123Subdomain(namespace)));
  return causes;
}

/** Who saw it and what was done: required of events that carry `eventTime`. */
function validateReporter(event: AnyEvent, newApi: boolean): ErrorCause[] {
  const controllerField = newApi ? 'reportingController' : 'reportingComponent';
  const controller = event.reportingController ?? event.reportingComponent ?? '';
  const causes: ErrorCause[] = [];
  if (controller === '') causes.push(required(controllerField));
  causes.push(...invalidEach(controllerField, controller, qualifiedName(controller)));
  for (const name of ['reportingInstance', 'action', 'reason'] as const) {
    const value = event[name] ?? '';
    if (value === '') causes.push(required(name));
    if (Buffer.byteLength(value) > nameLimit) {
      causes.push(invalidValue(name, '', `can have at most ${nameLimit} characters`));
    }
  }
  const note = newApi ? (event.note ?? '') : (event.message ?? '');
  if (Buffer.byteLength(note) > noteLimit) {
    causes.push(invalidValue(newApi ? 'note' : 'message', '', `can have at most ${noteLimit} bytes`));
  }
  return causes;
}
