import type { Container, Pod, Service } from '../api/generated/types.ts';
import { CausewayError } from '../lib/errors.ts';
import { fieldValue, type PodAddresses, resourceValue } from './downward.ts';
import type { ObjectSource } from './object-source.ts';
import { configMapData, secretData } from './volumes/projections.ts';

export interface EnvironmentContext {
  readonly pod: Pod;
  readonly source: ObjectSource;
  readonly addresses: PodAddresses;
  readonly nodeRoom: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** A variable's name in `envFrom`, as relaxed since Kubernetes 1.34: printable ASCII without `=`. */
const ENV_NAME = /^[ -<>-~]+$/;

/**
 * The environment of a container, in Kubernetes' order: services, then `envFrom`, then `env`; the later wins. `$(NAME)` in a
 * value is expanded from what stands before it. Throws what is missing, in the words of `CreateContainerConfigError`.
 */
export async function containerEnvironment(
  context: EnvironmentContext,
  container: Container,
): Promise<{ name: string; value: string }[]> {
  const { pod } = context;
  const result = new Map<string, string>();
  for (const [k, v] of serviceVariables(context.source.services(), pod)) result.set(k, v);
  for (const from of container.envFrom ?? []) {
    const data = await envFromData(context, from);
    for (const [key, bytes] of data) {
      const name = `${from.prefix ?? ''}${key}`;
      if (ENV_NAME.test(name)) result.set(name, Buffer.from(bytes).toString());
    }
  }
  for (const variable of container.env ?? []) {
    const value =
      variable.valueFrom === undefined
        ? expandVariables(variable.value ?? '', result)
        : await valueFrom(context, container, variable.valueFrom);
    if (value !== undefined) result.set(variable.name, value);
  }
  return [...result].map(([name, value]) => ({ name, value }));
}

async function envFromData(
  context: EnvironmentContext,
  from: NonNullable<Container['envFrom']>[number],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const namespace = context.pod.metadata.namespace ?? '';
  if (from.configMapRef !== undefined) {
    const name = from.configMapRef.name ?? '';
    const found = await context.source.configMap(namespace, name, context.signal);
    if (found !== undefined) return configMapData(found);
    if (from.configMapRef.optional === true) return new Map();
    throw new CausewayError('NotFound', `configmap "${name}" not found`);
  }
  const name = from.secretRef?.name ?? '';
  const found = await context.source.secret(namespace, name, context.signal);
  if (found !== undefined) return secretData(found);
  if (from.secretRef?.optional === true) return new Map();
  throw new CausewayError('NotFound', `secret "${name}" not found`);
}

async function valueFrom(
  context: EnvironmentContext,
  container: Container,
  from: NonNullable<NonNullable<Container['env']>[number]['valueFrom']>,
): Promise<string | undefined> {
  const namespace = context.pod.metadata.namespace ?? '';
  if (from.fieldRef !== undefined) return fieldValue(context.pod, from.fieldRef, context.addresses);
  if (from.resourceFieldRef !== undefined) {
    return resourceValue(context.pod, from.resourceFieldRef, container.name, context.nodeRoom);
  }
  const isSecret = from.secretKeyRef !== undefined;
  const ref = from.secretKeyRef ?? from.configMapKeyRef;
  if (ref === undefined) {
    throw new CausewayError('Invalid', `the environment source ${Object.keys(from).join()} is not supported`);
  }
  const name = ref.name ?? '';
  const optional = ref.optional === true;
  const kind = isSecret ? 'secret' : 'configmap';
  const found = isSecret
    ? await context.source.secret(namespace, name, context.signal).then((s) => s && secretData(s))
    : await context.source.configMap(namespace, name, context.signal).then((c) => c && configMapData(c));
  const bytes = found?.get(ref.key);
  if (bytes !== undefined) return Buffer.from(bytes).toString();
  if (optional) return undefined;
  if (found === undefined) throw new CausewayError('NotFound', `${kind} "${name}" not found`);
  throw new CausewayError(
    'NotFound',
    `couldn't find key ${ref.key} in ${isSecret ? 'Secret' : 'ConfigMap'} ${namespace}/${name}`,
  );
}

/** `$(NAME)` is replaced when NAME is known and left alone otherwise; `$$` stands for one `$`. */
export function expandVariables(text: string, known: ReadonlyMap<string, string>): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, rest: string, name: string | undefined) => {
    if (rest === '$') return '$';
    return (name === undefined ? undefined : known.get(name)) ?? whole;
  });
}

/**
 * `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT` and the older link variables for each service of the pod's namespace; the
 * `kubernetes` service of `default` is always there.
 */
function serviceVariables(services: readonly Service[], pod: Pod): Map<string, string> {
  const result = new Map<string, string>();
  const links = pod.spec?.enableServiceLinks !== false;
  for (const service of services) {
    const { name, namespace } = service.metadata;
    const isMaster = namespace === 'default' && name === 'kubernetes';
    if (!isMaster && !(links && namespace === pod.metadata.namespace)) continue;
    const ip = service.spec?.clusterIP ?? '';
    if (ip === '' || ip === 'None') continue;
    const prefix = (name ?? '').toUpperCase().replaceAll('-', '_');
    const ports = service.spec?.ports ?? [];
    const first = ports[0];
    if (first === undefined) continue;
    const host = ip.includes(':') ? `[${ip}]` : ip;
    const url = `${(first.protocol ?? 'TCP').toLowerCase()}://${host}:${first.port}`;
    result.set(`${prefix}_SERVICE_HOST`, ip);
    result.set(`${prefix}_SERVICE_PORT`, String(first.port));
    for (const port of ports) {
      if ((port.name ?? '') !== '') {
        result.set(`${prefix}_SERVICE_PORT_${port.name!.toUpperCase().replaceAll('-', '_')}`, String(port.port));
      }
    }
    result.set(`${prefix}_PORT`, url);
    for (const port of ports) {
      const protocol = port.protocol ?? 'TCP';
      const base = `${prefix}_PORT_${port.port}_${protocol}`;
      result.set(base, `${protocol.toLowerCase()}://${host}:${port.port}`);
      result.set(`${base}_PROTO`, protocol.toLowerCase());
      result.set(`${base}_PORT`, String(port.port));
      result.set(`${base}_ADDR`, ip);
    }
  }
  return result;
}
