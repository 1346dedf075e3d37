import type { Container } from '../../api/generated/types.ts';

/** A port by number or by the name of one of the container's ports. */
export function resolvePort(container: Pick<Container, 'ports'>, port: number | string): number {
  if (typeof port === 'number') return port;
  if (/^\d+$/.test(port)) return Number(port);
  const named = (container.ports ?? []).find((p) => p.name === port);
  if (named === undefined) throw new Error(`couldn't find port: ${JSON.stringify(port)}`);
  return named.containerPort;
}
