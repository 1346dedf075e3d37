import type { ErrorCause } from '../../lib/errors.ts';
import { forbidden, invalidEach, invalidValue, notSupported, required } from '../field-error.ts';
import type { IntOrString, Lifecycle, LifecycleHandler, Probe } from '../generated/types.ts';
import { nonNegative } from '../metadata.ts';
import { httpHeaderName, portName, portNumber } from '../names.ts';

type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> & Pick<LifecycleHandler, 'sleep'>;
const handlerTypes = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;

export type ProbeKind = 'livenessProbe' | 'readinessProbe' | 'startupProbe';

export function validateProbe(probe: Probe | undefined, kind: ProbeKind, path: string): ErrorCause[] {
  if (probe === undefined) return [];
  const causes = validateHandler(probe, undefined, path);
  for (const field of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const) {
    causes.push(...nonNegative(`${path}.${field}`, probe[field]));
  }
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) {
    causes.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'));
  }
  if (kind === 'readinessProbe') {
    if (grace !== undefined) {
      const text = 'must not be set for readinessProbes';
      causes.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, text));
    }
  } else if (probe.successThreshold !== 1) {
    causes.push(invalidValue(`${path}.successThreshold`, probe.successThreshold ?? 0, 'must be 1'));
  }
  return causes;
}

export function validateLifecycle(
  lifecycle: Lifecycle | undefined,
  grace: number | undefined,
  path: string,
): ErrorCause[] {
  return (['postStart', 'preStop'] as const).flatMap((hook) => {
    const handler = lifecycle?.[hook];
    return handler === undefined ? [] : validateHandler(handler, grace, `${path}.${hook}`);
  });
}

/** Exactly one way to ask or to run. */
function validateHandler(handler: Handler, grace: number | undefined, path: string): ErrorCause[] {
  const types = handlerTypes.filter((type) => handler[type] !== undefined);
  const [first, ...others] = types;
  if (first === undefined) return [required(path, 'must specify a handler type')];
  return [
    ...validateAction(handler, first, grace, `${path}.${first}`),
    ...others.map((type) => forbidden(`${path}.${type}`, 'may not specify more than 1 handler type')),
  ];
}

function validateAction(
  handler: Handler,
  type: (typeof handlerTypes)[number],
  grace: number | undefined,
  path: string,
): ErrorCause[] {
  switch (type) {
    case 'exec':
      return (handler.exec?.command ?? []).length === 0 ? [required(`${path}.command`)] : [];
    case 'httpGet': {
      const action = handler.httpGet;
      const causes = (action?.path ?? '') === '' ? [required(`${path}.path`)] : [];
      causes.push(...validatePort(action?.port, `${path}.port`));
      if (action?.scheme !== 'HTTP' && action?.scheme !== 'HTTPS') {
        causes.push(notSupported(`${path}.scheme`, action?.scheme ?? '', ['HTTP', 'HTTPS']));
      }
      for (const { name } of action?.httpHeaders ?? []) {
        causes.push(...invalidEach(`${path}.httpHeaders`, name, httpHeaderName(name)));
      }
      return causes;
    }
    case 'tcpSocket':
      return validatePort(handler.tcpSocket?.port, `${path}.port`);
    case 'grpc':
      return validatePort(handler.grpc?.port, `${path}.port`);
    case 'sleep': {
      const seconds = handler.sleep?.seconds ?? 0;
      if (grace === undefined || (seconds >= 0 && seconds <= grace)) return [];
      const text = `must be non-negative and less than terminationGracePeriodSeconds (${grace})`;
      return [invalidValue(path, seconds, text)];
    }
    default:
      return type satisfies never;
  }
}

/** A port by number or by name. */
export function validatePort(port: IntOrString | undefined, field: string): ErrorCause[] {
  return typeof port === 'string'
    ? invalidEach(field, port, portName(port))
    : invalidEach(field, port ?? 0, portNumber(port ?? 0));
}
