import type { Namespace } from '../api/generated/types.ts';
import { NAMESPACES } from '../client/resources.ts';
import { type ErrorCode, isCode } from '../lib/errors.ts';
import type { ControllerDependencies } from './controller.ts';

/** Waits for a request whose answer may be one of `codes`: somebody else was faster. */
export async function ignoring(codes: readonly ErrorCode[], request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!codes.some((code) => isCode(error, code))) throw error;
  }
}

/** Whether a creation was refused because the namespace is going: there is nothing to do any more. */
export function isNamespaceEnding(d: ControllerDependencies, error: unknown, namespace: string): boolean {
  if (!isCode(error, 'Forbidden')) return false;
  if (error.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true) return true;
  const found = d.informers.for<Namespace>(NAMESPACES).get('', namespace);
  return found === undefined || found.metadata.deletionTimestamp !== undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
