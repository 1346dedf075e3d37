import type { Namespace } from '../api/generated/types.ts';
import type { Informer, InformerFactory } from '../client/informer.ts';
import { NAMESPACES } from '../client/resources.ts';
import { type ErrorCode, isCode } from '../lib/errors.ts';

/** Waits for a request whose answer may be one of `codes`: somebody else was faster. */
export async function ignoring(codes: readonly ErrorCode[], request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!codes.some((code) => isCode(error, code))) throw error;
  }
}

/** The answer of a GET, or undefined where there is no such object. */
export async function found<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Tells refusals of a namespace that is going, where there is nothing to do any more, from those that an operator should see. */
export class EndingNamespaces {
  readonly #namespaces: Informer<Namespace>;

  constructor(informers: InformerFactory) {
    this.#namespaces = informers.for<Namespace>(NAMESPACES);
  }

  refused(error: unknown, namespace: string): boolean {
    if (!isCode(error, 'Forbidden')) return false;
    if (error.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true) return true;
    const found = this.#namespaces.get('', namespace);
    return this.#namespaces.isSynced && (found === undefined || found.metadata.deletionTimestamp !== undefined);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
