import { invalidValue, notSupported } from '../../api/field-error.ts';
import type { KubeObject } from '../../api/object.ts';
import { CausewayError, type ErrorCause, invalid } from '../../lib/errors.ts';
import { limits } from '../limits.ts';
import type { Machinery } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';
import { mediaOfBody } from './request-body.ts';
import { queryInteger } from './selection.ts';
import { checkDryRun } from './write-options.ts';

/** `meta/v1 DeleteOptions`, checked. */
export interface DeleteOptions {
  readonly gracePeriodSeconds: number | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly propagationPolicy: 'Foreground' | 'Background' | 'Orphan' | undefined;
  /** What `propagationPolicy` replaced, as it was given. */
  readonly orphanDependents: boolean | undefined;
  readonly dryRun: boolean;
}

const policies: readonly string[] = ['Foreground', 'Background', 'Orphan'];

/** From the body when there is one, else from the query, as Kubernetes does. */
export async function readDeleteOptions(request: ApiRequest, machinery: Machinery): Promise<DeleteOptions> {
  const bytes = await request.exchange.body(limits.maxBodyBytes);
  if (bytes.length === 0) return fromQuery(request.query);
  const media = mediaOfBody(request.exchange.header('content-type'));
  const { object } = machinery.codec.decode(bytes, media, {
    group: 'meta.k8s.io',
    version: 'v1',
    kind: 'DeleteOptions',
  });
  if (object.kind !== 'DeleteOptions') {
    throw new CausewayError('BadRequest', `the body must be DeleteOptions, not ${object.kind}`);
  }
  return fromObject(object);
}

/** DeleteOptions as they stand in a body: a DELETE's, or inside an Eviction. */
export function fromObject(object: KubeObject | Readonly<Record<string, unknown>>): DeleteOptions {
  const preconditions = (object['preconditions'] ?? {}) as { uid?: string; resourceVersion?: string };
  return checked({
    gracePeriodSeconds: object['gracePeriodSeconds'] as number | undefined,
    orphanDependents: object['orphanDependents'] as boolean | undefined,
    propagationPolicy: object['propagationPolicy'] as string | undefined,
    dryRun: (object['dryRun'] ?? []) as string[],
    uid: preconditions.uid,
    resourceVersion: preconditions.resourceVersion,
  });
}

function fromQuery(query: URLSearchParams): DeleteOptions {
  const orphan = query.get('orphanDependents');
  return checked({
    gracePeriodSeconds: queryInteger(query, 'gracePeriodSeconds'),
    orphanDependents: orphan === null ? undefined : orphan !== '0' && orphan.toLowerCase() !== 'false',
    propagationPolicy: query.get('propagationPolicy') ?? undefined,
    dryRun: query.getAll('dryRun'),
    uid: undefined,
    resourceVersion: undefined,
  });
}

function checked(raw: {
  gracePeriodSeconds: number | undefined;
  orphanDependents: boolean | undefined;
  propagationPolicy: string | undefined;
  dryRun: readonly string[];
  uid: string | undefined;
  resourceVersion: string | undefined;
}): DeleteOptions {
  const causes: ErrorCause[] = [];
  const { orphanDependents } = raw;
  const policy = raw.propagationPolicy === '' ? undefined : raw.propagationPolicy;
  const field = 'propagationPolicy';
  if (policy !== undefined && orphanDependents !== undefined) {
    causes.push(invalidValue(field, policy, 'orphanDependents and deletionPropagation cannot be both set'));
  }
  if (policy !== undefined && !policies.includes(policy)) {
    causes.push(notSupported(field, policy, [...policies, 'nil']));
  }
  const dryRun = checkDryRun(raw.dryRun, causes);
  if (causes.length > 0) throw invalid('meta.k8s.io', 'DeleteOptions', '', causes);
  const grace = raw.gracePeriodSeconds;
  return {
    // A negative period would be a deletion in the past; Kubernetes takes it for one second.
    gracePeriodSeconds: grace === undefined || grace === null ? undefined : grace < 0 ? 1 : grace,
    propagationPolicy: (policy ??
      (orphanDependents === undefined ? undefined : orphanDependents ? 'Orphan' : 'Background')) as
      | DeleteOptions['propagationPolicy']
      | undefined,
    orphanDependents: orphanDependents ?? undefined,
    dryRun,
    uid: raw.uid === '' ? undefined : raw.uid,
    resourceVersion: raw.resourceVersion === '' ? undefined : raw.resourceVersion,
  };
}
