import { CausewayError } from '../../lib/errors.ts';
import type { LogOptions } from '../../streaming/logs/log-options.ts';

export interface LogQuery {
  readonly previous: boolean;
  readonly options: LogOptions;
}

/** `v1.PodLogOptions` in a query. Throws `BadRequest` for what cannot be read, `Invalid` for what contradicts itself, each as the kubelet does. */
export function parseLogQuery(query: URLSearchParams, nowMs: number): LogQuery {
  const tail = query.get('tail');
  const tailLines = tail === null ? integer(query.get('tailLines')) : tail === 'all' ? undefined : integer(tail);
  const limitBytes = integer(query.get('limitBytes'));
  const sinceSeconds = integer(query.get('sinceSeconds'));
  const sinceTime = time(query.get('sinceTime'));
  const stream = streamOf(query.get('stream'));
  const wrong =
    (tailLines !== undefined && tailLines < 0) ||
    (limitBytes !== undefined && limitBytes < 1) ||
    (sinceSeconds !== undefined && sinceSeconds < 1) ||
    (sinceSeconds !== undefined && sinceTime !== undefined) ||
    (tailLines !== undefined && stream !== undefined);
  if (wrong) throw new CausewayError('Invalid', '{"message": "Invalid request."}');
  const since = sinceSeconds === undefined ? sinceTime : nowMs - sinceSeconds * 1000;
  return {
    previous: flag(query.get('previous')),
    options: {
      follow: flag(query.get('follow')),
      timestamps: flag(query.get('timestamps')),
      ...(tailLines === undefined ? {} : { tailLines }),
      ...(limitBytes === undefined ? {} : { limitBytes }),
      ...(since === undefined ? {} : { since }),
      ...(stream === undefined ? {} : { stream }),
    },
  };
}

/** A parameter that is there is true, but for `false` and `0`: k8s.io/apimachinery's conversion. */
export function flag(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== 'false' && value !== '0';
}

function integer(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (!/^[+-]?\d{1,15}$/.test(value)) throw undecodable();
  return Number(value);
}

/** RFC 3339. */
function time(value: string | null): number | undefined {
  if (value === null || value === '' || value === 'null') return undefined;
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw undecodable();
  return ms;
}

function streamOf(value: string | null): 'stdout' | 'stderr' | undefined {
  switch (value) {
    case null:
    case '':
    case 'All':
      return undefined;
    case 'Stdout':
      return 'stdout';
    case 'Stderr':
      return 'stderr';
    default:
      throw new CausewayError('Invalid', '{"message": "Invalid request."}');
  }
}

function undecodable(): CausewayError {
  return new CausewayError('BadRequest', '{"message": "Unable to decode query."}');
}
